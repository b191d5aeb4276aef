// SPDX-License-Identifier: ISC
// What waits for one domain after an attempt that failed, for `waxwing explain`: how much, and why.
#ifndef RELAY_QUEUE_WAITING_H
#define RELAY_QUEUE_WAITING_H

#include "relay/queue/queue.h"

struct queue_waiting {
    size_t messages, recipients; // tried at least once, and still here
    size_t fresh;                // recipients that were not tried yet
    int64_t since_ms; // wall clock: when the oldest of those tried was accepted; INT64_MAX: none
    int64_t next_ms;  // wall clock: when the first of them is tried again; INT64_MAX: none is timed
    int64_t expires_ms;  // wall clock: when the first of those tried is given up; INT64_MAX: none
    int64_t notice_ms;   // wall clock: when the first sender gets a delay notice; INT64_MAX: none
    size_t noticed;      // recipients whose sender had one
    size_t owed;         // whose sender is told when they are given up
    char reason[640];    // of that one; "" where none is known (any more, after a restart)
    unsigned short why;  // enum reason of it
    unsigned char act;   // enum act
    unsigned char class; // enum reply_class
};
#define QUEUE_NOTHING_WAITS                                                                        \
    (struct queue_waiting)                                                                         \
    {                                                                                              \
        .since_ms = INT64_MAX, .next_ms = INT64_MAX, .expires_ms = INT64_MAX,                      \
        .notice_ms = INT64_MAX                                                                     \
    }
// Adds what this worker has. On its thread.
void queue_count_waiting(const struct queue *queue, const char *domain, struct queue_waiting *out);

#endif
