// SPDX-License-Identifier: ISC
// A run without the journal, with `fleet.spool: preferred` and a database that does not answer. It has a spool of its own,
// the folder `alone` in the spool of the journal, and needs no lease: nothing of it was ever sent to the journal. What the
// journal may have lies in the spool around it, which such a run opens and leaves as it is: that mail is frozen.
//
// So which message reached the journal is the folder that it lies in, at each moment and after each crash:
//
//   SPOOL           may be in the journal: only a run that holds the lease delivers of it
//   SPOOL/alone     is not: runs without a journal take, deliver and note there
//   SPOOL/joining   on its way: `alone` is renamed before the first message of it goes to the journal, and no run without
//                   a journal looks there. What is stored in SPOOL is noted here as removed, then delivered
//   SPOOL/joined    empty: renamed before it is removed
//
// The other way round nothing moves at all. A thread looks whether a lease could be had, and asks for another start then.
#ifndef RELAY_FLEET_ALONE_H
#define RELAY_FLEET_ALONE_H

#include "config/config.h"
#include "relay/fleet/target.h"
#include "relay/spool/spool.h"

#define ALONE_LOOK_MS 1000 // how often the database is looked for
#define ALONE_PAUSE_MS                                                                             \
    60000 // the first time where it gave a lease, and did not take what the disk has

struct alone;
struct alone_options {
    const struct target *target; // outlives it
    const struct config *config; // the same
    unsigned node;
    uint64_t pause_ms; // before the first look
    void (*again)(void *arg);
    void *arg; // a lease could be had; once, on the thread
};

// With the spool that is frozen open and locked. NULL with why, and *exit_status.
struct alone *alone_open(const struct alone_options *options, int *exit_status, struct why *why);
const char *alone_folder(const struct alone *a); // of the spool that such a run writes
int alone_watch(struct alone *a, struct why *why);
uint64_t alone_frozen(struct alone *a);       // messages; any thread
bool alone_has(struct alone *a, uint64_t id); // it is one of them; any thread
void alone_rest(struct alone *a);             // asks for nothing any more. Accepts NULL
void alone_close(struct alone *a);            // accepts NULL

// Some mail of this spool lies in one of the folders of runs without a journal.
bool alone_any(const char *spool);

#endif
