// SPDX-License-Identifier: ISC
// How a log comes from the journal into a folder, as the files of a spool, and how the folder goes. Nothing of it needs to
// last: it is fetched again where it is needed again.
#ifndef RELAY_FLEET_IMPORT_INSIDE_H
#define RELAY_FLEET_IMPORT_INSIDE_H

#include <stdatomic.h>
#include "relay/fleet/import.h"

// What the folder had is gone first. `spool`: whose folder `adopted` it stands in.
int import_fetch(struct tables *t, const char *log, const char *spool, const char *folder,
                 struct why *why);
void import_remove(const char *folder);

#define STORE_AT_ONCE 64 // messages that share commits

struct work {
    struct import *import;
    struct tables tables;
    struct spool *scratch;     // the log, as it was fetched
    struct import_found found; // in it
    uint64_t *moved;           // out of it, ascending
    size_t nmoved;
    size_t handed; // out, of all logs
    struct inbox *inbox;
    struct item noted;   // import_alone.c: a barrier on its way back
    atomic_bool opened;  // from here on the scratch's alarms say nothing about what it had
    atomic_bool damaged; // something of the log could not be taken
    size_t late;         // messages of those that could be another time
    struct why cause;    // of the last of these
    bool hold;           // handed out is all at once
};

// A folder as a spool, whose open messages are w->found then.
int import_open(struct work *w, const char *folder, struct why *why);
// Those that are not here yet are stored, and kept until they are handed out. What cannot be read, or has no room here,
// sets w->damaged, and counts in w->late where it may go another time.
int import_store(struct work *w, struct message *const *at, size_t n, struct why *why);
void import_hand_out(struct work *w, uint64_t id); // where it is kept
void import_found_free(struct import_found *f);

#endif
