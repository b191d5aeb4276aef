// SPDX-License-Identifier: ISC
// Access tokens for next hops: a thread that fetches them over HTTPS, renews them in time (relay/oauth/token.h) and
// writes a refresh token that the provider replaces to its file before it is used. One token a login, however many
// ask. The thread begins with the first configuration that has such a login.
#ifndef RELAY_OAUTH_TOKENS_H
#define RELAY_OAUTH_TOKENS_H

#include <jansson.h>
#include "relay/base/inbox.h"
#include "relay/worker/relay.h"

struct tokens;

// `dns` outlives it. NULL with why.
struct tokens *tokens_open(struct dns *dns, struct setup *setup, struct why *why);
// On the thread that opened it. What is not configured any more is forgotten; -1 with why: the thread cannot begin.
int tokens_reload(struct tokens *tokens, struct setup *setup, struct why *why);
void tokens_close(
    struct tokens *tokens); // every request has ended or been cancelled before; accepts NULL

// A token for `login`, which is `setup`'s. One callback on the loop of `loop_inbox`, never inside the call, unless
// cancelled: with the token, valid for the call alone, or NULL and why. Any thread.
typedef void token_fn(const char *token, const struct why *why, void *arg);
struct token_request *tokens_ask(struct tokens *tokens, struct inbox *loop_inbox,
                                 struct setup *setup, const struct cfg_login *login, token_fn *fn,
                                 void *arg);
void tokens_cancel(struct token_request *request); // on the asking thread; accepts NULL
// A host did not take this token: nobody is given it again. Any thread.
void tokens_refused(struct tokens *tokens, const struct cfg_login *login, const char *token);

// For status and pages: an array with user, endpoint, grant, state (good, none, failing, revoked), seconds left, for
// how many seconds a fetch is under way (null: none), and the last failure. Any thread; NULL where there is nothing to tell.
json_t *tokens_describe(struct tokens *tokens);
// How many logins have a token, or none and a reason.
void tokens_count(struct tokens *tokens, size_t *good, size_t *failing);

#endif
