// SPDX-License-Identifier: ISC
// The table of routes: what is planned or being planned, for whom, and what becomes stale. On the routes thread.
#include <stdio.h>
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
    free(e->domain);
    free(e);
}

size_t routes_cached(const struct routes *routes)
{
    return routes->nentries;
}

// NULL: not there.
struct route_entry *entry_look_up(struct routes *routes, const char *domain,
                                  enum route_variant variant)
{
    struct route_entry *e;
    char *key = mem_printf("%d %s", (int)variant, domain);
    HASH_FIND_STR(routes->table, key, e);
    free(key);
    return e;
}

struct route_entry *entry_find(struct routes *routes, const char *domain,
                               enum route_variant variant)
{
    struct route_entry *e = entry_look_up(routes, domain, variant);
    if (e)
        return e;
    e = mem_new(sizeof *e);
    e->key = mem_printf("%d %s", (int)variant, domain);
    e->domain = mem_dup(domain);
    e->variant = variant;
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
    return strcmp(e->domain, domain) == 0 || (e->route && route_has_policy_of(e->route, domain));
}

void routes_mark_stale(struct routes *routes, const char *domain)
{
    list_each (it, &routes->entries) {
        struct route_entry *e = list_of(it, struct route_entry, age);
        if (entry_concerns(e, domain))
            entry_make_stale(e);
    }
}

size_t routes_policy_domains(const struct routes *routes, const char *domain,
                             char out[MAX_POLICIES][256])
{
    struct plan_input in = {.setup = routes->setup, .domain = domain};
    return plan_policy_domains(&in, out);
}

void routes_policy_domain_of(struct routes *routes, const char *domain, const char *host,
                             char out[256])
{
    char all[MAX_POLICIES][256];
    for (int variant = ROUTE_PLAIN; variant <= ROUTE_TLS_OPTIONAL; variant++) {
        struct route_entry *e = entry_look_up(routes, domain, (enum route_variant)variant);
        const struct route *route = e ? e->route : NULL;
        for (size_t i = 0; route && i < route->nhosts; i++) {
            if (strcmp(route->hosts[i].host, host) != 0)
                continue;
            snprintf(out, 256, "%s", route_policy_domain(route, &route->hosts[i]));
            return;
        }
    }
    snprintf(out, 256, "%s", routes_policy_domains(routes, domain, all) ? all[0] : "");
}
