// SPDX-License-Identifier: ISC
// The outbound SMTP session (RFC 5321, 3207, 2920, 3030): takes one message and its deliveries of one lane to the
// hosts of their route, in order, until every recipient has an answer or no host is left. Proves what the
// route demands before any MAIL. Decides nothing about retrying: it leaves each recipient's standing.
#ifndef RELAY_DELIVER_SESSION_H
#define RELAY_DELIVER_SESSION_H

#include "relay/deliver/delivery.h"
#include "relay/deliver/pool.h"

#define DELIVER_TRIES      10    // connections that one session opens, all hosts together
#define DELIVER_BATCH      100   // recipients in one transaction (RFC 5321 section 4.5.3.1.8)
#define DELIVER_EARLY_BODY 65536 // bytes of a body that may follow its envelope unasked (BDAT)

struct deliver;
struct refusals; // relay/deliver/refusal.h

// What a session ended with. Not attempted: every address had its full number of connections.
typedef void deliver_done(struct list *deliveries, bool attempted, void *arg);
struct deliver_order {
    struct worker *worker;
    struct pool *pool;
    struct refusals *refusals;
    struct list *idle; // the lane's idle connections and their count, for pool_give
    size_t *nidle;
    void (*opening)(
        void *arg);     // a connection is about to be opened: idle ones may have to make room
    deliver_done *done; // once; may run inside deliver_run. The callee takes the deliveries
    void *arg;
};

// Takes over all of `deliveries`: one message; routes whose hosts and demands agree with the first one's.
struct deliver *deliver_new(const struct deliver_order *order, struct list *deliveries);
void deliver_run(struct deliver *d);
// Ends it now: what has no answer stays open. `done` runs inside.
void deliver_cut(struct deliver *d);

#endif
