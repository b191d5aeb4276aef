// SPDX-License-Identifier: ISC
// Deliveries in turn by who sent them, so that nobody's mailing stands before another's message: each principal has a
// share, in order of arrival, and shares are served one after the other. Shares of high priority (senders.priority)
// go first, but for one turn in FAIR_OTHERS, so that the others go on. A delivery stands in its share by d->list, and
// may be taken out of it by anybody.
#ifndef RELAY_QUEUE_FAIR_H
#define RELAY_QUEUE_FAIR_H

#include "relay/deliver/delivery.h"

#define FAIR_OTHERS 8

struct fair_share;

struct fair {
    struct fair_share *table; // by principal and priority
    struct list turns[2];     // shares, the next first; [1]: of high priority
    unsigned highs;           // turns in a row that went to high priority
};

void fair_init(struct fair *fair);
void fair_free(struct fair *fair); // nothing stands in it
// Behind what its principal has there already, as `place`.
void fair_add(struct fair *fair, struct delivery *d, enum queue_state place);
bool fair_empty(struct fair *fair);
struct delivery *fair_peek(struct fair *fair); // whose turn it is; NULL: nothing stands there
struct delivery *fair_take(struct fair *fair); // the same, in no list any more; the turn passes on
size_t fair_count(const struct fair *fair, size_t most); // how many stand there, `most` at most
// What stands in the share of `d`, its list; NULL: nothing.
struct list *fair_beside(struct fair *fair, const struct delivery *d);

#endif
