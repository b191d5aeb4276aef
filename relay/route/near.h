// SPDX-License-Identifier: ISC
// Routes at hand: the last ones that a thread was answered, so that mail for a domain that much mail goes to needs no
// word to the routes thread and back. Of one thread; holds nothing that the routes thread would not hand out as well.
#ifndef RELAY_ROUTE_NEAR_H
#define RELAY_ROUTE_NEAR_H

#include "relay/route/route.h"
#include "relay/route/wish.h"

struct near;

struct near *near_new(void);
void near_free(struct near *near);   // accepts NULL
void near_forget(struct near *near); // all of them, as on a new configuration
// The answer to a wish; takes a reference. Only routes that deliver are kept.
void near_keep(struct near *near, const struct route_wish *wish, struct route *route);
// NULL: ask. Else a route of this configuration that is neither stale nor expired; take a reference to keep it.
struct route *near_find(struct near *near, const struct route_wish *wish,
                        const struct setup *setup);

#endif
