// SPDX-License-Identifier: ISC
// Limits that the whole fleet keeps (relay/worker/slices.h): what this node is short of is drawn from the database, what
// it does not use is given back. The database decides under a lock of each budget, in one statement for many of them
// (waxwing.draw, waxwing.hold in relay/fleet/schema.c).
#ifndef RELAY_FLEET_SPEND_H
#define RELAY_FLEET_SPEND_H

#include "relay/fleet/session.h"
#include "relay/worker/slices.h"

// Asks for all that is due; `all`: this node ends, and everything goes back. -1 with why: the database failed.
int spend_turn(struct slices *slices, struct session *s, unsigned node, unsigned nodes, bool all,
               struct why *why);

#endif
