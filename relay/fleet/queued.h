// SPDX-License-Identifier: ISC
// What waits at a node, as the other nodes see it: QUEUED_ROWS rows, each of a domain and a state, and the rest in one
// sum. Read from the queues of all workers about once a second, some recipients at a time; what waits in long queues is
// read less often, so that it never takes more than a hundredth of a worker's time. Told to the database whole.
//
// No address is in it but what a host's reply may have, and with log.mask no reply either.
#ifndef RELAY_FLEET_QUEUED_H
#define RELAY_FLEET_QUEUED_H

#include <jansson.h>
#include "config/config.h"
#include "relay/fleet/session.h"

#define QUEUED_ROWS  100    // of a node
#define QUEUED_BYTES 200000 // of what it tells

struct queued;
struct relay;

struct queued *queued_new(struct relay *relay);
// No worker is asked anything more. Any thread. It may be freed when the workers have met all that was posted to them.
void queued_rest(struct queued *q);      // accepts NULL
void queued_free(struct queued *q);      // accepts NULL
int queued_wake(const struct queued *q); // an eventfd: something can be told; -1 for NULL

// Begins a reading where one is due, and tells one that has ended. -1 with why: as session_run. The fleet's thread.
int queued_turn(struct queued *q, struct session *s, unsigned node, struct why *why);

// The queues of all nodes, for `waxwing queue list --fleet`: what its --json prints. NULL with why, and *exit_status.
json_t *queued_ask(const struct config *config, int *exit_status, struct why *why);
// What a node told, read with care: whatever it wrote, this has rows and numbers of their kinds; NULL: it told nothing
// that can be read. For tests.
json_t *queued_read(const char *body);

#endif
