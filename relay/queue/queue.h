// SPDX-License-Identifier: ISC
// A worker's part of the queue: deliveries (a message and its recipients of one destination domain), each
// in exactly one place: asking for a route, waiting for its time, held, or in a lane (relay/queue/lane.h).
//
// When a delivery is due its domain is routed (relay/route/routes.h); the route names the site, and the delivery
// goes to the worker that owns the site. Results go to the spool; DSNs (relay/queue/report.h) come back in as new
// messages.
#ifndef RELAY_QUEUE_QUEUE_H
#define RELAY_QUEUE_QUEUE_H

#include "relay/base/list.h"
#include "relay/message/message.h"
#include "relay/deliver/delivery.h"
#include "relay/queue/filter.h"
#include "relay/worker/relay.h"

struct queue *queue_new(struct worker *worker);
void queue_reload(struct queue *queue); // the worker has another setup
void queue_wake(struct queue *queue);   // a limit has room again: what waited for it goes on
// A message that the spool has on disk (fresh: due now, header and body perhaps still in memory; or
// recovered: recipients carry attempts and next_ms). Takes over the reference. On the worker's thread.
void queue_add(struct queue *queue, struct message *message);
// No new delivery starts; those under way finish. `gone` runs on the loop when the last has ended or
// after grace_ms, when what is left is cut (its mail stays in the spool).
void queue_stop(struct queue *queue, uint64_t grace_ms, void (*gone)(void *arg), void *arg);
void queue_free(struct queue *queue); // after `gone`
// Nothing is under way or will be by itself: no delivery that is not held, no report, no session.
bool queue_idle(const struct queue *queue);

// For the control socket and the pages: one row per open recipient (relay/queue/filter.h). Its strings are the queue's,
// until the callback returns.
const char *
queue_state_word(enum queue_state state); // "routing", "waiting", "ready", "active", "held"
enum queue_verb {
    QUEUE_LIST,
    QUEUE_RETRY,
    QUEUE_HOLD,
    QUEUE_RELEASE,
    QUEUE_REDIRECT,
    QUEUE_REMOVE,
    QUEUE_BOUNCE
};
const char *queue_verb_word(enum queue_verb verb); // "list", "retry", …

// Does a verb to every matching delivery of a worker's queue, some at a time, so that a queue of any length costs no
// time and no memory at once. What is in a session at the moment is counted, and left alone. A scan goes through
// one queue after the other, each on its worker's thread.
struct queue_scan {
    enum queue_verb verb;
    struct queue_filter filter;
    const char *next_hop; // QUEUE_REDIRECT; "": where its domain leads
    const char *by;       // who asked, for the log
    bool dry;             // only counts
    void (*each)(const struct queue_row *row, void *arg); // QUEUE_LIST: before the next one
    void *arg;
    uint64_t recipients, active; // done to; left alone, being in a session
    uint64_t unknown;            // left alone, since their site is not known
    uint64_t seen;               // all that was looked at
    bool full; // QUEUE_BOUNCE: as many reports as may be are on their way; go on in a moment
    bool
        late; // QUEUE_BOUNCE: the relay stops and begins no report any more; the rest stays as it was
    struct delivery *mark; // where it stands in the queue; NULL: at the beginning
};
// Up to `rows` recipients more; true: there are others behind them.
bool queue_scan_on(struct queue *queue, struct queue_scan *scan, size_t rows);
// Out of this queue before its end. Harmless after it.
void queue_scan_leave(struct queue_scan *scan);

#endif
