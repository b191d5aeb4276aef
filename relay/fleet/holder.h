// SPDX-License-Identifier: ISC
// A node's lease, which lets it act (relay/base/lease.h): taken before anything of the spool is looked at, and renewed on
// a connection of its own by a thread of its own, so that neither a slow journal nor a dead standby ends it. It counts
// from before the statement was sent, by clock_boot_ms().
//
// Another thread waits for nothing but its end. The process ends there: all its sockets are closed at that moment, and
// what it had promised is on its disk and in the journal.
#ifndef RELAY_FLEET_HOLDER_H
#define RELAY_FLEET_HOLDER_H

#include "relay/fleet/history.h"
#include "relay/fleet/self.h"
#include "relay/fleet/target.h"

#define HOLDER_TEXT 33 // bytes of a log's name
#define HOLDER_WAIT_MS                                                                             \
    60000 // how long a start waits for the database; and twice the lease of whoever has it

struct holder;
struct holder_options {
    const struct target *target; // outlives it
    unsigned node;
    struct history *history; // outlives it
    uint64_t ms;             // of the lease
    uint64_t wait_ms; // how long to wait for a database that does not answer; 0: HOLDER_WAIT_MS
    bool *silent;     // holder_take gave up because of that; NULL: nobody asks
    char log[HOLDER_TEXT]; // of this spool, as its marker says; "": it has none
    char fresh
        [HOLDER_TEXT]; // what it is called where the lease was another's since, or there is no marker
    // The lease ends, or is another's: does not return. On any thread.
    void (*lost)(void *arg, const char *words);
    void *arg;
};

// Waits for a lease that another holds until it is not renewed any more. NULL with why.
struct holder *holder_take(const struct holder_options *options, struct why *why);
// How the lease stood, and since when by clock_boot_ms(); 0: it was not seen.
struct holder_watch {
    int64_t epoch, count;
    uint64_t ms, since_ms;
};
// Whether a lease could be had now, on a standby that the server waits for, too: it is taken, and nobody renews it. Nothing
// that this process does depends on it. 1 with why: another relay has it; -1 with why: the database. `watch`: of one look
// for the next, so that a lease that nobody renews is had after a while.
int holder_probe(const struct holder_options *options, int stop, struct holder_watch *watch,
                 struct why *why);
int64_t holder_epoch(const struct holder *holder);
// One of the two names. `fresh`, although there is a marker: what this disk has was taken over.
const char *holder_log(const struct holder *holder);
// Whose the node's logs are to be when the holder closes, with that of the lease in one transaction.
struct holder_heir {
    unsigned node; // 0: nobody's
    char name[SELF_NAME];
    uint64_t messages; // that are in them
};
void holder_hand_to(struct holder *holder, const struct holder_heir *heir);
// Gives the lease back where it is still held, and ends the threads. Accepts NULL.
void holder_close(struct holder *holder);

// A lease of so many ms that was seen as it is since then (clock_boot_ms()) is not renewed any more: one and a half
// times its length. 0: it was not seen.
bool holder_lapsed(uint64_t since_ms, uint64_t ms);

#endif
