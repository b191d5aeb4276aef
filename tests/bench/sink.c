// SPDX-License-Identifier: ISC
// The sink: an MX with STARTTLS that takes everything, one thread, one epoll. Prints the time (seconds of
// the real-time clock) at which message number TARGET was taken, how many of them came over TLS with a DKIM signature
// (seen when its name was not split between two reads), and ends.
//
// usage: sink ADDRESS PORT CHAIN KEY TARGET
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "tests/bench/wire.h"

struct session {
    struct wire wire;
    bool in_data, is_signed;
    unsigned matched; // bytes of CRLF.CRLF seen at the end of what came
};

static const char hello[] =
    "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
    "250-ENHANCEDSTATUSCODES\r\n%s250 SMTPUTF8\r\n";
static gnutls_certificate_credentials_t credentials;
static long taken, signed_tls, target;

static bool verb_is(const char *line, size_t n, const char *verb)
{
    return n >= 4 && strncasecmp(line, verb, 4) == 0;
}

// One command; false when the connection is to end.
static bool command(struct session *s, const char *line, size_t n)
{
    struct wire *w = &s->wire;
    char reply[512];
    if (verb_is(line, n, "EHLO") || verb_is(line, n, "HELO")) {
        snprintf(reply, sizeof reply, hello, w->tls ? "" : "250-STARTTLS\r\n");
        wire_puts(w, reply);
    } else if (verb_is(line, n, "STAR")) {
        // Written alone: a turn would read as well, and take a quick ClientHello for clear text.
        if (write(w->fd, "220 2.0.0 go on\r\n", 17) != 17)
            return false;
        w->in_len = 0;
        wire_start_tls(w, GNUTLS_SERVER, credentials);
    } else if (verb_is(line, n, "DATA")) {
        wire_puts(w, "354 go\r\n");
        s->in_data = true;
        s->is_signed = false;
        s->matched = 2; // as behind a CRLF: the first line may be the dot
    } else if (verb_is(line, n, "QUIT")) {
        wire_puts(w, "221 2.0.0 bye\r\n");
        wire_turn(w);
        return false;
    } else {
        wire_puts(w, "250 2.0.0 ok\r\n");
    }
    return true;
}

// Looks for the end of the message; returns how many of the bytes belonged to it.
static size_t data(struct session *s)
{
    static const char end[] = "\r\n.\r\n", field[] = "DKIM-Signature:";
    s->is_signed |= memmem(s->wire.in, s->wire.in_len, field, sizeof field - 1) != NULL;
    for (size_t i = 0; i < s->wire.in_len; i++) {
        char c = s->wire.in[i];
        if (c == end[s->matched])
            s->matched++;
        else
            s->matched = c == '\r' ? 1 : 0;
        if (s->matched < 5)
            continue;
        s->in_data = false;
        taken++;
        signed_tls += s->wire.tls != NULL && s->is_signed;
        wire_puts(&s->wire, "250 2.0.0 taken\r\n");
        return i + 1;
    }
    return s->wire.in_len;
}

// Everything that can be done now; false when the connection is over.
static bool evaluation(struct session *s)
{
    for (;;) {
        int rc = wire_turn(&s->wire);
        bool moved = false;
        size_t n;
        while (!s->wire.shaking && s->wire.in_len > 0) {
            if (s->in_data) {
                wire_take(&s->wire, data(s));
            } else {
                const char *line = wire_line(&s->wire, &n);
                if (!line)
                    break;
                bool secure = s->wire.tls != NULL;
                if (!command(s, line, n))
                    return false;
                if (secure == (s->wire.tls != NULL))
                    wire_take(&s->wire, n);
            }
            moved = true;
        }
        if (rc != 0)
            return false;
        if (!moved)
            return true;
    }
}

static void welcome(int poll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct session *s = calloc(1, sizeof *s);
        if (!s)
            wire_die("memory");
        wire_init(&s->wire, fd);
        wire_puts(&s->wire, "220 sink.test ESMTP\r\n");
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
    }
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: sink ADDRESS PORT CHAIN KEY TARGET\n");
        return 64;
    }
    target = atol(argv[5]);
    gnutls_certificate_allocate_credentials(&credentials);
    if (gnutls_certificate_set_x509_key_file(credentials, argv[3], argv[4], GNUTLS_X509_FMT_PEM) <
        0)
        wire_die(argv[3]);
    int poll = epoll_create1(0), listener = wire_listen(argv[1], argv[2]);
    struct wire door;
    wire_init(&door, listener);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &e);
    while (taken < target) {
        struct epoll_event ready[64];
        int n = epoll_wait(poll, ready, 64, 120000);
        if (n <= 0) {
            fprintf(stderr, "sink: nothing for two minutes; %ld of %ld taken\n", taken, target);
            return 1;
        }
        for (int i = 0; i < n; i++) {
            struct session *s = ready[i].data.ptr;
            if (!s) {
                welcome(poll, listener);
            } else if (!evaluation(s)) {
                wire_close(&s->wire);
                free(s);
            }
        }
    }
    printf("%.6f %ld\n", wire_now(), signed_tls);
    return 0;
}
