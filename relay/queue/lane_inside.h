// SPDX-License-Identifier: ISC
// Shared by relay/queue/lane.c (when sessions start), relay/queue/lane_fleet.c (what a fleet leaves
// it), relay/queue/site.c (what is known of a lane's site) and relay/queue/sites.c (sites as operators see them) alone. Each calls only those before it but for lane_of.
#ifndef RELAY_QUEUE_LANE_INSIDE_H
#define RELAY_QUEUE_LANE_INSIDE_H

#include "relay/base/table.h"

#include "relay/queue/fair.h"
#include "relay/queue/lane.h"
#include "relay/queue/shape.h"
#include "relay/queue/sites.h"

// What is known of a site, beyond its shape.
struct site {
    struct shape shape;
    struct why *lesson;      // what taught it last; NULL: nothing did
    int64_t taught_ms;       // wall clock
    struct site_pause pause; // an operator's; by NULL: none
    uint64_t taken, refused; // messages, and replies that asked for less, since the start
    uint64_t used_ms;        // clock_mono_ms(): a session last ended
    uint64_t vague_ms;       // when it last said a bare 421; 0: never
    bool kept;               // all that was learned is with the state thread
};

struct lane {
    struct lanes *lanes;
    char *name; // of its site
    struct site site;
    struct fair ready;    // deliveries
    struct list sessions; // struct run
    size_t nsessions;
    size_t nriding;   // of them, those that share a connection and do not hear its answers yet
    size_t nbeside;   // connections that are tried beside those of sessions
    struct list open; // sessions whose connection another may share
    size_t nreached;  // of them, those whose host goes on talking to them
    bool handed;      // the session that ends has handed its connection on
    struct list idle; // connections in the pool
    size_t nidle;
    struct list place; // among the dirty or the blocked; in neither: nothing to do
    struct list fleet; // among those whose connections a fleet counts
    unsigned places;   // connections that the fleet leaves it; without a fleet it is not looked at
    uv_timer_t *timer; // it may go on then; NULL: it never had to wait
    UT_hash_handle hh;
};

struct lanes {
    struct worker *worker;
    struct refusals *refusals;
    struct lanes_owner owner;
    struct lane *table;
    struct list dirty;   // to be looked at before the loop waits
    struct list blocked; // wait for a connection to end, or for the spool
    size_t nsessions;
    size_t states[SITE_STATES]; // as they were last counted
    bool stopping;
    struct pool *pool;
    uv_prepare_t *turn;
    struct list fleet; // lanes whose connections a fleet counts
    bool learned;      // a lesson that others are to hear of
    uv_timer_t *beat;  // when they are looked at; NULL: there is no fleet
};

// Connections in use, those that are tried beside another's too; what shares one does not count.
static inline size_t lane_connections(const struct lane *lane)
{
    return lane->nsessions - lane->nriding + lane->nbeside;
}

// relay/queue/lane.c
struct lane *lane_of(struct lanes *lanes, const char *site); // made where there is none
void lane_mark(struct lane *lane);                           // to be looked at in this turn

// relay/queue/lane_fleet.c: what a fleet leaves of the limits of sites. Without one it is all there.
void lane_fleet_begin(struct lanes *lanes);
void lane_fleet_end(struct lanes *lanes);
bool lane_may_connect(struct lane *lane); // one connection more
bool lane_may_send(struct lane *lane);    // one message: it is counted
// Connections that may be open, idle ones too, within `window`.
size_t lane_room(const struct lane *lane, unsigned window);

// relay/queue/site.c
struct shape_limits site_limits(struct lane *lane);
bool site_paused(struct site *site); // by an operator, and its time is not over
enum site_state site_state(struct lane *lane);
void site_learn(struct lane *lane, const struct deliver_met *met, uint64_t begun_ms);
// Why its mail waits, as a reason for people; false: it does not have to.
bool site_waits(struct lane *lane, struct why *why);
void site_probe_now(
    struct lane *lane); // a site that is left alone gets its probe; one that is paused does not
// Wall clock: when it gets its next message, where that is a matter of time; INT64_MAX: not known.
int64_t site_asked_at(struct lane *lane);
// Unused, and nothing worth keeping is known of it.
bool site_forgettable(struct lane *lane, uint64_t now);
void site_free(struct site *site);
void site_restore(struct lane *lane, const struct site_row *row);
void site_hear(struct lane *lane, const struct site_row *row); // of another relay
void site_describe(struct lane *lane, struct site_row *row);   // with memory of its own

#endif
