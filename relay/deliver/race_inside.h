// SPDX-License-Identifier: ISC
// Two addresses at once (relay/deliver/race.c), for relay/deliver/*.c alone. A race belongs to a session that connects,
// and ends with that.
#ifndef RELAY_DELIVER_RACE_INSIDE_H
#define RELAY_DELIVER_RACE_INSIDE_H

#include "relay/deliver/steps_inside.h"

void deliver_race_begin(struct deliver *d);    // the session has begun to connect
void deliver_race_end(struct deliver *d);      // closes the other one; harmless without
bool deliver_race_on(const struct deliver *d); // another one is being tried
// It is in the place of the session's connection, which is closed.
void deliver_race_take_over(struct deliver *d);
// What a connection to the host's i-th address is called and known by.
void deliver_name_connection(const struct deliver *d, struct connection *c, size_t i);

// relay/deliver/step.c: the next address, where some were tried out of turn
void deliver_remember(struct deliver *d, const struct why *why); // why this connection is left
// Clear text was allowed for the address that is left, not for the next one.
void deliver_next_address(struct deliver *d); // that was not tried out of turn
void deliver_next_host(struct deliver *d);

#endif
