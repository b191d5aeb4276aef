// SPDX-License-Identifier: ISC
// Logging in to a next hop (RFC 4954): only over TLS, and only to a host that has proved itself by WebPKI, DANE or a
// pin. A password goes by PLAIN, LOGIN or SCRAM (relay/sasl/client.h), a token by OAUTHBEARER (RFC 7628) or XOAUTH2.
// The secret is read for each login and wiped after it; no line of it reaches a log.
#include "relay/deliver/steps_inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "config/login.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/sasl/base64.h"
#include "sign/base64.h"

#define USER_MAX 512 // bytes

static const struct cfg_login *login_of(const struct deliver *d)
{
    return deliver_host(d)->login;
}

static bool by_token(const struct deliver *d)
{
    return login_kind(login_of(d)) != LOGIN_BY_PASSWORD;
}

static enum deliver_state ready(struct deliver *d)
{
    deliver_record_session(d);
    deliver_hop_works(d);
    return DELIVER_MAIL;
}

enum deliver_state deliver_auth_begin(struct deliver *d)
{
    struct why why;
    // The last gate: whatever way led here, no word of mail passes in clear where policy forbids.
    assert(stream_is_secure(d->link.c->stream) || deliver_clear_allowed(d));
    if (stream_is_secure(d->link.c->stream))
        deliver_record_success(d);
    if (login_kind(login_of(d)) == LOGIN_NONE) {
        return ready(d);
    }
    if (!stream_is_secure(d->link.c->stream) || d->link.c->proof == PROOF_NONE) {
        why_say(&why, AUTH_UNPROVED);
        why_host(&why, d->link.c->host);
        return deliver_quit_next(d, &why);
    }
    d->link.logging_in = LOGIN_UNTOLD;
    if (strlen(login_of(d)->user) > USER_MAX) {
        why_say(&why, AUTH_NAME_TOO_LONG);
        return deliver_quit_next(d, &why);
    }
    if (by_token(d))
        return DELIVER_TOKEN;
    d->link.secret = secret_read(login_of(d)->password_file, &why);
    return d->link.secret ? DELIVER_AUTH : deliver_quit_next(d, &why);
}

static void auth_token(char *secret, const struct why *why, void *arg)
{
    struct deliver *d = arg;
    d->link.token = NULL;
    d->link.secret = secret;
    d->resume(d, DELIVER_AUTH, why);
}

static void auth_fetched(const char *token, const struct why *why, void *arg)
{
    struct deliver *d = arg;
    d->link.asked = NULL;
    d->link.secret = token ? mem_dup(token) : NULL;
    d->resume(d, DELIVER_AUTH, why);
}

enum deliver_state deliver_token(struct deliver *d)
{
    struct why why;
    const struct worker *worker = d->order.worker;
    const struct cfg_login *login = login_of(d);
    if (login_fetches(login)) {
        d->link.asked = tokens_ask(worker->relay->tokens, worker->mail, d->route->setup, login,
                                   auth_fetched, d);
        return DELIVER_WAIT;
    }
    d->link.token =
        secret_command(&d->order.worker->loop, login->oauth.token_command, auth_token, d, &why);
    return d->link.token ? DELIVER_WAIT : deliver_quit_next(d, &why);
}

// Sends base64 of the bytes behind `verb`, and wipes both.
static void send_secret(struct deliver *d, const char *verb, void *bytes, size_t n)
{
    struct buf line;
    buf_init(&line, 3 * SECRET_MAX);
    buf_adds(&line, verb);
    base64_encode(bytes, n, &line);
    buf_adds(&line, "\r\n");
    stream_write(d->link.c->stream, line.data, line.len);
    explicit_bzero(line.data, line.len);
    buf_free(&line);
    explicit_bzero(bytes, n);
}

static void send_bearer(struct deliver *d, const char *user)
{
    char text[SECRET_MAX + 2048];
    const struct route_host *host = deliver_host(d);
    int n = snprintf(text, sizeof text, "n,a=%s,\001host=%s\001port=%u\001auth=Bearer %s\001\001",
                     user, host->host, (unsigned)host->port, d->link.secret);
    send_secret(d, "AUTH OAUTHBEARER ", text, (size_t)n);
}

static void send_xoauth2(struct deliver *d, const char *user)
{
    char text[SECRET_MAX + 1024];
    int n = snprintf(text, sizeof text, "user=%s\001auth=Bearer %s\001\001", user, d->link.secret);
    send_secret(d, "AUTH XOAUTH2 ", text, (size_t)n);
}

static enum deliver_state no_mechanism(struct deliver *d)
{
    struct why why;
    why_say(&why, AUTH_NO_MECHANISM);
    why_host(&why, d->link.c->host);
    return deliver_quit_next(d, &why);
}

static enum deliver_state tell_token(struct deliver *d)
{
    const struct smtp_extensions *ext = &d->link.c->ext;
    if (ext->auth_oauthbearer)
        send_bearer(d, login_of(d)->user);
    else if (ext->auth_xoauth2)
        send_xoauth2(d, login_of(d)->user);
    else
        return no_mechanism(d);
    d->link.logging_in = LOGIN_TOLD;
    return DELIVER_WAIT;
}

// The best that the host offers and the operator allows. -PLUS where this connection has a binding.
static enum sasl_mechanism choose_mechanism(const struct deliver *d, bool bound)
{
    const struct smtp_extensions *ext = &d->link.c->ext;
    const char *only = login_of(d)->mechanism ? login_of(d)->mechanism : "";
    bool any = !only[0], scram = any || strcmp(only, "scram") == 0;
    if (scram && ext->auth_scram_plus && bound)
        return SASL_SCRAM_SHA_256_PLUS;
    if (scram && ext->auth_scram)
        return SASL_SCRAM_SHA_256;
    if ((any || strcmp(only, "plain") == 0) && ext->auth_plain)
        return SASL_PLAIN;
    if ((any || strcmp(only, "login") == 0) && ext->auth_login)
        return SASL_LOGIN;
    return SASL_MECHANISMS;
}

// What the host does is no dialogue of the mechanism, or proves nothing. "*" ends it (RFC 4954 section 4).
static enum deliver_state host_false(struct deliver *d, const char *cause, bool cancel)
{
    struct why why;
    why_say(&why, AUTH_HOST_FALSE, cause);
    why_host(&why, d->link.c->host);
    log_alarm("next-hop-auth", why.reason, "%s: %s", d->link.c->host, why.text);
    if (cancel)
        deliver_command(d, "*\r\n");
    return deliver_quit_next(d, &why);
}

// One message of the host's, and what answers it behind `verb`.
static enum deliver_state dialogue(struct deliver *d, const char *verb, struct span message)
{
    struct buf out;
    struct why why;
    buf_init(&out, SASL_MESSAGE);
    enum sasl_answer answer = sasl_step(d->link.sasl, message, &out, &why);
    if (answer == SASL_FAILED) {
        buf_free(&out);
        return host_false(d, why.text, !verb[0]);
    }
    d->link.logging_in = answer == SASL_DONE ? LOGIN_TOLD : LOGIN_UNDERWAY;
    char line[64];
    snprintf(line, sizeof line, verb[0] && out.len ? "%s " : "%s", verb);
    send_secret(d, line, out.data, out.len);
    buf_free(&out);
    return DELIVER_WAIT;
}

enum deliver_state deliver_auth(struct deliver *d)
{
    unsigned char binding[SASL_BINDING];
    char verb[48];
    struct why why;
    if (d->link.logging_in != LOGIN_UNTOLD)
        return DELIVER_WAIT;
    if (by_token(d))
        return tell_token(d);
    bool bound = tls_session_binding(stream_tls(d->link.c->stream), binding);
    enum sasl_mechanism m = choose_mechanism(d, bound);
    if (m == SASL_MECHANISMS)
        return no_mechanism(d);
    d->link.sasl = sasl_client(m, login_of(d)->user, d->link.secret,
                               m == SASL_SCRAM_SHA_256_PLUS ? binding : NULL, &why);
    if (!d->link.sasl)
        return deliver_quit_next(d, &why);
    snprintf(verb, sizeof verb, "AUTH %s", sasl_word(m));
    if (m == SASL_LOGIN) { // asks for the name itself; many hosts take none beside the word
        d->link.logging_in = LOGIN_UNDERWAY;
        deliver_command(d, "%s\r\n", verb);
        return DELIVER_WAIT;
    }
    return dialogue(d, verb, span_of("", 0));
}

static enum deliver_state challenged(struct deliver *d)
{
    struct buf message;
    struct span text = span_trim(smtp_reply_line(&d->link.c->reply, 0));
    buf_init(&message, SASL_MESSAGE);
    // What is no base64 says nothing: LOGIN does not listen anyway, and SCRAM does not go on.
    if (sasl_base64(text, &message) < 0)
        buf_reset(&message);
    enum deliver_state next = dialogue(d, "", buf_span(&message));
    buf_free(&message);
    return next;
}

// The host says why it takes no token, and waits for a word before it refuses: RFC 7628 section 3.2.3 has one for it,
// XOAUTH2 an empty line.
static enum deliver_state own_up(struct deliver *d)
{
    d->link.logging_in = LOGIN_OWNED_UP;
    deliver_command(d, d->link.c->ext.auth_oauthbearer ? "AQ==\r\n" : "\r\n");
    return DELIVER_WAIT;
}

enum deliver_state deliver_auth_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    bool refused = code >= 500 && code < 600;
    if (code == 334 && d->link.sasl)
        return challenged(d);
    if (code == 334 && d->link.logging_in == LOGIN_TOLD)
        return own_up(d);
    if (code == 235 && d->link.logging_in == LOGIN_UNDERWAY)
        return host_false(d, "it says yes too early", false);
    if (refused && login_fetches(login_of(d)))
        tokens_refused(d->order.worker->relay->tokens, login_of(d), d->link.secret);
    deliver_auth_forget(d);
    if (refused)
        log_alarm("next-hop-auth", REASON_AUTH_REFUSED, "%s refused to log in %s", d->link.c->host,
                  login_of(d)->user);
    if (code != 235)
        return deliver_refused(d, STAGE_AUTH);
    return ready(d);
}
