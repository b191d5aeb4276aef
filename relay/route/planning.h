// SPDX-License-Identifier: ISC
// One route being planned: drives the pure plan (relay/route/plan.h) with lookups, the MTA-STS cache and TLS
// memory until it is content. The routes thread and `waxwing explain` both plan through here, so what
// explain says is what a delivery does.
#ifndef RELAY_ROUTE_PLANNING_H
#define RELAY_ROUTE_PLANNING_H

#include "dns/dns.h"
#include "relay/route/plan.h"
#include "relay/route/wish.h"
#include "tls/sts_cache.h"

// What a loop has to plan with; lives longer than its plannings.
struct planning_world {
    struct dns *dns;
    struct inbox *mail;        // of the loop
    struct sts_cache *sts;     // of the same loop; NULL: no MTA-STS
    struct tls_memory *memory; // of the same loop; NULL: nothing remembered
};

struct planning;
// The wish is copied. One callback on the loop, never inside the call; planning_free may be called from it.
struct planning *planning_start(const struct planning_world *world, struct setup *setup,
                                const struct route_wish *wish, void (*done)(void *arg), void *arg);
// Before `done`: cancels, no callback comes. Accepts NULL.
void planning_free(struct planning *planning);

// What it waits for at this moment: the i-th question of its lookups, the i-th domain whose policy it has not been told
// yet. False behind the last.
bool planning_waits_for(const struct planning *planning, size_t i, const char **name,
                        uint16_t *type);
bool planning_waits_for_sts(const struct planning *planning, size_t i, const char **domain);
const struct planning_world *planning_world_of(const struct planning *planning);
// It has not been told yet what MTA-STS says.
bool planning_waits_for_policy(const struct planning *planning);

// After `done`, owned by the planning: the route and what it was made from.
struct route *planning_route(const struct planning *planning);
const struct facts *planning_facts(const struct planning *planning);
// Of the route's policy with this number; NULL: there is none.
const struct memory_view *planning_memory(const struct planning *planning, size_t policy);
const struct route_wish *planning_wish(const struct planning *planning);
const struct dns_state *planning_dns(const struct planning *planning);

#endif
