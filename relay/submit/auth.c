// SPDX-License-Identifier: ISC
// AUTH (RFC 4954), never in clear: the dialogue, PLAIN (RFC 4616) and LOGIN. The other mechanisms have files of their
// own; how a login ends is verdict.c's.
#include "relay/submit/auth_inside.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/sasl/base64.h"

static enum submit_state prove(struct submit *s);

static enum submit_state take_plain(struct submit *s, struct span answer)
{
    struct why why;
    return sasl_plain(answer, &s->login.words, &why) < 0
               ? submit_auth_refuse(s, 501, why.status, why.text)
               : prove(s);
}

static enum submit_state take_login(struct submit *s, struct span answer)
{
    struct why why;
    bool name = !s->login.words.user;
    char **to = name ? &s->login.words.user : &s->login.words.password;
    if (sasl_login(answer, name ? SASL_NAME : SASL_PASSWORD, to, &why) < 0)
        return submit_auth_refuse(s, 501, why.status, why.text);
    return name ? submit_challenge(s, span_text("Password:")) : prove(s);
}

static enum submit_state take_answer(struct submit *s, struct span answer)
{
    switch (s->login.mechanism) {
    case SASL_PLAIN:
        return take_plain(s, answer);
    case SASL_LOGIN:
        return take_login(s, answer);
    case SASL_EXTERNAL:
        return submit_external(s, answer);
    default:
        return submit_scram(s, answer);
    }
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

static enum submit_state submit_auth_begin(struct submit *s, enum sasl_mechanism mechanism)
{
    struct why why;
    submit_login_forget(&s->login);
    s->login.mechanism = mechanism;
    if (sasl_is_scram(mechanism) && submit_scram_begin(s, &why) < 0)
        return submit_auth_refuse(s, 454, "4.7.0", why.text);
    return SUBMIT_CREDENTIALS;
}

enum submit_state submit_auth(struct submit *s, struct span args)
{
    struct span word = args, initial = {0};
    bool has_initial = span_cut(args, ' ', &word, &initial);
    if (!submit_secure(s))
        return submit_auth_refuse(s, 538, "5.7.11", "Encryption is needed first: STARTTLS");
    if (s->user)
        return submit_auth_refuse(s, 503, "5.5.1", "You are authenticated already");
    unsigned offered = s->esmtp ? submit_mechanisms(s) : 0;
    if (!offered)
        return submit_auth_refuse(s, 503, "5.5.1", "AUTH is not offered");
    enum sasl_mechanism mechanism = sasl_mechanism(word);
    if (mechanism == SASL_MECHANISMS || !(offered & 1u << mechanism))
        return submit_auth_refuse(s, 504, "5.5.4", "This mechanism is not offered");
    if (submit_auth_begin(s, mechanism) != SUBMIT_CREDENTIALS)
        return SUBMIT_READY;
    if (!has_initial)
        return submit_challenge(s, span_text(mechanism == SASL_LOGIN ? "Username:" : ""));
    initial = span_trim(initial);
    if (span_is(initial, "=")) // RFC 4954 section 4: an empty initial response
        initial = span_of("", 0);
    return submit_credentials(s, initial);
}

static enum submit_state judge(struct submit *s, const struct auth_verdict *verdict)
{
    if (verdict->result == LOGIN_OK)
        return submit_auth_done(s, verdict->user);
    if (verdict->result == LOGIN_DEFERRED)
        return submit_auth_unknown(s, verdict->reason);
    return submit_auth_refused(s, verdict->reason);
}

static void submit_auth_answered(const struct auth_verdict *verdict, void *arg)
{
    struct submit *s = arg;
    s->login.job = NULL;
    if (!submit_answered(s))
        return;
    submit_go(s, judge(s, verdict));
    submit_turn(s);
}

static enum submit_state prove(struct submit *s)
{
    struct submit_where where;
    if (submit_auth_banned(s))
        return submit_auth_ban(s);
    submit_where(s, &where);
    const struct auth_question question = {.users =
                                               s->host->worker->setup->users, // the present ones
                                           .words = &s->login.words,
                                           .client = where.client,
                                           .local = where.local};
    switch (auth_prove(s->host->auth, &question, submit_auth_answered, s, &s->login.job)) {
    case AUTH_PROVEN:
        return submit_auth_done(s, NULL);
    case AUTH_ASKED:
        s->pending++;
        return SUBMIT_PROVING;
    case AUTH_BUSY:
        break;
    }
    return submit_auth_busy(s);
}

static bool has_backend(const struct setup *setup)
{
    return setup->config->auth.dovecot[0] || setup->config->auth.command.n;
}

bool submit_auth_stands(const struct submit *s)
{
    switch (s->source) {
    case SOURCE_FILE:
        return submit_in_file(s->setup, s->user);
    case SOURCE_BACKEND:
        return has_backend(s->setup);
    case SOURCE_CERTIFICATE:
        break;
    }
    return submit_external_user(s, span_text(s->user)) != NULL;
}
