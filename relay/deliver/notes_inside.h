// SPDX-License-Identifier: ISC
// What an outbound session leaves behind: the trace of its message, its lines in log and ledger, and what is learned of
// the host. None of it decides where the session goes (relay/deliver/steps_inside.h).
#ifndef RELAY_DELIVER_NOTES_INSIDE_H
#define RELAY_DELIVER_NOTES_INSIDE_H

#include "relay/deliver/flight_inside.h"

// relay/deliver/trace.c: the story of the message. Harmless where none is kept, and without a connection.
void deliver_trace_moved(struct deliver *d, enum deliver_state to); // before d->state becomes that
void deliver_trace_heard(struct deliver *d);                        // a reply
void deliver_trace_watched(struct deliver *d, const struct why *why); // it failed, and mail goes on
void deliver_trace_failed(struct deliver *d, const struct why *why);  // why this connection is left
void deliver_trace_end(struct deliver *d); // this session's part of the connection is over

// relay/deliver/record.c: log and ledger
void deliver_record_session(struct deliver *d);
void deliver_record_success(struct deliver *d);
void deliver_record_tls(struct deliver *d, const struct why *why, bool refused);
void deliver_record_skipped(struct deliver *d, const struct route_host *host,
                            const struct why *why);
void deliver_record_learn(struct deliver *d);
// A host is left for this reason, for all domains of the session.
void deliver_record_left(const struct deliver *d, const struct why *why, struct attempt *attempt);

// relay/deliver/lesson.c: what is learned for the flow
void deliver_lesson(struct deliver *d);         // from the reply that was just heard
void deliver_lesson_reached(struct deliver *d); // a host goes on talking after its greeting
void deliver_lesson_late(struct deliver *d, const struct why *why);
void deliver_lesson_away(struct deliver *d, const struct why *why);

#endif
