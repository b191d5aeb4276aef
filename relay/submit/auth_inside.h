// SPDX-License-Identifier: ISC
// The inside of a login: what the files of AUTH share. A login is a conversation of its own inside the session; it
// ends in submit_auth_done, submit_auth_failed, submit_auth_later or submit_auth_refuse, each of which answers the
// client and forgets it.
#ifndef RELAY_SUBMIT_AUTH_INSIDE_H
#define RELAY_SUBMIT_AUTH_INSIDE_H

#include "relay/base/address.h"
#include "relay/login/bans.h"
#include "relay/submit/inside.h"

// auth.c
enum submit_state submit_credentials(struct submit *s, struct span line); // one line of answer
// Who logged in earlier may still, as the session's setup has it now.
bool submit_auth_stands(const struct submit *s);

// verdict.c
enum submit_state submit_challenge(struct submit *s, struct span bytes); // 334
// words.user has logged in; `called` is what the backend calls it, or NULL.
enum submit_state submit_auth_done(struct submit *s, const char *called);
bool submit_in_file(const struct setup *setup, const char *user); // the users file has it
enum submit_state submit_auth_failed(struct submit *s, const struct why *why); // counts
enum submit_state submit_auth_later(struct submit *s, const struct why *why);  // 454
// What a backend says: no, with its words or NULL; nothing that could be used; and that so many are being asked.
enum submit_state submit_auth_refused(struct submit *s, const char *reason);
enum submit_state submit_auth_unknown(struct submit *s, const char *reason);
enum submit_state submit_auth_busy(struct submit *s);
enum submit_state submit_auth_refuse(struct submit *s, int code, const char *status,
                                     const char *text);
// The client or words.user is banned, which is logged; the login is forgotten.
bool submit_auth_banned(struct submit *s);
enum submit_state submit_auth_ban(struct submit *s); // sends it away
void submit_log_auth(struct submit *s, const char *user, enum login_result result,
                     const struct why *why);

// offer.c: the mechanisms that are offered now, a bit each; the line of EHLO, or nothing.
unsigned submit_mechanisms(const struct submit *s);
void submit_write_mechanisms(const struct submit *s, struct buf *out);

// The addresses of both ends as text.
struct submit_where {
    char client[ADDRESS_TEXT], local[ADDRESS_TEXT];
};
void submit_where(struct submit *s, struct submit_where *out);

// relayed.c: whether this message of SCRAM is one for Dovecot; one message of the client.
bool submit_is_relayed(const struct submit *s, struct span message);
enum submit_state submit_relayed(struct submit *s, struct span message);

// external.c: whom the client's certificate may be, of those rows that are for `wanted` (empty: any); NULL: nobody.
const char *submit_external_user(const struct submit *s, struct span wanted);
enum submit_state submit_external(struct submit *s, struct span wanted);

// scram.c
int submit_scram_begin(struct submit *s, struct why *why);
enum submit_state submit_scram(struct submit *s, struct span answer); // one message of the client

#endif
