// SPDX-License-Identifier: ISC
// Shared by relay/fleet/fleet.c (the thread), relay/fleet/fleet_spool.c (as the spool meets it), relay/fleet/fleet_view.c
// (what it shows of itself), relay/fleet/fleet_ledger.c (its part in the one ledger) and relay/fleet/fleet_evacuate.c (its
// leaving) alone.
#ifndef RELAY_FLEET_FLEET_INSIDE_H
#define RELAY_FLEET_FLEET_INSIDE_H

#include <pthread.h>
#include "relay/base/inbox.h"
#include "relay/fleet/evacuation.h"
#include "relay/fleet/fleet.h"
#include "relay/fleet/holder.h"
#include "relay/fleet/ledger_out.h"
#include "relay/fleet/self.h"
#include "relay/fleet/share.h"
#include "relay/fleet/target.h"

struct fleet {
    struct target target;
    size_t host; // that answered last
    struct self self;
    struct takeover *takeover;
    struct queued *queued; // what waits here, for others to see; NULL: nothing is told of it
    _Atomic(struct spool *) spool; // while it is open
    struct journal *journal;       // NULL: 250 means this disk alone
    struct holder_heir heir;       // whose its mail is to be; the thread's while that runs
    struct item barrier;           // of the spool, behind all that is to go with it
    struct inbox *settled;         // where it comes back; NULL: it was not asked for
    struct alone *lone;            // this run goes without a journal, until one is to be had
    _Atomic uint64_t left;         // messages of such runs that are yet to be journaled
    bool late;                     // some of what the journal has could not be taken at the start
    struct config *config;
    char *name, *self_path, *hostname;
    int64_t started_ms;
    pthread_t thread;
    int stop; // an eventfd: written to when all is to end
    // the thread's own
    struct session *session,
        *ear; // ear: notifications; NULL: there are none, and changes come a second late
    struct share share;
    struct ledger_out ledger;
    struct claims *claims; // what the reporter asks; NULL: this one only looks
    struct slices *slices; // of limits; NULL: this one only looks
    uint64_t alone;        // decisions by this node's share that were told
    bool running;          // the thread
    uint64_t spend_at;     // limits were refused; 0: they were not
    uint64_t beat_at, look_at, ledger_at, retry_at, retry_ms;
    bool told; // of the present trouble
    // what others look at
    pthread_mutex_t lock;
    fleet_leave_fn *leave; // NULL: nobody obeys
    void *leave_arg;
    char *fingerprint;
    char *traces; // the directory of trace.directory
    struct fleet_state state;
    json_t *nodes;
    char database[300]; // host that is connected to, or was
};

// relay/fleet/fleet_ledger.c, on the thread. -1 with why: the database failed.
void fleet_ledger_begin(struct fleet *f);
void fleet_ledger_aim(struct fleet *f, const struct config *config); // any thread
int fleet_ledger_turn(struct fleet *f, struct why *why);
int fleet_answer_reporter(struct fleet *f, struct why *why); // one question of the reporter's

// relay/fleet/fleet_evacuate.c. Obey, on the thread: looks whether this node is to leave; -1 with why: the database. Give,
// when workers and thread have ended: if it is, its journal goes to its heir.
int fleet_obey(struct fleet *f, struct why *why);
void fleet_give(struct fleet *f, struct spool *spool);
void fleet_begin_journal(struct fleet *f); // relay/fleet/fleet_spool.c
int fleet_watch_others(struct fleet *f, const struct fleet_doors *doors, struct why *why);

json_t *fleet_say(struct fleet *f); // what fleet_describe gives, under the lock

#endif
