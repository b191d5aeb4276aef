// SPDX-License-Identifier: ISC
// What waits for one domain after an attempt that failed, for `waxwing explain`: how much, and why.
#ifndef RELAY_QUEUE_WAITING_H
#define RELAY_QUEUE_WAITING_H

#include "relay/queue/queue.h"

struct queue_waiting {
    size_t recipients; // tried at least once, and still here
    int64_t next_ms;  // wall clock: when the first of them is tried again; INT64_MAX: none, or held
    char reason[640]; // of that one; "" where none is known
};
// Adds what this worker has. On its thread.
void queue_count_waiting(const struct queue *queue, const char *domain, struct queue_waiting *out);

#endif
