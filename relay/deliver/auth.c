// SPDX-License-Identifier: ISC
// Logging in to a next hop (RFC 4954; PLAIN RFC 4616, LOGIN, OAUTHBEARER RFC 7628, XOAUTH2): only over TLS, and
// only to a host that has proved itself by WebPKI, DANE or a pin. The secret is read for each login and
// wiped after it; no line of it reaches a log.
#include "relay/deliver/steps_inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "relay/log/log.h"
#include "sign/base64.h"

static bool must_auth(const struct deliver *d)
{
    return d->route->rule && d->route->rule->auth_user && d->route->rule->auth_user[0];
}

enum deliver_state deliver_auth_begin(struct deliver *d)
{
    struct why why;
    // The last gate: whatever way led here, no word of mail passes in clear where policy forbids.
    assert(stream_is_secure(d->link.c->stream) || deliver_clear_allowed(d));
    if (stream_is_secure(d->link.c->stream))
        deliver_record_success(d);
    if (!must_auth(d)) {
        deliver_record_session(d);
        return DELIVER_MAIL;
    }
    if (!stream_is_secure(d->link.c->stream) || d->link.c->proof == PROOF_NONE) {
        why_say(&why, AUTH_UNPROVED);
        why_host(&why, d->link.c->host);
        return deliver_quit_next(d, &why);
    }
    const struct cfg_destination *rule = d->route->rule;
    d->link.auth_step = 0;
    if (rule->auth_token_command && rule->auth_token_command[0])
        return DELIVER_TOKEN;
    d->link.secret = secret_read(rule->auth_password_file, &why);
    return d->link.secret ? DELIVER_AUTH : deliver_quit_next(d, &why);
}

static void auth_token(char *secret, const struct why *why, void *arg)
{
    struct deliver *d = arg;
    d->link.token = NULL;
    d->link.secret = secret;
    d->resume(d, DELIVER_AUTH, why);
}

enum deliver_state deliver_token(struct deliver *d)
{
    struct why why;
    d->link.token = secret_command(&d->order.worker->loop, d->route->rule->auth_token_command,
                                   auth_token, d, &why);
    return d->link.token ? DELIVER_WAIT : deliver_quit_next(d, &why);
}

// Sends base64 of the bytes behind `verb`, and wipes both.
static void send_secret(struct deliver *d, const char *verb, char *bytes, size_t n)
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

static void send_plain(struct deliver *d, const char *user)
{
    char text[SECRET_MAX + 1024];
    int n = snprintf(text, sizeof text, "%c%s%c%s", 0, user, 0, d->link.secret);
    send_secret(d, "AUTH PLAIN ", text, (size_t)n);
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

enum deliver_state deliver_auth(struct deliver *d)
{
    if (d->link.auth_step > 0)
        return DELIVER_WAIT;
    const struct smtp_extensions *ext = &d->link.c->ext;
    const struct cfg_destination *rule = d->route->rule;
    bool token = rule->auth_token_command && rule->auth_token_command[0];
    if (strlen(rule->auth_user) > 512) {
        struct why why;
        why_say(&why, AUTH_NAME_TOO_LONG);
        return deliver_quit_next(d, &why);
    }
    if (token && ext->auth_oauthbearer) {
        send_bearer(d, rule->auth_user);
    } else if (token && ext->auth_xoauth2) {
        send_xoauth2(d, rule->auth_user);
    } else if (!token && ext->auth_plain) {
        send_plain(d, rule->auth_user);
    } else if (!token && ext->auth_login) {
        d->link.auth_step = 1;
        deliver_command(d, "AUTH LOGIN\r\n");
        return DELIVER_WAIT;
    } else {
        struct why why;
        why_say(&why, AUTH_NO_MECHANISM);
        why_host(&why, d->link.c->host);
        return deliver_quit_next(d, &why);
    }
    d->link.auth_step = 3; // all is said
    return DELIVER_WAIT;
}

enum deliver_state deliver_auth_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    if (code == 334 && d->link.auth_step == 1) { // LOGIN asks for the name, then the password
        d->link.auth_step = 2;
        char user[512];
        size_t n = strnlen(d->route->rule->auth_user, sizeof user);
        memcpy(user, d->route->rule->auth_user, n);
        send_secret(d, "", user, n);
        return DELIVER_WAIT;
    }
    if (code == 334 && d->link.auth_step == 2) {
        d->link.auth_step = 3;
        send_secret(d, "", d->link.secret, strlen(d->link.secret));
        return DELIVER_WAIT;
    }
    if (code == 334 &&
        d->link.auth_step == 3) { // RFC 7628 section 3.2.3: the error, to be acknowledged
        d->link.auth_step = 4;
        deliver_command(d, "AQ==\r\n");
        return DELIVER_WAIT;
    }
    deliver_auth_forget(d);
    if (code >= 500 && code < 600)
        log_alarm("next-hop-auth", "%s refused to log in %s", d->link.c->host,
                  d->route->rule->auth_user);
    if (code != 235)
        return deliver_refused(d, STAGE_AUTH);
    deliver_record_session(d);
    return DELIVER_MAIL;
}
