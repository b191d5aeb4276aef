// SPDX-License-Identifier: ISC
// The inside of the routes thread, shared by relay/route/routes.c (routes), relay/route/ask.c (questions about
// policies and memory) and, below both, relay/route/entries.c (their table). The thread owns all of this: cached
// routes, the MTA-STS cache, what hosts proved before.
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

// One wish: being planned, or planned.
struct route_entry {
    UT_hash_handle hh;
    struct list age; // in routes->entries, oldest first
    char *key;
    struct route_wish wish;
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
    void (*policy_host)(struct relay *relay, const char *domain, int64_t ends_s);
    uv_loop_t loop;
    uv_thread_t thread;
    struct inbox *mail;
    struct setup *setup;
    struct https *https;
    struct planning_world world;
    struct route_entry *table;
    struct list entries;
    _Atomic size_t nentries;
    struct list asked;      // questions of relay/route/ask.c under way
    struct list refreshing; // policies looked up again for a delivery
};

// relay/route/entries.c
struct route_entry *entry_find(struct routes *routes,
                               const struct route_wish *wish); // made where there is none
struct route_entry *entry_known(struct routes *routes, const struct route_wish *wish); // or NULL
void entry_forget(struct routes *routes, struct route_entry *e);
void entries_make_room(struct routes *routes);
void entry_make_stale(
    struct route_entry *e); // those who hold its route ask again before they connect
// The domain is its own, or one whose policy counts for it.
bool entry_concerns(const struct route_entry *e, const char *domain);
// Every route that the domain concerns is planned again when next asked for.
void routes_mark_stale(struct routes *routes, const char *domain);

// relay/route/ask.c
// A route planned when the memory owed `before` would demand too little.
bool routes_demand_more(const struct config *config, enum memory_owes owes,
                        enum memory_owes before);
void routes_drop_asked(struct routes *routes); // on close

#endif
