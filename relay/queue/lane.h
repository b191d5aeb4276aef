// SPDX-License-Identifier: ISC
// Lanes: one per site on the worker that owns it. A lane holds the deliveries that are ready for its hosts, in
// turn by who sent them (relay/queue/fair.h), and runs as many sessions as the site takes (relay/queue/shape.h) and
// the limits allow (per site, per address, in all). 2,000 hosted domains on one MX are one lane.
#ifndef RELAY_QUEUE_LANE_H
#define RELAY_QUEUE_LANE_H

#include "relay/deliver/session.h"

#define LANE_SCAN 200 // ready deliveries looked through for others of the same message
#define LANE_STRIKES                                                                               \
    2                 // refusals in a row after which a site's messages keep to their own schedules
#define LANE_PROVED 5 // of all connections, this part is for sites that have taken mail

struct lanes;

// Told of every delivery that left a lane, with its recipients' standings. It is in no list then.
typedef void lane_done(struct delivery *d, void *arg);
// Told of a delivery whose turn came when its route was no longer fresh: it is in no list, and wants another.
typedef void lane_stale(struct delivery *d, void *arg);
// Told of every ready delivery whose site takes no mail now, and why. It stays where it is.
typedef void lane_waits(struct delivery *d, const struct why *why, void *arg);
struct lanes_owner {
    lane_done *done;
    lane_stale *stale;
    lane_waits *waits;          // may be NULL
    void (*learned)(void *arg); // in a fleet: something was learned that others are to hear of
    void *arg;
};
struct lanes *lanes_new(struct worker *worker, struct refusals *refusals,
                        const struct lanes_owner *owner);
void lanes_reload(struct lanes *lanes); // the worker has another setup
// A delivery with its route (ROUTE_DELIVER): ready. It starts before the loop waits next, at the earliest,
// so that the other deliveries of its message can join its transaction.
void lanes_add(struct lanes *lanes, struct delivery *d);
void lanes_wake(struct lanes *lanes);  // what was held up may start again (the spool is healthy)
void lanes_sweep(struct lanes *lanes); // frees lanes that nobody uses
// Whether a delivery that is ready is kept by its site, and why.
bool lanes_waits(struct lanes *lanes, const struct delivery *d, struct why *why);
// How long until the site may be asked again, in ms. False: it has asked for less again and again, and a message that
// it refused is better off with its own schedule.
bool lanes_opens(struct lanes *lanes, const char *site, uint64_t *wait_ms);
// Wall clock: when the site gets its next message, where that is a matter of time; INT64_MAX: not known.
int64_t lanes_asks_at(struct lanes *lanes, const char *site);
bool lanes_blocked(const struct lanes *lanes);
size_t lanes_sessions(const struct lanes *lanes);
void lanes_stop(struct lanes *lanes); // nothing starts any more; idle connections go
void lanes_cut(struct lanes *lanes);  // sessions end now; `done` runs inside
void lanes_free(struct lanes *lanes); // stopped, no sessions; ready deliveries were taken out

#endif
