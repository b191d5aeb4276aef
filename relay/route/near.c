// SPDX-License-Identifier: ISC
// A small table in which each wish has one place, and the younger one takes it.
#include "relay/route/near.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"

#define PLACES 256
#define NEAR_MS                                                                                    \
    10000 // then the routes thread is asked again: what it forgot for want of room it no longer marks

struct place {
    char *key;
    struct route *route;
    uint64_t kept_ms;
};

struct near {
    struct place at[PLACES];
};

struct near *near_new(void)
{
    return mem_new(sizeof(struct near));
}

static void empty(struct place *p)
{
    route_unref(p->route);
    free(p->key);
    *p = (struct place){0};
}

void near_forget(struct near *near)
{
    for (size_t i = 0; i < PLACES; i++)
        empty(&near->at[i]);
}

void near_free(struct near *near)
{
    if (!near)
        return;
    near_forget(near);
    free(near);
}

static struct place *near_place(struct near *near, const char *key)
{
    unsigned hash;
    HASH_FUNCTION(key, strlen(key), hash);
    return &near->at[hash % PLACES];
}

void near_keep(struct near *near, const struct route_wish *wish, struct route *route)
{
    if (route->verdict != ROUTE_DELIVER)
        return;
    char *key = route_wish_key(wish);
    struct place *p = near_place(near, key);
    route_ref(route); // it may be the one that stands there
    empty(p);
    *p = (struct place){key, route, clock_mono_ms()};
}

// What the routes thread asks of a route before it hands it out once more.
static bool holds(const struct place *p, const struct setup *setup)
{
    const struct route *route = p->route;
    uint64_t now = clock_mono_ms();
    return route->setup == setup && now - p->kept_ms < NEAR_MS && !route->stale &&
           route->expires_ms > now && route_is_fresh(route);
}

struct route *near_find(struct near *near, const struct route_wish *wish, const struct setup *setup)
{
    char *key = route_wish_key(wish);
    struct place *p = near_place(near, key);
    bool known = p->key && strcmp(p->key, key) == 0;
    free(key);
    if (!known)
        return NULL;
    if (holds(p, setup))
        return p->route;
    empty(p);
    return NULL;
}
