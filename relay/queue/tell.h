// SPDX-License-Identifier: ISC
// What became of a recipient, told to applications (relay/events/events.h) and, where a host knows no such address, to
// the suppression list. Nothing is done for those who use neither.
#ifndef RELAY_QUEUE_TELL_H
#define RELAY_QUEUE_TELL_H

#include "relay/deliver/delivery.h"
#include "relay/events/events.h"

struct queue;

// Of an attempt, before its result is noted. `why` NULL: a success. A deferral is told the first time, and when its
// reason is another one.
void tell_outcome(struct queue *q, const struct delivery *d, struct delivery_rcpt *r,
                  enum event_type type, const struct why *why);
// All recipients of d are held for this reason; by: who did it, NULL: the relay.
void tell_held(struct queue *q, const struct delivery *d, const char *text, const char *by);
// The message was taken, and is held from the beginning.
void tell_accepted_held(struct queue *q, const struct message *m);

#endif
