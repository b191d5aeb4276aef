// SPDX-License-Identifier: ISC
// The last chapters of a message's trace: what each attempt came to for each recipient, when the next one is due and
// why then, and what operators did.
#ifndef RELAY_QUEUE_TRACE_H
#define RELAY_QUEUE_TRACE_H

#include "relay/deliver/delivery.h"

// "delivered", "deferred", "failed" or "expired". why NULL: a success. `because`: why its next attempt is when it is
// (d->next_ms); NULL: there is none.
void queue_trace_result(const struct delivery *d, const struct delivery_rcpt *r, const char *event,
                        const struct why *why, const char *because);
// All recipients of d are held; or `event` is "operator", and text a verb. by: who did it, NULL: the relay.
void queue_trace_told(const struct delivery *d, const char *event, const char *text,
                      const char *by);
// A message that this relay wrote.
void queue_trace_made(struct worker *worker, const struct message *m);

#endif
