// SPDX-License-Identifier: ISC
// Logs of the journal that are this node's and not the one its spool writes: of a disk that is gone, of a node that was
// taken over. Each is fetched into the folder `adopted` of the spool, read there by the spool's own recovery, and its
// open messages are stored here, under their ids, as any message is. Then the log goes.
//
// A message is in two logs from then until it is marked as moved in the old one, and is delivered only afterwards, when
// all logs are through. So whoever begins again, here or on another node, finds it once.
#ifndef RELAY_FLEET_IMPORT_H
#define RELAY_FLEET_IMPORT_H

#include "relay/fleet/journal.h"
#include "relay/spool/spool.h"

struct import {
    struct journal *journal;
    struct spool *spool;
    const char *directory; // of the spool
    int stop;              // an eventfd, or -1
};
// `each` gets a reference to every message that is new here, not in memory. *n: how many. -1 with why: some of it is
// still to be done, and nothing of it was handed out.
int import_logs(const struct import *import, void (*each)(struct message *m, void *arg), void *arg,
                size_t *n, struct why *why);

#endif
