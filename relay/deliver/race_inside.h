// SPDX-License-Identifier: ISC
// Two addresses at once (relay/deliver/race.c), for relay/deliver/*.c alone. A race belongs to a session that connects,
// and ends with that.
#ifndef RELAY_DELIVER_RACE_INSIDE_H
#define RELAY_DELIVER_RACE_INSIDE_H

#include "relay/deliver/steps_inside.h"

void deliver_race_begin(struct deliver *d); // the session has begun to connect
void deliver_race_end(struct deliver *d);   // closes the other one; harmless without
// The session's connection has failed for why: the other one is in its place, and connects. False: there is none.
bool deliver_race_goes_on(struct deliver *d, const struct why *why);
// What a connection to the host's i-th address is called and known by.
void deliver_name_connection(const struct deliver *d, struct connection *c, size_t i);

#endif
