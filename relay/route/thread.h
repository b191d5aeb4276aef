// SPDX-License-Identifier: ISC
// The inside of the routes thread, shared by relay/route/routes.c (routes) and relay/route/ask.c (questions about
// policies and memory). The thread owns all of this: cached routes, the MTA-STS cache, what hosts proved before.
//
// - A route is immutable once it is answered; a change of policy, memory or configuration marks it stale, and it is
//   planned again when somebody asks.
// - One planning an entry at most, however many wait for it; each waiter gets one answer, on its own loop.
#ifndef RELAY_ROUTE_THREAD_H
#define RELAY_ROUTE_THREAD_H

#include "relay/base/list.h"
#include "relay/base/table.h"
#include "relay/route/planning.h"
#include "relay/route/routes.h"

// One (domain, variant): being planned, or planned.
struct route_entry {
    UT_hash_handle hh;
    struct list age; // in routes->entries, oldest first
    char *key;
    char *domain;
    enum route_variant variant;
    struct routes *routes;
    struct route *route;       // NULL: never planned
    struct planning *planning; // NULL: none under way
    struct list waiters;
    bool stale; // plan again as soon as somebody asks
    uint64_t
        refreshed_ms; // clock_mono_ms(): its records were last asked anew for a failure; 0: never
};

struct routes {
    struct relay *relay;
    uv_loop_t loop;
    uv_thread_t thread;
    struct inbox *mail;
    struct setup *setup;
    struct https *https;
    struct planning_world world;
    struct route_entry *table;
    struct list entries;
    size_t nentries;
    struct list asked;      // questions of routes_ask.c under way
    struct list refreshing; // policies looked up again for a delivery
};

// Every route of the domain (or that it is the next hop of) is planned again when next asked for.
void routes_mark_stale(struct routes *routes, const char *domain);
// The domain whose MTA-STS policy and memory count for mail to `domain`; "" where none does.
void routes_policy_domain(const struct routes *routes, const char *domain, char out[256]);
void routes_drop_asked(struct routes *routes); // on close

#endif
