// SPDX-License-Identifier: ISC
// `waxwing trace --fleet`: a question to all nodes, which each answers from its own traces (relay/trace/read.h). It
// stands in the database with its answers for as long as it is waited for, and nothing of a trace does otherwise.
#ifndef RELAY_FLEET_QUESTION_H
#define RELAY_FLEET_QUESTION_H

#include <jansson.h>
#include "config/config.h"
#include "relay/fleet/session.h"
#include "relay/trace/keys.h"

#define QUESTION_MOST   100     // messages of one answer
#define QUESTION_BYTES  1000000 // of the records in one answer, about; further ones are left out
#define QUESTION_BODY   2000000 // bytes of an answer
#define QUESTION_WAIT_S 10      // that an answer is waited for
// Before a statement that changes something: its commit waits for no standby, since nothing of it is to last. "c" is
// one row, to be named in FROM or USING.
#define QUESTION_HASTY                                                                             \
    "WITH c AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "

// Answers the oldest question that waits for this node, from the traces in `directory`. *more: there may be another.
// -1 with why: as session_run. The fleet's thread.
int question_turn(struct session *s, unsigned node, const char *directory, bool *more,
                  struct why *why);

// Asks, and waits for the nodes that live. A list, by their numbers:
//   {"node":"", "number":1, "self":true, "live":true, "silent":0, "answered":true, "masked":false, "trouble":"",
//    "more":false, "messages":[{"id":"", "at":0, "event":"", "from":"", "to":"", "records":[...], "cut":false}]}
// NULL with why, and *exit_status.
json_t *question_ask(const struct config *config, enum trace_key kind, const char *what,
                     uint64_t most, int *exit_status, struct why *why);
// What this node answers, from the traces in `directory`: JSON, from "masked" on as above; the caller's. kind "id",
// "address" or "message-id" (any other word); `what` may be anything. Records beyond QUESTION_BYTES are left out.
char *question_answer(const char *directory, const char *kind, const char *what, size_t most);
// An answer read with care: what comes out has that shape, from "masked" on. For tests.
json_t *question_read(const char *body);

#endif
