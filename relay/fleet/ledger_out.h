// SPDX-License-Identifier: ISC
// What this node counted goes out of its state database (relay/state/counts.h) into the table `ledger`, a row for each
// UTC day, domain and state database, replaced whole each time: a retry, and a commit whose end is not known, count
// nothing twice. What became of the reports that it claimed goes the same way into `report`. All of it on the fleet's
// thread.
//
// "Day D is out whole" is told when D is over, what happened in it had SCHEDULE_SETTLE_MS to be written, and no mark of it
// or of an earlier day is left.
#ifndef RELAY_FLEET_LEDGER_OUT_H
#define RELAY_FLEET_LEDGER_OUT_H

#include <stdatomic.h>
#include "relay/fleet/session.h"
#include "relay/state/counts.h"

#define LEDGER_CLAIM_MS                                                                            \
    600000 // how long a claim holds while its report is prepared, or behind its next attempt

struct ledger_out {
    struct state *state;
    unsigned node;
    _Atomic bool sends;                 // tls_report.send
    _Atomic int64_t keep_days;          // tls_report.keep
    _Atomic int64_t since;              // the first day that is the fleet's; -1: not known yet
    char generation[COUNTS_GENERATION]; // "": not known yet
    char twin[64];                      // when its book, which is not this node's, was last written
    int64_t whole;    // the last day that was told whole; -1: none, since the connection
    uint64_t waiting; // days of domains that have not gone out
    uint64_t cleaned_at;
};

// Before anything else, with or without a database: from here on changes are marked, and `since` is known. A state
// database that fails is asked again.
void ledger_out_begin(struct ledger_out *out);
void ledger_out_meet(struct ledger_out *out); // after each connection
// A piece of what is marked. *more: there is more. `fleet`: of struct share. -1 with why: the database failed, and what
// did not go out is still marked.
int ledger_out_turn(struct ledger_out *out, struct session *s, const char *fleet, bool *more,
                    struct why *why);

#endif
