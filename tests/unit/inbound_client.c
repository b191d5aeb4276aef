// SPDX-License-Identifier: ISC
// The client of the inbound tests: a non-blocking socket, perhaps with TLS, that lets the relay's
// loop turn while it waits.
#include "tests/unit/inbound_story.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/mem.h"

#define PATIENCE 50000 // turns before a test gives up

struct client {
    struct story *s;
    int fd;
    uv_poll_t *poll; // wakes the loop; freed when it is closed
    gnutls_session_t tls;
    gnutls_certificate_credentials_t cred;
    struct buf in;
    char *reply;
};

// The loop turns; what there is to read is read by whoever waits for it.
static void client_on_readable(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

struct client *client_open(struct story *s, unsigned listener, unsigned from)
{
    struct client *c = mem_new(sizeof *c);
    struct sockaddr_in sin = {.sin_family = AF_INET};
    c->s = s;
    buf_init(&c->in, 1 << 20);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sin.sin_addr.s_addr = htonl(0x7f000000 + (from ? from : 1));
    assert_int_equal(bind(c->fd, (struct sockaddr *)&sin, sizeof sin), 0);
    sin.sin_addr.s_addr = htonl(0x7f000001);
    sin.sin_port = htons((uint16_t)s->ports[listener]);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&sin, sizeof sin), 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    int on = 1; // else a command in two writes waits for a delayed acknowledgement
    assert_int_equal(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    c->poll = mem_new(sizeof *c->poll);
    assert_int_equal(uv_poll_init(&s->worker.loop, c->poll, c->fd), 0);
    assert_int_equal(uv_poll_start(c->poll, UV_READABLE, client_on_readable), 0);
    return c;
}

static void client_on_closed(uv_handle_t *handle)
{
    free(handle);
}

void client_close(struct client *c)
{
    if (!c)
        return;
    if (c->tls)
        gnutls_deinit(c->tls);
    if (c->cred)
        gnutls_certificate_free_credentials(c->cred);
    uv_poll_stop(c->poll);
    uv_close((uv_handle_t *)c->poll, client_on_closed);
    close(c->fd);
    buf_free(&c->in);
    free(c->reply);
    free(c);
}

static bool again(ssize_t n)
{
    return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
}

static ssize_t put(struct client *c, const char *p, size_t n)
{
    if (c->tls) {
        ssize_t rc = gnutls_record_send(c->tls, p, n);
        return again(rc) ? 0 : rc;
    }
    ssize_t rc = send(c->fd, p, n, MSG_NOSIGNAL);
    return rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : rc;
}

// Bytes that the server no longer wants are lost without complaint, as with real clients.
void client_send_bytes(struct client *c, const void *bytes, size_t n)
{
    const char *p = bytes;
    for (int i = 0; n && i < PATIENCE; i++) {
        ssize_t sent = put(c, p, n);
        if (sent < 0)
            return;
        p += sent;
        n -= (size_t)sent;
        if (!sent)
            story_turn(c->s);
    }
    assert_int_equal(n, 0);
}

void client_send(struct client *c, const char *text)
{
    client_send_bytes(c, text, strlen(text));
}

// False when the server has closed.
static bool receive(struct client *c)
{
    char block[16384];
    ssize_t n;
    if (c->tls) {
        n = gnutls_record_recv(c->tls, block, sizeof block);
        if (again(n))
            return true;
    } else {
        n = recv(c->fd, block, sizeof block, 0);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
    }
    if (n <= 0)
        return false;
    assert_int_equal(buf_add(&c->in, block, (size_t)n), 0);
    return true;
}

// The length of the first whole reply, 0: not there yet.
static size_t whole_reply(struct span in)
{
    size_t at = 0;
    for (;;) {
        struct span rest = span_from(in, at);
        ptrdiff_t lf = span_find(rest, '\n');
        if (lf < 0)
            return 0;
        at += (size_t)lf + 1;
        if (lf < 4 || rest.p[3] != '-')
            return at;
    }
}

const char *client_reply(struct client *c)
{
    size_t n = 0;
    bool open = true;
    for (int i = 0; i < PATIENCE && open; i++) {
        n = whole_reply(buf_span(&c->in));
        if (n)
            break;
        story_turn(c->s);
        open = receive(c);
    }
    n = whole_reply(buf_span(&c->in));
    free(c->reply);
    c->reply = span_dup(span_of(c->in.data, n));
    if (n)
        buf_drop(&c->in, n);
    return c->reply;
}

void client_expect(struct client *c, const char *start)
{
    const char *reply = client_reply(c);
    if (strncmp(reply, start, strlen(start)) != 0)
        fail_msg("expected \"%s\", got \"%s\"", start, reply);
}

void client_say(struct client *c, const char *line, const char *start)
{
    client_send(c, line);
    client_send(c, "\r\n");
    client_expect(c, start);
}

void client_closed(struct client *c)
{
    for (int i = 0; i < PATIENCE; i++) {
        story_turn(c->s);
        if (!receive(c))
            return;
    }
    fail_msg("the server did not close");
}

void client_tls(struct client *c)
{
    gnutls_certificate_allocate_credentials(&c->cred);
    gnutls_init(&c->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    gnutls_set_default_priority(c->tls);
    gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, c->cred);
    gnutls_transport_set_int(c->tls, c->fd);
    int rc = GNUTLS_E_AGAIN;
    for (int i = 0; i < PATIENCE && again(rc); i++) {
        story_turn(c->s);
        rc = gnutls_handshake(c->tls);
    }
    if (rc < 0)
        fail_msg("TLS: %s", gnutls_strerror(rc));
}

static void base64(const char *bytes, size_t n, char *out, size_t room)
{
    gnutls_datum_t in = {(unsigned char *)(uintptr_t)bytes, (unsigned)n}, text;
    assert_int_equal(gnutls_base64_encode2(&in, &text), 0);
    snprintf(out, room, "%.*s", (int)text.size, (const char *)text.data);
    gnutls_free(text.data);
}

void client_auth(struct client *c, const char *user, const char *password, const char *start)
{
    char words[512], text[1024], line[1100];
    int n = snprintf(words, sizeof words, "%c%s%c%s", 0, user, 0, password);
    base64(words, (size_t)n, text, sizeof text);
    snprintf(line, sizeof line, "AUTH PLAIN %s", text);
    client_say(c, line, start);
}

void client_login(struct client *c, const char *user, const char *password)
{
    client_expect(c, "220 ");
    client_say(c, "EHLO client.example", "250-");
    client_say(c, "STARTTLS", "220 ");
    client_tls(c);
    client_say(c, "EHLO client.example", "250-");
    client_auth(c, user, password, "235 2.7.0");
}

void client_mail(struct client *c, const char *from, const char *message, const char *start)
{
    char line[512];
    snprintf(line, sizeof line, "MAIL FROM:<%s>", from);
    client_say(c, line, "250 2.1.0");
    client_say(c, "RCPT TO:<rcpt@dest.example>", "250 2.1.5");
    client_say(c, "DATA", "354");
    client_send(c, message);
    client_send(c, ".\r\n");
    client_expect(c, start);
}
