// SPDX-License-Identifier: ISC
// The fleet as the spool meets it: its second place, what comes back from there, whether this run goes without it, and
// whether the spool may be used by a relay that knows of none.
#include "relay/fleet/fleet_inside.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include "relay/base/exit.h"
#include "relay/base/lease.h"
#include "relay/fleet/alone.h"
#include "relay/fleet/import.h"
#include "relay/fleet/journal.h"
#include "relay/fleet/marker.h"
#include "relay/fleet/takeover.h"
#include "relay/log/log.h"
#include "relay/net/abandon.h"
#include "relay/worker/relay.h"

#define LOST_S 1 // for the last lines of the log

// Whoever has no lease says nothing more to anybody, at once. What is on its way to the log gets a moment.
static void fleet_spool_lost(void *arg, const char *words)
{
    struct fleet *f = arg;
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    lease_until(0);
    while (atomic_flag_test_and_set(&begun)) // another thread met it first, and ends the process
        pause();
    net_abandon();
    log_alarm("fleet", REASON_NONE,
              "the lease of this node has ended (%s): it ends, too, and begins again %s", words,
              f->config->fleet.spool == FLEET_SPOOL_PREFERRED
                  ? "with another, or on this disk alone"
                  : "with another");
    struct spool *spool = atomic_load(&f->spool);
    if (spool)
        spool_excuse(spool);
    alarm(LOST_S); // whoever reads the log may stall
    log_stop();
    _exit(EXIT_TEMP);
}

void fleet_begin_journal(struct fleet *f)
{
    const struct journal_options options = {.target = &f->target,
                                            .config = f->config,
                                            .node = f->self.number,
                                            .lost = fleet_spool_lost,
                                            .arg = f};
    f->journal = journal_new(&options);
}

const struct spool_sink *fleet_sink(struct fleet *f)
{
    return f && f->journal ? journal_sink(f->journal) : NULL;
}

// ---- without the journal

// As a signal from outside would end it, but for its exit status.
static void fleet_spool_again(void *arg)
{
    struct fleet *f = arg;
    log_event("fleet", "the fleet's database answers: this run ends, and the next one brings what "
                       "stands on this disk alone into the journal");
    atomic_store(&f->share.relay->again, true);
    kill(getpid(), SIGTERM);
}

static void tell_alone(struct fleet *f, const struct why *why)
{
    log_alarm("fleet", why->reason,
              "the fleet's database does not answer, and what is taken from now on stands on this "
              "disk alone; %llu messages of the journal are frozen until it does: %s",
              (unsigned long long)alone_frozen(f->lone), why->text);
}

int fleet_go_alone(struct fleet *f, struct spool_options *options, int *exit_status,
                   struct why *why)
{
    bool leased;
    if (!f || !f->journal || f->config->fleet.spool != FLEET_SPOOL_PREFERRED ||
        !journal_away(f->journal, &leased))
        return 0;
    journal_close(f->journal);
    f->journal = NULL;
    const struct alone_options alone = {.target = &f->target,
                                        .config = f->config,
                                        .node = f->self.number,
                                        .pause_ms = leased ? ALONE_PAUSE_MS : ALONE_LOOK_MS,
                                        .again = fleet_spool_again,
                                        .arg = f};
    const struct why cause = *why;
    f->lone = alone_open(&alone, exit_status, why);
    if (!f->lone)
        return -1;
    tell_alone(f, &cause);
    options->directory = alone_folder(f->lone);
    options->sink = NULL;
    return 1;
}

uint64_t fleet_frozen(struct fleet *f, const uint64_t *ids, size_t n)
{
    uint64_t frozen = 0;
    if (!f || !f->lone)
        return 0;
    for (size_t i = 0; i < n; i++)
        frozen += alone_has(f->lone, ids[i]);
    return n ? frozen : alone_frozen(f->lone);
}

// ---- mail from elsewhere

int fleet_import(struct fleet *f, struct spool *spool, void (*each)(struct message *m, void *arg),
                 void *arg, struct why *why)
{
    if (!f || (!f->journal && !f->lone))
        return 0;
    atomic_store(&f->spool, spool);
    if (f->lone)
        return 0;
    struct import import = {.journal = f->journal,
                            .spool = spool,
                            .directory = f->config->spool,
                            .stop = f->stop,
                            .each = each,
                            .arg = arg};
    size_t n;
    int rc = import_logs(&import, &n, why);
    if (rc == 0)
        rc = import_alone_begun(&import, why);
    f->late = import.late;
    import_end(&import);
    return rc;
}

int fleet_watch_others(struct fleet *f, const struct fleet_doors *doors, struct why *why)
{
    const struct takeover_options options = {.journal = f->journal,
                                             .spool = doors->spool,
                                             .directory = f->config->spool,
                                             .node = f->self.number,
                                             .lease_ms = (uint64_t)f->config->fleet.lease,
                                             .pending = f->late,
                                             .add = doors->add,
                                             .arg = doors->arg,
                                             .left = &f->left};
    if (f->lone)
        return alone_watch(f->lone, why);
    f->takeover = f->journal ? takeover_open(&options, why) : NULL;
    return f->journal && !f->takeover ? -1 : 0;
}

int fleet_adopt(struct fleet *f, const char *name, struct why *why)
{
    if (f->takeover)
        return takeover_ask(f->takeover, name, why);
    return why_set(why, WHY_OURS, "4.3.0",
                   f->lone ? "the fleet's database does not answer, and this node goes on alone"
                           : "this node has no journal: its configuration lacks fleet.spool");
}

// ---- whether it may be used

// Mail of runs without a journal is where a relay that has none would not look for it.
int fleet_may_use(const struct config *config, struct why *why)
{
    char log[MARKER_LOG];
    if (config->fleet.database[0] && config->fleet.spool)
        return 0;
    int rc = marker_read(config->spool, log, why);
    if (rc == 1 || (rc == 0 && alone_any(config->spool)))
        return why_set(why, WHY_OURS, "4.3.0",
                       "the spool %s belongs to a fleet (fleet.spool), and another node may have "
                       "its mail: configure it as it was, or let it go with waxwing fleet leave",
                       config->spool);
    return rc;
}
