// SPDX-License-Identifier: ISC
// Routes as counted values.
#include "relay/route.h"

#include <stdlib.h>
#include "relay/base/memory.h"
#include "relay/setup.h"

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
