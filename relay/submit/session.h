// SPDX-License-Identifier: ISC
// The inbound SMTP session (RFC 5321, 6409): from an accepted connection to "250 queued as ID". A
// worker has one submit_host, which every session of it shares; relay/submit/server.c owns it.
#ifndef RELAY_SUBMIT_SESSION_H
#define RELAY_SUBMIT_SESSION_H

#include "relay/login/prove.h"
#include "relay/base/list.h"
#include "relay/worker/limits.h"
#include "relay/worker/relay.h"
#include "relay/net/stream.h"

struct submit;

struct submit_host {
    struct worker *worker; // whose setup sessions take over at their next MAIL
    struct auth *auth;
    struct limits *limits;
    struct list sessions; // every session that is not freed
    size_t nsessions;
    bool draining; // sessions end after their message
    uint64_t room; // connections of all workers together that the process has descriptors for
    // A session was freed: the last thing that happens to it. May come inside the calls below.
    void (*freed)(struct submit_host *host);
};

// Takes over the socket of a connection. `listen` lives as long as the host.
void submit_accept(struct submit_host *host, const struct cfg_listen *listen, int fd);
// host->draining was set: 421 now where no message is under way.
void submit_drain(struct submit_host *host);
// 421 and close, now. Sessions are freed when what they wait for (spool, disk, hash) has answered.
void submit_stop(struct submit_host *host);

#endif
