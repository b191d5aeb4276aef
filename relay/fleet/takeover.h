// SPDX-License-Identifier: ISC
// The mail of a node that does not live any more goes on here: a thread watches how the others renew their leases, by
// this node's own clock, claims those that stopped, and imports their logs (relay/fleet/import.h).
//
// First of all it brings what runs without a journal took (relay/fleet/alone.h) to this node's own.
//
// A node that gave its lease back, as one does that was stopped, is left alone until somebody asks for it by name.
#ifndef RELAY_FLEET_TAKEOVER_H
#define RELAY_FLEET_TAKEOVER_H

#include "relay/fleet/journal.h"
#include "relay/spool/spool.h"

struct takeover;
struct takeover_options {
    struct journal *journal;
    struct spool *spool;
    const char *directory; // of the spool
    unsigned node;
    uint64_t lease_ms; // this node's
    bool pending;      // the start left some of this node's logs, which can be tried again
    // A message to be delivered, with a reference; on the thread.
    void (*add)(struct message *m, void *arg);
    void *arg;
    _Atomic uint64_t
        *left; // messages that stand on this disk alone and are yet to be journaled; outlives it
};
struct takeover *takeover_open(const struct takeover_options *options, struct why *why);
// By name, now, whether it gave its lease back or lost it; what becomes of it is in the log. -1 with why: nobody of that
// name has mail there, or it lives. Any thread.
int takeover_ask(struct takeover *t, const char *name, struct why *why);
void takeover_close(struct takeover *t); // accepts NULL

#endif
