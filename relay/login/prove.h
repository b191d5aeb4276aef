// SPDX-License-Identifier: ISC
// Proving passwords. A name that the users file has is proved by its hash or verifier there, which costs tens of
// milliseconds and so is done in libuv's thread pool, a bounded number at once. Any other name is asked of the backend:
// Dovecot's auth service, a program, or nobody, which costs an unknown name what a known one costs.
//
// A client that logs in for each message does not pay each time: what a hash has proved is remembered for AUTH_CACHE_MS
// under a MAC with a random key that also covers the stored text, so a changed or removed user of the file is a different
// key. A backend is asked each time, since nobody tells when it changes its mind. One `struct auth` a worker, used on its
// thread.
#ifndef RELAY_LOGIN_PROVE_H
#define RELAY_LOGIN_PROVE_H

#include <uv.h>
#include "relay/login/dovecot.h"
#include "config/config.h"
#include "relay/setup/users.h"
#include "relay/worker/login_result.h"
#include "relay/worker/limits.h"

#define AUTH_CACHE_MS 60000
#define AUTH_CACHE    1024 // proven credentials remembered by a worker

struct auth;
struct auth_job;

struct auth *auth_new(struct limits *limits, uv_loop_t *loop, struct inbox *mail,
                      struct config *config);
// The backend of another configuration; what the former one was asked ends with DEFERRED, inside.
void auth_reload(struct auth *auth, struct config *config);
void auth_free(struct auth *auth); // every job has called back or was cancelled; accepts NULL

struct auth_question {
    struct users *users; // the present ones; NULL: none
    const struct sasl_words *words;
    const char *client, *local; // addresses as text
};
struct auth_verdict {
    enum login_result result; // OK, FAILED or DEFERRED
    const char *user;         // OK: what the backend calls the user, or NULL: as asked
    const char *reason;       // for the log, or NULL
};
typedef void auth_fn(const struct auth_verdict *verdict, void *arg);
// PROVEN: the cache knows. ASKED: `fn` will be called once on this loop, whatever happens, if *job is not cancelled.
// BUSY: too many wait.
enum auth_answer { AUTH_PROVEN, AUTH_ASKED, AUTH_BUSY };
enum auth_answer auth_prove(struct auth *auth, const struct auth_question *question, auth_fn *fn,
                            void *arg, struct auth_job **job);
// Whoever asked is gone. True: no callback comes; false: it comes soon, a hash being made or a turn on its way.
bool auth_cancel(struct auth_job *job);

// The dialogues of other mechanisms are Dovecot's own; NULL: it is not the backend.
struct dovecot *auth_dovecot(const struct auth *auth);

#endif
