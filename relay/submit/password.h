// SPDX-License-Identifier: ISC
// Proving passwords: costs tens of milliseconds and so is made in libuv's thread pool, a bounded number at once.
//
// A client that logs in for each message does not pay each time: proven credentials are remembered
// for AUTH_CACHE_MS under a MAC with a random key that also covers the stored crypt(5) text, so a changed or
// removed user is a different key. One `struct auth` a worker, used on its thread.
#ifndef RELAY_SUBMIT_PASSWORD_H
#define RELAY_SUBMIT_PASSWORD_H

#include <uv.h>
#include "relay/sasl/words.h"
#include "relay/worker/limits.h"
#include "relay/setup/users.h"

#define AUTH_CACHE_MS 60000
#define AUTH_CACHE    1024 // proven credentials remembered by a worker

struct auth;
struct auth *auth_new(struct limits *limits, uv_loop_t *loop, struct inbox *mail);
void auth_free(struct auth *auth); // every job has called back; accepts NULL

typedef void auth_fn(bool proven, void *arg);
// PROVEN: the cache knows. ASKED: `fn` will be called once on this loop, whatever happens. BUSY:
// too many wait. An unknown user costs what a known one costs. The job keeps a reference to users.
enum auth_answer { AUTH_PROVEN, AUTH_ASKED, AUTH_BUSY };
enum auth_answer auth_prove(struct auth *auth, struct users *users, const struct sasl_words *words,
                            auth_fn *fn, void *arg);

#endif
