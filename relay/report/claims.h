// SPDX-License-Identifier: ISC
// What the reporter asks a fleet: may this report be mine, may it go now, whose reports has nobody. The reporter asks on
// its loop and waits for nobody; whoever talks to the fleet's database (relay/fleet/claim.h) takes the questions one by
// one, on a thread of its own, and answers each. A relay without a fleet has none of this.
//
//   CLAIM_TAKE: what all nodes counted, the id that the report has whoever sends it, and the claim, which holds for a
//     while. Asked again it is the same claim, or what became of it: so a commit whose end is not known is read again.
//   CLAIM_GO: committed before the first byte leaves. From then on only its owner, or who has its spool, settles it.
//   CLAIM_ORPHANS: domains of the last days that were counted by nodes that do not live any more; with `by_hand` those of
//     all nodes.
#ifndef RELAY_REPORT_CLAIMS_H
#define RELAY_REPORT_CLAIMS_H

#include "relay/base/inbox.h"
#include "relay/state/reports.h"

enum claim_kind { CLAIM_TAKE, CLAIM_GO, CLAIM_ORPHANS };
enum claim_verdict {
    CLAIM_MINE,    // it is; of CLAIM_ORPHANS: here they are
    CLAIM_OTHERS,  // another node has it, and may yet lose it
    CLAIM_OVER,    // another node has sent it, or given it up
    CLAIM_EARLY,   // a node has not told yet what it counted that day
    CLAIM_NOTHING, // nobody counted anything
    CLAIM_AWAY     // the fleet cannot be asked
};

struct claim_question {
    enum claim_kind kind;
    int64_t day;        // of orphans the last one
    const char *domain; // copied, as rua; of orphans NULL: every one
    const char *rua;
    const char *report_id; // copied: what it is called where nobody has called it anything yet
    int64_t number;        // CLAIM_GO: of the claim
    uint64_t message;      // the mail that carries it; 0
    bool patient;          // nodes that live are waited for
    bool by_hand;          // one that was given up may be claimed anew
};
struct claim_answer {
    enum claim_verdict verdict;
    int64_t number;          // CLAIM_MINE
    char *report_id;         // and its id
    struct ledger_rows rows; // what was counted
    struct sendings orphans; // day and domain alone
    char words[400];         // of all other verdicts
};
// The callback may move out what the answer has. On the loop of `reply`.
typedef void claims_fn(struct claim_answer *answer, void *arg);

struct claims;
struct claim; // a question on its way

struct claims *claims_new(void);
void claims_free(struct claims *claims); // accepts NULL; what waits is not answered any more
struct claim *claims_ask(struct claims *claims, const struct claim_question *question,
                         struct inbox *reply, claims_fn *fn, void *arg);
void claims_cancel(struct claim *claim); // no callback comes any more; on the loop; accepts NULL
// Whether reports of that day are the fleet's. 1; 0: of this relay alone, as if it had no fleet; -1: not known yet.
int claims_of_day(const struct claims *claims, int64_t day);

// ---- for whoever answers

void claims_since(struct claims *claims,
                  int64_t day); // the first day that is the fleet's; any thread
int claims_wake(
    const struct claims *claims); // an eventfd that can be read while there is a question
struct claim *claims_next(struct claims *claims); // NULL: there is none
const struct claim_question *claim_asked(const struct claim *claim);
struct claim_answer *claim_reply(struct claim *claim); // to be filled in
void claims_answer(struct claim *claim);               // hands it over

#endif
