// SPDX-License-Identifier: ISC
// Logging in to a next hop (RFC 4954; PLAIN RFC 4616, LOGIN, OAUTHBEARER RFC 7628, XOAUTH2): only over TLS, and
// only to a host that has proved itself by WebPKI, DANE or a pin. The secret is read for each login and
// wiped after it; no line of it reaches a log.
#include "relay/deliver/inside.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "sign/base64.h"

#define SECRET_MAX    65536 // bytes of a password or token
#define TOKEN_WAIT_MS 30000 // the command's time

bool deliver_must_auth(const struct deliver *d)
{
    return d->route->rule && d->route->rule->auth_user && d->route->rule->auth_user[0];
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

// Cuts a secret at its first line end; a token or password has none.
static char *secret_of(char *bytes, size_t n)
{
    struct span line = span_trim(span_of(bytes, n));
    ptrdiff_t end = span_find(line, '\n');
    if (end >= 0)
        line.n = (size_t)end;
    char *secret = span_dup(span_trim(line));
    explicit_bzero(bytes, n);
    return secret;
}

static char *read_password(const char *path, struct why *why)
{
    char bytes[SECRET_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0)
        close(fd);
    if (n <= 0 || n == SECRET_MAX) {
        why_set(why, WHY_OURS, "4.3.5",
                n > 0 ? "the password file %s is larger than a password can be"
                      : "the password file %s cannot be read",
                path);
        return NULL;
    }
    return secret_of(bytes, (size_t)n);
}

enum moment deliver_auth_begin(struct deliver *d)
{
    struct why why;
    // The last gate: whatever way led here, no word of mail passes in clear where policy forbids.
    assert(stream_is_secure(d->c->stream) || deliver_clear_allowed(d));
    if (stream_is_secure(d->c->stream))
        deliver_record_success(d);
    if (!deliver_must_auth(d)) {
        deliver_record_session(d);
        return AT_MAIL;
    }
    if (!stream_is_secure(d->c->stream) || d->c->proof == PROOF_NONE) {
        why_set(&why, WHY_HOST, "4.7.0",
                "a password is only sent to a host that proved itself (webpki, dane or pin)");
        why_host(&why, d->c->host);
        return deliver_quit_next(d, &why);
    }
    const struct cfg_destination *rule = d->route->rule;
    d->auth_step = 0;
    if (rule->auth_token_command && rule->auth_token_command[0])
        return AT_TOKEN;
    d->secret = read_password(rule->auth_password_file, &why);
    return d->secret ? AT_AUTH : deliver_quit_next(d, &why);
}

// The token command: run by the shell, as `user`, its first line of output is the token.

struct deliver_token {
    struct deliver *d; // NULL: the session has gone
    uv_process_t process;
    uv_pipe_t pipe;
    uv_timer_t timer;
    unsigned open; // handles not yet closed
    bool exited, ended;
    char bytes[SECRET_MAX];
    size_t n;
};

static void deliver_auth_token_closed(uv_handle_t *handle)
{
    struct deliver_token *t = handle->data;
    if (--t->open > 0)
        return;
    explicit_bzero(t->bytes, sizeof t->bytes);
    free(t);
}

// A command that still runs is killed; its handle stays until it was seen to end, or it would be a zombie.
static void token_close(struct deliver_token *t)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&t->pipe, (uv_handle_t *)&t->timer,
                              (uv_handle_t *)&t->process};
    bool runs = uv_is_active(handles[2]) && !t->exited;
    if (runs)
        uv_kill(-t->process.pid, SIGKILL); // with what the shell started
    for (size_t i = 0; i < (runs ? 2 : 3); i++)
        if (!uv_is_closing(handles[i]))
            uv_close(handles[i], deliver_auth_token_closed);
}

static void token_over(struct deliver_token *t, bool in_time)
{
    struct deliver *d = t->d;
    if (!d || (in_time && (!t->exited || !t->ended)))
        return;
    t->d = NULL;
    d->token = NULL;
    bool whole = t->n < sizeof t->bytes; // part of a token is none
    d->secret = t->n && whole ? secret_of(t->bytes, t->n) : NULL;
    token_close(t);
    struct why why;
    if (d->secret && d->secret[0]) {
        deliver_continue(d, AT_AUTH, NULL);
        return;
    }
    why_set(&why, WHY_OURS, "4.3.5", "the token command %s",
            !in_time ? "did not end in time"
            : whole  ? "gave no token"
                     : "gave more than a token can be (64 KiB)");
    deliver_continue(d, AT_TOKEN, &why);
}

static void deliver_auth_token_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct deliver_token *t = handle->data;
    *out = uv_buf_init(t->bytes + t->n, (unsigned)(sizeof t->bytes - t->n));
}

static void deliver_auth_token_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct deliver_token *t = stream->data;
    if (n > 0) {
        t->n += (size_t)n;
        return;
    }
    if (n == 0)
        return;
    uv_read_stop(stream);
    t->ended = true;
    token_over(t, true);
}

static void deliver_auth_token_exit(uv_process_t *process, int64_t status, int signal)
{
    struct deliver_token *t = process->data;
    t->exited = true;
    if (status || signal)
        t->n = 0;
    if (t->d)
        token_over(t, true);
    else
        token_close(t);
}

static void deliver_auth_token_late(uv_timer_t *timer)
{
    token_over(timer->data, false);
}

enum moment deliver_token(struct deliver *d)
{
    struct deliver_token *t = mem_new(sizeof *t);
    uv_loop_t *loop = &d->order.worker->loop;
    t->d = d;
    t->process.data = t->pipe.data = t->timer.data = t;
    t->open = 3;
    uv_pipe_init(loop, &t->pipe, 0);
    uv_timer_init(loop, &t->timer);
    char *args[] = {(char *)"/bin/sh", (char *)"-c", d->route->rule->auth_token_command, NULL};
    uv_stdio_container_t io[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&t->pipe},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {.file = args[0],
                                    .args = args,
                                    .stdio = io,
                                    .stdio_count = 3,
                                    .flags = UV_PROCESS_DETACHED,
                                    .exit_cb = deliver_auth_token_exit};
    int rc = uv_spawn(loop, &t->process, &options);
    if (rc < 0) {
        struct why why;
        t->d = NULL;
        token_close(t);
        why_set(&why, WHY_OURS, "4.3.5", "the token command cannot be run: %s", uv_strerror(rc));
        return deliver_quit_next(d, &why);
    }
    d->token = t;
    uv_read_start((uv_stream_t *)&t->pipe, deliver_auth_token_room, deliver_auth_token_read);
    uv_timer_start(&t->timer, deliver_auth_token_late, TOKEN_WAIT_MS, 0);
    return STAY;
}

void deliver_auth_forget(struct deliver *d)
{
    wipe(d->secret);
    d->secret = NULL;
    if (!d->token)
        return;
    d->token->d = NULL;
    token_close(d->token);
    d->token = NULL;
}

// Sends base64 of the bytes behind `verb`, and wipes both.
static void send_secret(struct deliver *d, const char *verb, char *bytes, size_t n)
{
    struct buf line;
    buf_init(&line, 3 * SECRET_MAX);
    buf_adds(&line, verb);
    base64_encode(bytes, n, &line);
    buf_adds(&line, "\r\n");
    stream_write(d->c->stream, line.data, line.len);
    explicit_bzero(line.data, line.len);
    buf_free(&line);
    explicit_bzero(bytes, n);
}

static void send_plain(struct deliver *d, const char *user)
{
    char text[SECRET_MAX + 1024];
    int n = snprintf(text, sizeof text, "%c%s%c%s", 0, user, 0, d->secret);
    send_secret(d, "AUTH PLAIN ", text, (size_t)n);
}

static void send_bearer(struct deliver *d, const char *user)
{
    char text[SECRET_MAX + 2048];
    const struct route_host *host = deliver_host(d);
    int n = snprintf(text, sizeof text, "n,a=%s,\001host=%s\001port=%u\001auth=Bearer %s\001\001",
                     user, host->host, (unsigned)host->port, d->secret);
    send_secret(d, "AUTH OAUTHBEARER ", text, (size_t)n);
}

static void send_xoauth2(struct deliver *d, const char *user)
{
    char text[SECRET_MAX + 1024];
    int n = snprintf(text, sizeof text, "user=%s\001auth=Bearer %s\001\001", user, d->secret);
    send_secret(d, "AUTH XOAUTH2 ", text, (size_t)n);
}

enum moment deliver_auth(struct deliver *d)
{
    if (d->auth_step > 0)
        return STAY;
    const struct smtp_extensions *ext = &d->c->ext;
    const struct cfg_destination *rule = d->route->rule;
    bool token = rule->auth_token_command && rule->auth_token_command[0];
    if (strlen(rule->auth_user) > 512) {
        struct why why;
        why_set(&why, WHY_OURS, "4.3.5", "the user name for the next hop is too long");
        return deliver_quit_next(d, &why);
    }
    if (token && ext->auth_oauthbearer) {
        send_bearer(d, rule->auth_user);
    } else if (token && ext->auth_xoauth2) {
        send_xoauth2(d, rule->auth_user);
    } else if (!token && ext->auth_plain) {
        send_plain(d, rule->auth_user);
    } else if (!token && ext->auth_login) {
        d->auth_step = 1;
        deliver_command(d, "AUTH LOGIN\r\n");
        return STAY;
    } else {
        struct why why;
        why_set(&why, WHY_HOST, "4.7.0", "the host offers no way to log in that fits");
        why_host(&why, d->c->host);
        return deliver_quit_next(d, &why);
    }
    d->auth_step = 3; // all is said
    return STAY;
}

enum moment deliver_auth_heard(struct deliver *d)
{
    int code = d->c->reply.code;
    if (code == 334 && d->auth_step == 1) { // LOGIN asks for the name, then the password
        d->auth_step = 2;
        char user[512];
        size_t n = strnlen(d->route->rule->auth_user, sizeof user);
        memcpy(user, d->route->rule->auth_user, n);
        send_secret(d, "", user, n);
        return STAY;
    }
    if (code == 334 && d->auth_step == 2) {
        d->auth_step = 3;
        send_secret(d, "", d->secret, strlen(d->secret));
        return STAY;
    }
    if (code == 334 && d->auth_step == 3) { // RFC 7628 section 3.2.3: the error, to be acknowledged
        d->auth_step = 4;
        deliver_command(d, "AQ==\r\n");
        return STAY;
    }
    deliver_auth_forget(d);
    if (code >= 500 && code < 600)
        log_alarm("next-hop-auth", "%s refused to log in %s", d->c->host,
                  d->route->rule->auth_user);
    if (code != 235)
        return deliver_refused(d, MOMENT_AUTH);
    deliver_record_session(d);
    return AT_MAIL;
}
