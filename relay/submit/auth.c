// SPDX-License-Identifier: ISC
// AUTH PLAIN and LOGIN (RFC 4954, 4616), never in clear: the dialogue, the proof, what a failure
// costs.
#include "relay/submit/inside.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/sasl/base64.h"

static enum submit_state submit_auth_refuse(struct submit *s, int code, const char *status,
                                            const char *text)
{
    sasl_words_free(&s->words);
    s->bad++;
    submit_reply(s, code, status, "%s", text);
    return SUBMIT_READY;
}

static enum submit_state prove(struct submit *s);

static enum submit_state take_answer(struct submit *s, struct span answer)
{
    struct why why;
    if (!s->login)
        return sasl_plain(answer, &s->words, &why) < 0
                   ? submit_auth_refuse(s, 501, why.status, why.text)
                   : prove(s);
    bool name = !s->words.user;
    char **to = name ? &s->words.user : &s->words.password;
    if (sasl_login(answer, name ? SASL_NAME : SASL_PASSWORD, to, &why) < 0)
        return submit_auth_refuse(s, 501, why.status, why.text);
    if (!name)
        return prove(s);
    submit_reply(s, 334, "", "UGFzc3dvcmQ6"); // "Password:"
    return SUBMIT_CREDENTIALS;
}

enum submit_state submit_credentials(struct submit *s, struct span line)
{
    if (span_is(line, "*"))
        return submit_auth_refuse(s, 501, "5.7.0", "Authentication cancelled");
    struct buf answer;
    buf_init(&answer, MAX_COMMAND_LINE);
    enum submit_state next;
    if (sasl_base64(line, &answer) < 0)
        next = submit_auth_refuse(s, 501, "5.5.2", "This is not base64");
    else
        next = take_answer(s, buf_span(&answer));
    if (answer.data)
        explicit_bzero(answer.data, answer.cap);
    buf_free(&answer);
    return next;
}

enum submit_state submit_auth(struct submit *s, struct span args)
{
    struct span mechanism = args, initial = {0};
    bool has_initial = span_cut(args, ' ', &mechanism, &initial);
    if (!submit_secure(s))
        return submit_auth_refuse(s, 538, "5.7.11", "Encryption is needed first: STARTTLS");
    if (s->user)
        return submit_auth_refuse(s, 503, "5.5.1", "You are authenticated already");
    if (!s->setup->users || !s->esmtp)
        return submit_auth_refuse(s, 503, "5.5.1", "AUTH is not offered");
    s->login = span_is_nocase(mechanism, "LOGIN");
    if (!s->login && !span_is_nocase(mechanism, "PLAIN"))
        return submit_auth_refuse(s, 504, "5.5.4", "PLAIN and LOGIN are known here");
    sasl_words_free(&s->words);
    if (!has_initial) {
        submit_reply(s, 334, "", "%s", s->login ? "VXNlcm5hbWU6" : ""); // "Username:"
        return SUBMIT_CREDENTIALS;
    }
    initial = span_trim(initial);
    if (span_is(initial, "=")) // RFC 4954 section 4: an empty initial response
        initial = span_of("", 0);
    return submit_credentials(s, initial);
}

static void log_auth(struct submit *s, const char *user, const char *result, const char *reason)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "auth", 0);
    log_text(&line, "client", s->client_text);
    log_text(&line, "user", user);
    log_text(&line, "mechanism", s->login ? "LOGIN" : "PLAIN");
    log_text(&line, "result", result);
    log_text(&line, "reason", reason);
    log_end(&line);
}

static enum submit_state submit_auth_failed(struct submit *s)
{
    const struct config *config = s->setup->config;
    const struct sockaddr *client = (struct sockaddr *)&s->client;
    struct counters *c = &s->host->worker->relay->counters;
    atomic_fetch_add_explicit(&c->auth_failed, 1, memory_order_relaxed);
    log_auth(s, s->words.user, "failed", "name or password is wrong");
    if (s->bannable)
        bans_failed(s->host->worker->relay->bans, client, s->words.user, config->auth.failures,
                    config->auth.ban);
    bool banned = s->bannable && bans_client(s->host->worker->relay->bans, client);
    enum submit_state next = submit_auth_refuse(s, 535, "5.7.8", "Name or password is wrong");
    if (banned)
        atomic_fetch_add_explicit(&c->bans, 1, memory_order_relaxed);
    if (banned)
        next = submit_leave(s, 421, "4.7.0", "Too many failed logins, try again later");
    return next;
}

static enum submit_state proved(struct submit *s, bool proven)
{
    if (!proven)
        return submit_auth_failed(s);
    s->user = s->words.user;
    s->words.user = NULL;
    sasl_words_free(&s->words);
    struct counters *c = &s->host->worker->relay->counters;
    atomic_fetch_add_explicit(&c->auth_ok, 1, memory_order_relaxed);
    bans_proved(s->host->worker->relay->bans, (struct sockaddr *)&s->client, s->user);
    log_auth(s, s->user, "ok", NULL);
    submit_reply(s, 235, "2.7.0", "Welcome");
    return SUBMIT_READY;
}

static void submit_auth_answered(bool proven, void *arg)
{
    struct submit *s = arg;
    if (!submit_answered(s))
        return;
    submit_go(s, proved(s, proven));
    submit_turn(s);
}

static enum submit_state prove(struct submit *s)
{
    const struct sockaddr *client = (struct sockaddr *)&s->client;
    if (s->bannable && (bans_client(s->host->worker->relay->bans, client) ||
                        bans_user(s->host->worker->relay->bans, client, s->words.user))) {
        log_auth(s, s->words.user, "failed", "banned for a while");
        sasl_words_free(&s->words);
        return submit_leave(s, 421, "4.7.0", "Too many failed logins, try again later");
    }
    struct setup *setup = s->host->setup; // the present users
    if (!setup->users)
        return proved(s, false);
    switch (auth_prove(s->host->auth, setup->users, &s->words, submit_auth_answered, s)) {
    case AUTH_PROVEN:
        return proved(s, true);
    case AUTH_ASKED:
        s->pending++;
        return SUBMIT_PROVING;
    case AUTH_BUSY:
        break;
    }
    log_auth(s, s->words.user, "deferred", "too many logins at once");
    return submit_auth_refuse(s, 454, "4.7.0", "Too many logins at once, try again");
}
