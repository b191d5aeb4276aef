// SPDX-License-Identifier: ISC
// Starting and ending the relay's threads, in an order in which nothing is asked of what is gone:
// spool, state, dns, tokens, routes, workers; and back.
#ifndef RELAY_RUN_LIFECYCLE_H
#define RELAY_RUN_LIFECYCLE_H

#include "relay/worker/relay.h"

// Opens what the workers rely on and starts them. `fds` as from listen_workers. On -1 everything opened
// is closed again, and *exit_status is what the program should exit with.
int lifecycle_start(struct relay *relay, struct setup *setup, const int *fds, int *exit_status,
                    struct why *why);
// Hands a new setup to every thread. The caller keeps its own reference. `fds`: as from listen_workers where the
// listeners change, else NULL.
void lifecycle_reload(struct relay *relay, struct setup *setup, const int *fds);
// Closes the listeners; sessions end after their message.
void lifecycle_drain(struct relay *relay);
// Sessions finish or get 421, deliveries get grace_ms; then `done` runs on the loop of `mail`.
void lifecycle_stop(struct relay *relay, struct inbox *mail, uint64_t grace_ms,
                    void (*done)(void *arg), void *arg);
// After `done`: joins the workers and closes the rest. Until it returns, answers may come to `mail`.
void lifecycle_close(struct relay *relay);

#endif
