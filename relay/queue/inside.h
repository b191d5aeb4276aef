// SPDX-License-Identifier: ISC
// The inside of relay/queue/. The room owns the deliveries of its worker and when each is due; nobody else's thread
// touches them, they cross whole (queue.c, arrive).
//
// - A delivery is in exactly one place: routing, waiting (the heap), ready or active in a lane, held, or in no list
//   while it is settled. delivery_move is the one mover.
// - A recipient ends once: a final RESULT is noted for it, after its report is on disk where one is owed.
// - What waits keeps neither header nor body in memory.
// - While results cannot be recorded no delivery starts.
#ifndef RELAY_QUEUE_INSIDE_H
#define RELAY_QUEUE_INSIDE_H

#include "relay/deliver/delivery.h"
#include "relay/queue/fair.h"
#include "relay/queue/lane.h"
#include "relay/deliver/outcome.h"
#include "relay/deliver/refusal.h"
#include "relay/queue/queue.h"
#include "relay/queue/report.h"

#define QUEUE_ROUTING_MAX 2000  // deliveries that ask for a route at once
#define QUEUE_NEAR_MAX    64    // and of those that have one at hand, so many go in one turn
#define QUEUE_DUE         1000  // due deliveries that are taken out of the heap at once
#define QUEUE_TOLD_MS     60000 // how long a ready delivery waits for its site before it is told
#define QUEUE_LOOK        20000 // deliveries that a sweep looks at
#define QUEUE_TICK_MS     1000  // how often a queue held up by the spool looks again
#define QUEUE_SWEEP_MS    30000 // how often unused lanes go, and the longest sleep
#define QUEUE_SECOND_MS   10000 // the second look at a TLS policy before anything final
#define QUEUE_CRASHES     3     // unclean ends in the middle of a delivery after which it is held
#define QUEUE_CRASH_MS    15000 // how long it waits after the first; four times that after the next
#define QUEUE_AGAIN_MS                                                                             \
    1000 // after a site may be asked again: the message that it asked to come later
#define QUEUE_GATHER_MS    5     // deliveries of one message wait so long for each other
#define QUEUE_REPORTS_MAX  500   // on their way while an operator returns mail: more wait for these
#define QUEUE_REPORT_RETRY 60000 // a DSN that could not be stored: when its cause is tried again

// Deliveries by their time, a binary heap.
struct queue_heap {
    struct delivery **at; // [0] is the first due
    size_t n, room;
};
void queue_heap_add(struct queue_heap *heap, struct delivery *d);    // by d->next_ms
void queue_heap_remove(struct queue_heap *heap, struct delivery *d); // harmless when not there

struct queue {
    struct worker *worker;
    struct lanes *lanes;
    struct refusals *refusals;
    struct near *near; // routes by which mail went a moment ago
    struct queue_heap waiting;
    int64_t latest_ms;   // no waiting one is due later
    struct list all;     // every delivery of this worker
    struct list routing; // ask for a route
    struct list held;
    struct fair due; // ask for a route when there is room
    size_t nrouting;
    uv_timer_t clock; // the next thing due
    uv_timer_t grace;
    uv_timer_t gather;
    struct list gathering; // ready, and wait for their siblings
    unsigned handles;
    uint64_t swept_ms;
    struct reports *reports;
    size_t nbusy; // work of ours in the thread pool
    bool stopping, freed;
    void (*gone)(void *arg);
    void *gone_arg;
    struct delivery
        walker; // a mark in `all`, as a scan has: how far look_after_ready is. Last: it has no end
};

// relay/queue/queue.c
void queue_wait(struct queue *q,
                struct delivery *d); // among the waiting, by d->next_ms; INT64_MAX: held
void queue_ask(struct queue *q, struct delivery *d);     // for its route; answered in queue.c
void queue_unplace(struct queue *q, struct delivery *d); // out of wherever it stands, unless active
// An outcome of all its recipients into the spool, by d->attempts and d->next_ms; next_hop as spool_result has it.
void queue_note(struct queue *q, const struct delivery *d, enum spool_outcome outcome,
                const char *next_hop);
void queue_stop_soon(struct queue *q); // stopping, and the last session has ended

void queue_keep_sites(struct queue *q); // what was learned, to the state thread (sites.c)

// relay/queue/settle.c: the results of an attempt, recipient by recipient.
void queue_settle(struct delivery *d, void *queue);
// A TLS failure was looked into: true when nothing had changed, and d is settled with what it had. Otherwise
// it is as if never tried, and goes where the new route leads.
bool queue_looked(struct queue *q, struct delivery *d, const struct route *route);
// It is ready, and its site takes no mail now: told once, warned of, and ended when its time is over.
void queue_kept(struct delivery *d, const struct why *why, void *queue);
// Every recipient of d gets this reason without a connection.
void queue_settle_all(struct queue *q, struct delivery *d, const struct why *why);
// An operator's bounce.
void queue_bounce(struct queue *q, struct delivery *d, const struct why *why);

#endif
