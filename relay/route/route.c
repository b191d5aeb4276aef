// SPDX-License-Identifier: ISC
// Routes as counted values.
#include "relay/route/route.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/setup/setup.h"

struct route *route_ref(struct route *route)
{
    if (route)
        route->refs++;
    return route;
}

void route_unref(struct route *route)
{
    if (!route || --route->refs > 0)
        return;
    for (size_t i = 0; i < route->nhosts; i++) {
        free(route->hosts[i].host);
        free(route->hosts[i].addresses);
        demand_free(&route->hosts[i].demand);
    }
    free(route->hosts);
    free(route->domain);
    free(route->next_hop_domain);
    free(route->site);
    sts_view_free(&route->sts);
    setup_unref(route->setup);
    free(route);
}

bool route_is_fresh(const struct route *route)
{
    if (route->stale || clock_mono_ms() >= route->expires_ms + ROUTE_SLACK_MS)
        return false;
    return !route->ends_s || clock_s() <= route->ends_s;
}

// The same login, or none on either side.
static bool same_login(const struct cfg_destination *a, const struct cfg_destination *b)
{
    bool logs_in = a && a->auth_user && a->auth_user[0];
    return a == b || (!logs_in && !(b && b->auth_user && b->auth_user[0]));
}

bool route_agree(const struct route *a, const struct route *b)
{
    if (a == b)
        return true;
    if (a->nhosts != b->nhosts || a->variant != b->variant || !same_login(a->rule, b->rule))
        return false;
    for (size_t i = 0; i < a->nhosts; i++) {
        const struct route_host *x = &a->hosts[i], *y = NULL;
        // Equal preferences were shuffled, so the order says nothing.
        for (size_t j = 0; j < b->nhosts && !y; j++)
            if (strcmp(b->hosts[j].host, x->host) == 0 && b->hosts[j].port == x->port)
                y = &b->hosts[j];
        if (!y || y->preference != x->preference || y->demand.refuse != x->demand.refuse ||
            why_is_set(&y->unusable) != why_is_set(&x->unusable) ||
            strcmp(y->demand.key, x->demand.key) != 0)
            return false;
    }
    return true;
}

bool route_count_refusal(struct route *route, const struct route_host *host)
{
    size_t i = host ? (size_t)(host - route->hosts) : 63;
    uint64_t bit = UINT64_C(1) << (i < 63 ? i : 63);
    return !(atomic_fetch_or(&route->counted, bit) & bit);
}
