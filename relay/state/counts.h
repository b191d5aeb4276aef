// SPDX-License-Identifier: ISC
// What a fleet hears of this relay's ledger and of the reports that it claimed: which days and domains were counted anew,
// and which claimed reports have moved on. Triggers mark them in the transaction of their change, as they mark what
// relay/state/shared.h shares; what is told are absolute values, so that telling twice counts nothing twice.
//
// The counts are known by a generation, a random word that lives as long as this database: a relay that lost its state
// begins another, and what the former counted stands beside it. All calls but the end block until the state thread has
// answered.
#ifndef RELAY_STATE_COUNTS_H
#define RELAY_STATE_COUNTS_H

#include "relay/state/reports.h"
#include "relay/state/shared.h"

#define COUNTS_GENERATION 33 // bytes

struct counts_page { // what was counted of one domain and day, all of it
    int64_t day, n;  // n: of its mark
    char *domain;
    struct ledger_rows rows; // the view STATE_SHARED
};
struct counts_other { // mail with another node's report that this one delivered
    uint64_t message;
    enum sending_state state;
    char *answer;
};
struct counts {
    char generation[COUNTS_GENERATION];
    int64_t since; // the first UTC day that is the fleet's: earlier ones this relay reports alone
    uint64_t waiting; // marks of pages in all
    int64_t oldest;   // the first day that has one; INT64_MAX: none has
    struct counts_page *pages;
    size_t npages;
    struct sendings reports; // claimed ones that have moved on
    int64_t *report_marks;   // n of each
    struct counts_other *others;
    size_t nothers;
};

void state_counts_end(struct state *state); // nothing is marked any more; does not wait
// The marks of at most `limit` pages and reports, the oldest days first. From the first call on changes are marked, over
// restarts. `fleet` (relay/fleet/share.h) is whom they are told; another one than before hears everything.
int state_counts_look(struct state *state, const char *fleet, size_t limit, struct counts *out,
                      struct why *why);
void counts_free(struct counts *counts); // leaves it empty
// These were told; what has changed since stays marked.
int state_counts_told(struct state *state, const struct counts *counts, struct why *why);
// This database is a copy of one that another relay goes on with: a generation of its own, from today on.
int state_counts_anew(struct state *state, struct why *why);

#endif
