// SPDX-License-Identifier: ISC
// Proving passwords (RFC 4954, 4616): the words of PLAIN and LOGIN taken apart (pure), and the
// proof itself, which costs tens of milliseconds and so is made in libuv's thread pool, a bounded
// number at once.
//
// A client that logs in for each message does not pay each time: proven credentials are remembered
// for AUTH_CACHE_MS under a MAC with a random key that also covers the stored crypt(5) text, so a changed or
// removed user is a different key. One `struct auth` a worker, used on its thread.
#ifndef RELAY_SUBMIT_PASSWORD_H
#define RELAY_SUBMIT_PASSWORD_H

#include <uv.h>
#include "relay/base/buf.h"
#include "relay/base/why.h"
#include "relay/worker/limits.h"
#include "relay/setup/users.h"

#define AUTH_CACHE_MS 60000
#define AUTH_CACHE    1024 // proven credentials remembered by a worker

// RFC 4648 section 4, strict: padding right, no blanks, no bits left over. -1: not base64 or over
// out's ceiling.
int auth_base64(struct span text, struct buf *out);

struct auth_words {
    char *user, *password; // of this struct; auth_words_free wipes the password
};
void auth_words_free(struct auth_words *words);
// The decoded message of PLAIN: [authzid] NUL authcid NUL password. An authzid other than the
// authcid, control bytes, empty or overlong parts: -1 with 5.5.2 (or 5.7.8).
int auth_plain(struct span message, struct auth_words *out, struct why *why);
// One decoded answer of LOGIN; `max` bytes at most.
int auth_login(struct span answer, size_t max, char **out, struct why *why);

struct auth;
struct auth *auth_new(struct limits *limits, uv_loop_t *loop, struct inbox *mail);
void auth_free(struct auth *auth); // every job has called back; accepts NULL

typedef void auth_fn(bool proven, void *arg);
// PROVEN: the cache knows. ASKED: `fn` will be called once on this loop, whatever happens. BUSY:
// too many wait. An unknown user costs what a known one costs. The job keeps a reference to users.
enum auth_answer { AUTH_PROVEN, AUTH_ASKED, AUTH_BUSY };
enum auth_answer auth_prove(struct auth *auth, struct users *users, const struct auth_words *words,
                            auth_fn *fn, void *arg);

#endif
