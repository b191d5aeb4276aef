// SPDX-License-Identifier: ISC
// A worker's listeners and inbound sessions: accepts, counts connections against the limits (all, per
// client: IPv6 by /64), hands each to a session (relay/submit/session.h), knows them all for drain and stop.
#ifndef RELAY_SUBMIT_SERVER_H
#define RELAY_SUBMIT_SERVER_H

#include "relay/worker/relay.h"

// Sockets are bound by the main thread, one set per worker (SO_REUSEPORT): at the start before privileges are
// dropped, later at a reload (server_reload). fds[i] belongs to config->listen[i] of the setup the relay started with.
struct server *server_new(struct worker *worker, const int *fds, size_t nfds);
// New sessions use it. `fds` NULL: the listeners are as they were; else fds[i] is config->listen[i]'s new socket, or -1
// where one stands at that address already; others are closed.
void server_reload(struct server *server, const int *fds);
// Accepts no more. Idle sessions get 421 at once, busy ones after their message.
void server_drain(struct server *server);
size_t server_sessions(const struct server *server);
// Ends what is left: 421 and close. `gone` runs (on the loop) when the last session is freed.
void server_stop(struct server *server, void (*gone)(void *arg), void *arg);
void server_free(struct server *server); // after `gone`

#endif
