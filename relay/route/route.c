// SPDX-License-Identifier: ISC
// Routes as counted values.
#include "relay/route/route.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "config/login.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/setup/setup.h"
#include "relay/trace/piece.h"

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
        free(route->hosts[i].hop);
        free(route->hosts[i].addresses);
        demand_free(&route->hosts[i].demand);
    }
    free(route->hosts);
    free(route->domain);
    free(route->next_hop_domain);
    free(route->site);
    for (size_t i = 0; i < route->npolicies; i++) {
        free(route->policies[i].domain);
        sts_view_free(&route->policies[i].sts);
    }
    free(route->policies);
    piece_unref(route->told);
    setup_unref(route->setup);
    free(route);
}

bool route_is_fresh(const struct route *route)
{
    if (route->stale || clock_mono_ms() >= route->expires_ms + ROUTE_SLACK_MS)
        return false;
    return !route->ends_s || clock_s() <= route->ends_s;
}

const char *route_word_text(enum route_word word)
{
    static const char *const words[] = {"mx", "rule", "sender", "smarthost", "operator"};
    return words[word];
}

const struct route_host *route_host_named(const struct route *route, const char *host,
                                          uint16_t port)
{
    for (size_t i = 0; i < route->nhosts; i++)
        if (strcmp(route->hosts[i].host, host) == 0 && route->hosts[i].port == port)
            return &route->hosts[i];
    return NULL;
}

// They ask the same of a host, and do the same there.
static bool route_host_agree(const struct route_host *x, const struct route_host *y)
{
    return y && y->preference == x->preference && y->rank == x->rank &&
           y->demand.refuse == x->demand.refuse &&
           why_is_set(&y->unusable) == why_is_set(&x->unusable) && y->identity == x->identity &&
           login_same(x->login, y->login) && strcmp(y->demand.key, x->demand.key) == 0;
}

bool route_agree(const struct route *a, const struct route *b)
{
    if (a == b)
        return true;
    if (a->nhosts != b->nhosts || a->variant != b->variant || a->sources[0] != b->sources[0] ||
        a->sources[1] != b->sources[1])
        return false;
    // Equal preferences were shuffled, so the order says nothing.
    for (size_t i = 0; i < a->nhosts; i++)
        if (!route_host_agree(&a->hosts[i],
                              route_host_named(b, a->hosts[i].host, a->hosts[i].port)))
            return false;
    return true;
}

static const struct route_policy *policy_of(const struct route *route,
                                            const struct route_host *host)
{
    int i = host ? host->policy : 0;
    return i >= 0 && (size_t)i < route->npolicies ? &route->policies[i] : NULL;
}

const struct sts_view *route_sts(const struct route *route, const struct route_host *host)
{
    const struct route_policy *p = policy_of(route, host);
    return p ? &p->sts : NULL;
}

const char *route_policy_domain(const struct route *route, const struct route_host *host)
{
    const struct route_policy *p = policy_of(route, host);
    return p ? p->domain : "";
}

bool route_has_policy_of(const struct route *route, const char *domain)
{
    for (size_t i = 0; i < route->npolicies; i++)
        if (strcmp(route->policies[i].domain, domain) == 0)
            return true;
    return false;
}

bool route_count_refusal(struct route *route, const struct route_host *host)
{
    size_t i = host ? (size_t)(host - route->hosts) : 63;
    uint64_t bit = UINT64_C(1) << (i < 63 ? i : 63);
    return !(atomic_fetch_or(&route->counted, bit) & bit);
}
