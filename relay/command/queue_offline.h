// SPDX-License-Identifier: ISC
// Shared by relay/command/queue_offline.c and relay/command/queue_offline_change.c alone: the spool of a relay that is
// stopped, and what of it is chosen.
#ifndef RELAY_COMMAND_QUEUE_OFFLINE_H
#define RELAY_COMMAND_QUEUE_OFFLINE_H

#include "relay/base/inbox.h"
#include "relay/command/queue.h"
#include "relay/spool/spool.h"

struct offline {
    const struct queue_call *call;
    struct config *config;
    struct spool *spool;
    struct inbox *inbox;
    struct message **at; // with an open recipient
    size_t n, room;
};

bool offline_chosen(const struct offline *o, const struct message *m, const struct recipient *r);
int offline_fail(const struct why *why);   // said on stderr; the exit status
int offline_none(const struct offline *o); // nothing was chosen: the exit status
int offline_change(struct offline *o);     // hold, release, retry, redirect, remove, bounce

#endif
