// SPDX-License-Identifier: ISC
// What becomes of each day's TLS reports (RFC 8460), as the state database keeps it: one row for each UTC day,
// recipient domain and report address, so that a restart neither loses nor repeats one. A row without an
// address is the domain's record, yet to be looked up.
//
// Rows move on only through this file, each move a transaction of its own. Sending is relay/report/'s.
#ifndef RELAY_STATE_REPORTS_H
#define RELAY_STATE_REPORTS_H

#include "relay/state/state.h"

enum sending_state {
    SENDING_WAITS,   // for its time
    SENDING_CLAIMED, // on its way: found so after a restart, its end is not known
    SENDING_QUEUED,  // by mail: in our own queue
    SENDING_DONE,    // sent, or (a record) looked up
    SENDING_FAILED,  // given up
    SENDING_UNKNOWN, // gone out, and no answer came: not sent again, it may have arrived
    SENDING_NONE     // nothing is to be sent: no record, no usable address, suppressed
};
const char *sending_state_word(enum sending_state state); // "waiting", "sending", "queued", …

struct sending {
    int64_t day;
    char *domain, *rua; // rua as relay/report/target.h writes it; "": the record
    enum sending_state state;
    bool by_hand;              // an operator's: goes out even where tls_report.send is off
    unsigned attempts, lost;   // lost: answers that a restart or a broken connection took away
    int64_t next_ms, until_ms; // wall clock; until_ms: 0 before the first attempt
    int64_t changed_ms;
    uint64_t message; // by mail: its id; 0
    int64_t claim;    // the number of its claim in the fleet; 0: there is none
    char *answer;     // what the collector said, or why not
};
struct sendings {
    struct sending *at;
    size_t n;
};
void sending_copy(struct sending *to, const struct sending *from);
void sending_clear(struct sending *s);    // frees its strings
void sendings_free(struct sendings *all); // leaves it empty

// `found`: the rows of a question, else empty; the callback may move them out. `why` where the database
// cannot be read or written: nothing has changed then. On the loop of `reply`.
typedef void sendings_fn(struct sendings *found, const struct why *why, void *arg);

// One record row for every domain of the day's ledger, at a random time within `spread_ms` of `start_ms`. Once
// a day; by hand (of `domain` alone, where it is not NULL) again, then also those that are over.
struct sending_plan {
    int64_t day, start_ms;
    uint64_t spread_ms;
    const char *domain; // copied; "*.example.org": what is below it
    bool by_hand;
};
void state_sendings_plan(struct state *state, const struct sending_plan *plan, struct inbox *reply,
                         sendings_fn *fn, void *arg);
// One record row for each of these (day, domain), at a random time within the plan's spread, where there is none; by hand
// as a plan by hand. `plan`: its times and by_hand alone.
void state_sendings_adopt(struct state *state, const struct sendings *domains,
                          const struct sending_plan *plan, struct inbox *reply, sendings_fn *fn,
                          void *arg);
// The record of `row` names these addresses: the row becomes DONE, each new address a row that is due now. By
// hand those that waited are due too, and those given up wait anew; none that was sent goes out again.
void state_sendings_expand(struct state *state, const struct sending *row,
                           const struct strings *rua, struct inbox *reply, sendings_fn *fn,
                           void *arg);
// The row as it stands from now on, all but its key.
void state_sendings_put(struct state *state, const struct sending *row, struct inbox *reply,
                        sendings_fn *fn, void *arg);
// The rows that wait, the first due first; `by_hand`: those alone.
void state_sendings_due(struct state *state, bool by_hand, size_t limit, struct inbox *reply,
                        sendings_fn *fn, void *arg);
// What a queue says of a report that went by mail: DONE, FAILED, or still QUEUED. Any thread.
void state_sendings_mailed(struct state *state, uint64_t message, enum sending_state end,
                           const char *answer);
// At start, before anything is delivered: `mails` are the reports that the spool still has. What was claimed is
// sorted out: mail that the spool has is QUEUED, other mail waits, and what went out over HTTPS without an
// answer waits once more, the second time it is UNKNOWN; so is mail that the spool lacks where another node may have
// taken it over (`taken`: there is a journal). Blocks.
void state_sendings_recover(struct state *state, const uint64_t *mails, size_t n, bool taken);

// For people: by day, domain and address, newest day first.
struct sending_query {
    const char *domain;  // NULL: any; "*.example.org"
    int64_t day, before; // days from `day` up to, not including, `before`
};
void state_sendings_ask(struct state *state, const struct sending_query *query, struct inbox *reply,
                        sendings_fn *fn, void *arg);
int state_sendings_file(const char *path, const struct sending_query *query, struct sendings *out,
                        struct why *why); // -1 with why

#endif
