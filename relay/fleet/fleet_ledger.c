// SPDX-License-Identifier: ISC
// The thread's part in the one ledger: what was counted goes out, the reporter is answered.
#include "relay/fleet/fleet_inside.h"

#include <stdio.h>
#include "relay/base/clock.h"
#include "relay/fleet/claim.h"
#include "relay/report/claims.h"

#define LEDGER_MS 5000 // how often what was counted goes out
#define MORE_MS   2000 // where one piece of it was not all: the relay's own work goes before

void fleet_ledger_aim(struct fleet *f, const struct config *config)
{
    int64_t days = (int64_t)config->tls_report.keep / LEDGER_DAY_MS + 1;
    atomic_store(&f->ledger.sends, config->tls_report.send);
    atomic_store(&f->ledger.keep_days, days);
}

static void note_ledger(struct fleet *f)
{
    claims_since(f->claims, atomic_load(&f->ledger.since));
    pthread_mutex_lock(&f->lock);
    f->state.uncounted = f->ledger.waiting;
    f->state.whole = f->ledger.whole;
    pthread_mutex_unlock(&f->lock);
}

void fleet_ledger_begin(struct fleet *f)
{
    f->ledger.node = f->self.number;
    atomic_store(&f->ledger.since, -1);
    ledger_out_meet(&f->ledger);
    ledger_out_begin(&f->ledger);
    note_ledger(f);
}

int fleet_ledger_turn(struct fleet *f, struct why *why)
{
    bool more = false;
    f->ledger.node = f->self.number;
    int rc = ledger_out_turn(&f->ledger, f->session, f->share.fleet, &more, why);
    f->ledger_at = clock_mono_ms() + (more ? MORE_MS : LEDGER_MS);
    note_ledger(f);
    return rc;
}

static void fleet_away(struct claim_answer *answer, const char *trouble)
{
    answer->verdict = CLAIM_AWAY;
    snprintf(answer->words, sizeof answer->words, "the fleet cannot be asked: %s", trouble);
}

// Of what the server refuses (its disk is full, say) nothing was done, and the connection is as good as it was.
int fleet_answer_reporter(struct fleet *f, struct why *why)
{
    struct claim *claim = claims_next(f->claims);
    if (!claim)
        return 0;
    struct claim_answer *answer = claim_reply(claim);
    int rc = 0;
    if (!f->session || !f->ledger.generation[0]) {
        fleet_away(answer, f->state.trouble[0] ? f->state.trouble : "there is no connection");
    } else if (claim_ask(&f->ledger, f->session, claim_asked(claim), answer, why) < 0) {
        rc = session_state(f->session)[0] ? 0 : -1;
        fleet_away(answer, why->text);
    }
    claims_answer(claim);
    return rc;
}
