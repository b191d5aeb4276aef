// SPDX-License-Identifier: ISC
// Logs of the journal that are this node's and not the one its spool writes: of a disk that is gone, of a node that was
// taken over. Each is fetched into the folder `adopted` of the spool, read there by the spool's own recovery, and its
// open messages are stored here, under their ids, as any message is. Then the log goes.
//
// A message is in two logs from then until it is marked as moved in the old one, and is delivered only afterwards. So
// whoever begins again, here or on another node, finds it once: where there are several logs, none of their messages is
// handed out before all of them are here. What cannot be read or stored, or was found damaged, stays in the journal with
// its log.
#ifndef RELAY_FLEET_IMPORT_H
#define RELAY_FLEET_IMPORT_H

#include <stdatomic.h>
#include "relay/fleet/journal.h"
#include "relay/spool/spool.h"

struct import {
    struct journal *journal;
    struct spool *spool;
    const char *directory; // of the spool
    int stop;              // an eventfd, or -1
    // Gets a reference to every message that is new here, not in memory, as soon as it may be delivered.
    void (*each)(struct message *m, void *arg);
    void *arg;
    bool late; // import_logs left some that can be tried again
    // Stored here and not yet marked: where an attempt fails in between, the next one hands them out.
    struct import_found {
        struct message **at;
        size_t n;
    } kept;
};
// *n: how many were handed out. -1 with why: some of it is still to be done.
int import_logs(struct import *import, size_t *n, struct why *why);
// Mail that runs without a journal took (relay/fleet/alone.h) comes into this spool, hence into the journal, and is handed
// out then. *left: how much of it is yet to come; any thread may look. -1 with why: some of it is, and can be tried again.
int import_alone(struct import *import, _Atomic uint64_t *left, size_t *n, struct why *why);
// Before anything is delivered: what an earlier run brought here is not brought again. -1 with why: it cannot be told.
int import_alone_begun(struct import *import, struct why *why);
void import_end(struct import *import); // lets go of what is kept

#endif
