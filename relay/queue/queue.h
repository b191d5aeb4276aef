// SPDX-License-Identifier: ISC
// A worker's part of the queue: deliveries (a message and its recipients of one destination domain), each
// in exactly one place: asking for a route, waiting for its time, or in a lane (relay/queue/lane.h).
//
// When a delivery is due its domain is routed (relay/route/routes.h); the route names the site, and the delivery
// goes to the worker that owns the site. Results go to the spool; DSNs come back in as new messages.
#ifndef RELAY_QUEUE_QUEUE_H
#define RELAY_QUEUE_QUEUE_H

#include "relay/base/list.h"
#include "relay/message/message.h"
#include "relay/deliver/delivery.h"
#include "relay/worker/relay.h"

struct queue *queue_new(struct worker *worker);
void queue_reload(struct queue *queue, struct setup *setup);
// A message that the spool has on disk (fresh: due now, header and body perhaps still in memory; or
// recovered: recipients carry attempts and next_ms). Takes over the reference. On the worker's thread.
void queue_add(struct queue *queue, struct message *message);
// No new delivery starts; those under way finish. `gone` runs on the loop when the last has ended or
// after grace_ms, when what is left is cut (its mail stays in the spool).
void queue_stop(struct queue *queue, uint64_t grace_ms, void (*gone)(void *arg), void *arg);
void queue_free(struct queue *queue); // after `gone`
// Nothing is under way or will be by itself: no delivery that is not held, no report, no session.
bool queue_idle(const struct queue *queue);

// For the control socket: one row per open recipient. Strings are copies that the row owns.
const char *
queue_state_word(enum queue_state state); // "routing", "waiting", "ready", "active", "held"
struct queue_row {
    struct list list;
    uint64_t id;
    int64_t created_ms, next_ms;
    uint64_t size;
    unsigned attempts;
    enum queue_state state;
    char *from, *to, *domain, *reason; // reason: the last failure, "" if none
};
struct queue_filter {
    const uint64_t *ids; // NULL: any
    size_t nids;
    const char *domain, *sender; // NULL: any
    int state;                   // -1: any
    int64_t older_ms;            // created before now - older_ms; 0: any
};
enum queue_verb { QUEUE_LIST, QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_REMOVE, QUEUE_BOUNCE };
// Does it to every matching delivery of this worker (LIST only shows) and appends rows for them.
void queue_do(struct queue *queue, enum queue_verb verb, const struct queue_filter *filter,
              struct list *rows);
void queue_row_free(struct queue_row *row);

#endif
