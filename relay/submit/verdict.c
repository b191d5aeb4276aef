// SPDX-License-Identifier: ISC
// How a login ends, and what follows: the reply, the log, what is counted, bans. Knows no mechanism.
#include "relay/submit/auth_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "sign/base64.h"

enum submit_state submit_auth_refuse(struct submit *s, int code, const char *status,
                                     const char *text)
{
    submit_login_forget(&s->login);
    s->bad++;
    submit_reply(s, code, status, "%s", text);
    return SUBMIT_READY;
}

// What the mechanism says next, in base64.
enum submit_state submit_challenge(struct submit *s, struct span bytes)
{
    struct buf line;
    buf_init(&line, 2 * SASL_MESSAGE);
    base64_encode(bytes.p, bytes.n, &line);
    buf_adds(&line, "\r\n");
    stream_write(s->stream, "334 ", 4);
    stream_write(s->stream, line.data, line.len);
    buf_free(&line);
    return SUBMIT_CREDENTIALS;
}

// For the operator alone: which of the two it was, where the users file decides.
static const char *auth_detail(const struct submit *s, const char *user)
{
    const struct cfg_auth *rules = &s->setup->config->auth;
    if (!user || !user[0])
        return "no name was given";
    if (submit_in_file(s->setup, user))
        return "this name is in the users file, and the password is wrong";
    return rules->dovecot[0] || rules->command.n ? "the users file does not have this name"
                                                 : "nobody has this name";
}

void submit_log_auth(struct submit *s, const char *user, enum login_result result,
                     const struct why *why)
{
    struct logline line;
    struct counters *c = &s->host->worker->relay->counters;
    atomic_fetch_add_explicit(&c->auth_by[s->login.mechanism][result], 1, memory_order_relaxed);
    log_begin(&line, LOG_INFO, "auth", 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "user", user);
    log_text(&line, "mechanism", sasl_word(s->login.mechanism));
    log_text(&line, "result", result == LOGIN_BANNED ? "failed" : login_result_word(result));
    if (why) {
        log_text(&line, "reason", why->text);
        log_reason(&line, why);
    }
    if (why && why->reason == REASON_LOGIN_WRONG)
        log_text(&line, "detail", auth_detail(s, user));
    log_end(&line);
}

enum submit_state submit_auth_failed(struct submit *s, const struct why *why)
{
    const struct cfg_auth *rules = &s->setup->config->auth;
    const struct sockaddr *client = (struct sockaddr *)&s->client;
    struct bans *bans = s->host->worker->relay->bans;
    struct counters *c = &s->host->worker->relay->counters;
    atomic_fetch_add_explicit(&c->auth_failed, 1, memory_order_relaxed);
    submit_log_auth(s, s->login.words.user, LOGIN_FAILED, why);
    if (submit_failed_anew(&s->failed, &s->login) && s->bannable)
        bans_failed(bans, client, s->login.words.user, rules->failures, rules->ban);
    bool banned = s->bannable && bans_client(bans, client);
    char whom[300], text[400];
    submit_ask_whom(s, whom, sizeof whom);
    snprintf(text, sizeof text,
             "User name or password is wrong, so no mail is accepted: correct them in the program "
             "that sends, and send again; or ask %s",
             whom);
    enum submit_state next = submit_auth_refuse(s, 535, "5.7.8", text);
    if (banned)
        atomic_fetch_add_explicit(&c->bans, 1, memory_order_relaxed);
    if (banned)
        next = submit_leave(s, 421, "4.7.0", "Too many failed logins, try again later");
    return next;
}

bool submit_auth_banned(struct submit *s)
{
    const struct sockaddr *client = (struct sockaddr *)&s->client;
    struct bans *bans = s->host->worker->relay->bans;
    struct why why;
    if (!s->bannable ||
        (!bans_client(bans, client) && !bans_user(bans, client, s->login.words.user)))
        return false;
    why_say(&why, BANNED);
    submit_log_auth(s, s->login.words.user, LOGIN_BANNED, &why);
    submit_login_forget(&s->login);
    return true;
}

enum submit_state submit_auth_ban(struct submit *s)
{
    return submit_leave(s, 421, "4.7.0", "Too many failed logins, try again later");
}

enum submit_state submit_auth_later(struct submit *s, const struct why *why)
{
    submit_log_auth(s, s->login.words.user, LOGIN_DEFERRED, why);
    return submit_auth_refuse(s, 454, "4.7.0", "Logins cannot be checked now, try again");
}

enum submit_state submit_auth_busy(struct submit *s)
{
    struct why why;
    why_say(&why, LOGIN_BUSY);
    return submit_auth_later(s, &why);
}

enum submit_state submit_auth_refused(struct submit *s, const char *reason)
{
    struct why why;
    if (reason)
        why_say(&why, LOGIN_REFUSED, reason);
    else
        why_say(&why, LOGIN_WRONG);
    return submit_auth_failed(s, &why);
}

enum submit_state submit_auth_unknown(struct submit *s, const char *reason)
{
    struct why why;
    why_say(&why, LOGIN_BACKEND, reason ? reason : "no answer");
    return submit_auth_later(s, &why);
}

bool submit_in_file(const struct setup *setup, const char *user)
{
    return setup->users && users_find(setup->users, user);
}

enum submit_state submit_auth_done(struct submit *s, const char *called)
{
    const struct sockaddr *client = (struct sockaddr *)&s->client;
    struct counters *c = &s->host->worker->relay->counters;
    atomic_fetch_add_explicit(&c->auth_ok, 1, memory_order_relaxed);
    bans_proved(s->host->worker->relay->bans, client, s->login.words.user);
    s->source = s->login.mechanism == SASL_EXTERNAL                           ? SOURCE_CERTIFICATE
                : submit_in_file(s->host->worker->setup, s->login.words.user) ? SOURCE_FILE
                                                                              : SOURCE_BACKEND;
    s->mechanism = s->login.mechanism;
    s->user = mem_dup(called && users_name_ok(called) ? called : s->login.words.user);
    submit_log_auth(s, s->user, LOGIN_OK, NULL);
    submit_login_forget(&s->login);
    submit_reply(s, 235, "2.7.0", "Welcome");
    return SUBMIT_READY;
}

void submit_where(struct submit *s, struct submit_where *out)
{
    address_text((const struct sockaddr *)&s->client, out->client);
    address_text(stream_local(s->stream), out->local);
}
