// SPDX-License-Identifier: ISC
// The table of routes: what is planned or being planned, for whom, and what becomes stale. On the routes thread.
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/route/thread.h"

#define CACHE_ROUTES 20000 // routes kept; the one planned longest ago goes first

void entry_forget(struct routes *routes, struct route_entry *e)
{
    HASH_DEL(routes->table, e);
    list_remove(&e->age);
    routes->nentries--;
    route_unref(e->route);
    free(e->key);
    route_wish_free(&e->wish);
    free(e);
}

size_t routes_cached(const struct routes *routes)
{
    return routes->nentries;
}

struct route_entry *entry_known(struct routes *routes, const struct route_wish *wish)
{
    struct route_entry *e;
    char *key = route_wish_key(wish);
    HASH_FIND_STR(routes->table, key, e);
    free(key);
    return e;
}

struct route_entry *entry_find(struct routes *routes, const struct route_wish *wish)
{
    struct route_entry *e;
    char *key = route_wish_key(wish);
    HASH_FIND_STR(routes->table, key, e);
    if (e) {
        free(key);
        return e;
    }
    e = mem_new(sizeof *e);
    e->key = key;
    route_wish_copy(&e->wish, wish);
    e->routes = routes;
    list_init(&e->waiters);
    list_init(&e->age);
    HASH_ADD_KEYPTR(hh, routes->table, e->key, strlen(e->key), e);
    list_append(&routes->entries, &e->age);
    routes->nentries++;
    return e;
}

void entries_make_room(struct routes *routes)
{
    list_each_safe (it, &routes->entries) {
        struct route_entry *e = list_of(it, struct route_entry, age);
        if (routes->nentries <= CACHE_ROUTES)
            return;
        if (!e->planning)
            entry_forget(routes, e);
    }
}

// Those who hold its route ask again before they connect.
void entry_make_stale(struct route_entry *e)
{
    e->stale = true;
    if (e->route)
        e->route->stale = true;
}

bool entry_concerns(const struct route_entry *e, const char *domain)
{
    return strcmp(e->wish.domain, domain) == 0 ||
           (e->route && route_has_policy_of(e->route, domain));
}

void routes_mark_stale(struct routes *routes, const char *domain)
{
    list_each (it, &routes->entries) {
        struct route_entry *e = list_of(it, struct route_entry, age);
        if (entry_concerns(e, domain))
            entry_make_stale(e);
    }
}
