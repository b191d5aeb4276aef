// SPDX-License-Identifier: ISC
// What nodes tell each other: facts (relay/fleet/fact.h) go out of the state database into the table `fact` and come in
// from there, each in its turn. A number that rises with every change says what is new; it is given under the lock of one
// row, so that a change is never seen before one with a smaller number.
//
// A fact is taken in before ours of the same key goes out, and only the later of two goes out: whatever the order, all
// nodes end with the same.
#ifndef RELAY_FLEET_SHARE_H
#define RELAY_FLEET_SHARE_H

#include <stdatomic.h>
#include "relay/fleet/session.h"
#include "relay/state/shared.h"

struct routes;
struct bans;
struct suppress;

#define SHARE_CHANNEL "waxwing_fact" // of NOTIFY: something is new

struct share {
    struct state *state;
    struct routes *routes;
    struct bans *bans;
    struct suppress *suppress;
    struct relay *relay;      // whose workers own what is known of sites
    _Atomic uint64_t ban_ms;  // auth.ban: no ban that is heard of lasts longer
    int64_t taken, behind;    // number of the last change taken in; how many there are behind it
    uint64_t waiting;         // changes here that have not gone out
    uint64_t received, sent;  // since the start
    char fleet[SHARED_FLEET]; // of the database that is connected to
    bool told_routes;         // the routes thread has yet to say that it keeps what it was told
    bool known;               // changes of that one were taken in before
    uint64_t cleaned_at;
};

// After each connection: which database this is. -1 with why.
int share_meet(struct share *share, struct session *s, struct why *why);
// Takes in and gives out, a piece of each. *more: there is more of it. -1 with why: the database failed, and what did
// not go out is still marked. A state database that fails only holds it up.
int share_turn(struct share *share, struct session *s, unsigned node, bool *more, struct why *why);

#endif
