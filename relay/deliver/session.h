// SPDX-License-Identifier: ISC
// The outbound SMTP session (RFC 5321, 3207, 2920, 3030): takes one message and its deliveries of one lane to the
// hosts of their route, in order, until every recipient has an answer or no host is left. Proves what the
// route demands before any MAIL. Decides nothing about retrying: it leaves each recipient's standing.
#ifndef RELAY_DELIVER_SESSION_H
#define RELAY_DELIVER_SESSION_H

#include "relay/deliver/delivery.h"
#include "relay/deliver/pool.h"

#define DELIVER_TRIES      16    // connections that one session opens, all hosts together
#define DELIVER_BATCH      100   // recipients in one transaction (RFC 5321 section 4.5.3.1.8)
#define DELIVER_EARLY_BODY 65536 // bytes of a body that may follow its envelope unasked (BDAT)

// The reply of this reason asks for less mail: 421, or a rule of relay/smtp/reply_class.h says so.
bool deliver_wants_less(const struct why *why);

struct deliver;
struct refusals; // relay/deliver/refusal.h

// What a session heard of how much mail its hosts want.
enum deliver_sign {
    DELIVER_NO_SIGN,
    DELIVER_CROWD, // these are too many connections
    DELIVER_FAST,  // this is too much mail
    DELIVER_LATE   // an answer did not come in time
};
struct deliver_met {
    bool attempted; // else every address had its full number of connections
    bool reached;   // a host was talked to
    bool away;      // one could not be talked to
    unsigned taken; // messages that were accepted
    enum deliver_sign sign;
    bool vague;     // a 421 whose words say nothing of rates or connections
    struct why why; // of the sign, or of who is away
};
typedef void deliver_done(struct list *deliveries, const struct deliver_met *met, void *arg);
struct deliver_order {
    struct worker *worker;
    struct pool *pool;
    struct refusals *refusals;
    struct deliver
        *behind; // the connection of this one is shared (deliver_takes_rider); NULL: none
    // All of the message is out: another may share the connection. May be NULL; may run inside deliver_run.
    void (*sent)(void *arg);
    // One more connection beside the session's own may be open now, and is counted; false as `more`: it is no more.
    bool (*beside)(void *arg, bool more); // NULL: addresses are tried one after the other
    void (*first)(void *arg); // the shared connection is this session's own now; may be NULL
    struct list *idle;        // the lane's idle connections and their count, for pool_give
    size_t *nidle;
    void (*opening)(
        void *arg);     // a connection is about to be opened: idle ones may have to make room
    size_t *nreached;   // how many of the lane's sessions have been talked to; may be NULL
    bool probe;         // hosts that did not answer lately are asked all the same
    deliver_done *done; // once; may run inside deliver_run. The callee takes the deliveries
    void *arg;
};

// Takes over all of `deliveries`: one message; routes whose hosts and demands agree with the first one's.
struct deliver *deliver_new(const struct deliver_order *order, struct list *deliveries);
void deliver_run(struct deliver *d);
// Whether a message over this route may go out over the connection of d, behind d's message. Only for hosts that have
// shown that their answers can be told apart (relay/deliver/pool_speech.h).
bool deliver_takes_rider(const struct deliver *d, struct route *route);
// Ends it now: what has no answer stays open. `done` runs inside.
void deliver_cut(struct deliver *d);

#endif
