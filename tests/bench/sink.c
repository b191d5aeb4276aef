// SPDX-License-Identifier: ISC
// The sink: an MX with STARTTLS that takes everything, one thread, one epoll. Every message has a number and every
// recipient too (X-Number, r7@...): each pair is marked, so that what came twice or not at all is seen. When all have
// come and nothing more came for half a second, or at SIGTERM, it prints one line of JSON and ends.
//
// usage: sink ADDRESS PORT CHAIN KEY MESSAGES RECIPIENTS [chunking] [full]    full: it gives no session tickets
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/bench/wire.h"

#define HEAD 32768 // bytes of a message in which its number and its signatures are looked for

struct session {
    struct wire wire;
    bool in_data;
    bool in_chunk, chunk_last; // BDAT (RFC 3030)
    size_t chunk_left;
    char *head;
    size_t head_n;
    long *rcpts; // numbers of this transaction's recipients
    long nrcpts;
};

static const char hello[] =
    "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
    "250-ENHANCEDSTATUSCODES\r\n%s%s250 SMTPUTF8\r\n";
static gnutls_certificate_credentials_t credentials;
static gnutls_datum_t tickets;
static unsigned char *seen;
static long messages, recipients;
static bool chunking, full;
static long unique, copies, transactions, signatures, seals, over_tls, connections, resumed;
static double ended;
static volatile sig_atomic_t enough;

static void on_term(int signal)
{
    (void)signal;
    enough = 1;
}

static bool verb_is(const char *line, size_t n, const char *verb)
{
    return n >= 4 && strncasecmp(line, verb, 4) == 0;
}

static void remember_rcpt(struct session *s, const char *line, size_t n)
{
    const char *open = memchr(line, '<', n);
    if (s->nrcpts < recipients)
        s->rcpts[s->nrcpts++] = open && open[1] == 'r' ? atol(open + 2) : 0;
}

static bool begin_tls(struct wire *w)
{
    // Written alone: a turn would read as well, and take a quick ClientHello for clear text.
    if (write(w->fd, "220 2.0.0 go on\r\n", 17) != 17)
        return false;
    w->in_len = 0;
    wire_start_tls(w, GNUTLS_SERVER, credentials);
    if (!full)
        gnutls_session_ticket_enable_server(w->tls, &tickets);
    return true;
}

// One command; false when the connection is to end.
static bool command(struct session *s, const char *line, size_t n)
{
    struct wire *w = &s->wire;
    char reply[512];
    if (verb_is(line, n, "EHLO") || verb_is(line, n, "HELO")) {
        resumed += w->tls && gnutls_session_is_resumed(w->tls);
        snprintf(reply, sizeof reply, hello, w->tls ? "" : "250-STARTTLS\r\n",
                 chunking ? "250-CHUNKING\r\n" : "");
        wire_puts(w, reply);
    } else if (verb_is(line, n, "STAR")) {
        return begin_tls(w);
    } else if (verb_is(line, n, "DATA")) {
        wire_puts(w, "354 go\r\n");
        s->in_data = true;
        s->head_n = 0;
    } else if (verb_is(line, n, "MAIL")) {
        s->nrcpts = 0;
        s->head_n = 0;
        wire_puts(w, "250 2.1.0 ok\r\n");
    } else if (verb_is(line, n, "RCPT")) {
        remember_rcpt(s, line, n);
        wire_puts(w, "250 2.1.5 ok\r\n");
    } else if (verb_is(line, n, "BDAT")) {
        char *rest;
        s->in_chunk = true;
        s->chunk_left = strtoul(line + 4, &rest, 10);
        s->chunk_last = rest[0] == ' ';
    } else if (verb_is(line, n, "QUIT")) {
        wire_puts(w, "221 2.0.0 bye\r\n");
        wire_turn(w);
        return false;
    } else {
        wire_puts(w, "250 2.0.0 ok\r\n");
    }
    return true;
}

static long fields(const char *head, size_t n, const char *name, const char **value)
{
    long found = 0;
    size_t length = strlen(name);
    for (const char *at = head, *hit; (hit = memmem(at, n - (size_t)(at - head), name, length));
         at = hit + length)
        if (hit == head || hit[-1] == '\n') {
            found++;
            *value = hit + length;
        }
    return found;
}

static void arrived(struct session *s)
{
    const char *number = NULL, *other;
    char *end = memmem(s->head, s->head_n, "\r\n\r\n", 4);
    size_t n = end ? (size_t)(end - s->head) + 2 : s->head_n;
    s->head[n] = 0;
    transactions++;
    signatures += fields(s->head, n, "DKIM-Signature:", &other) > 0;
    seals += fields(s->head, n, "ARC-Seal:", &other) > 0;
    over_tls += s->wire.tls != NULL;
    long message = fields(s->head, n, "X-Number:", &number) ? atol(number) : -1;
    for (long i = 0; i < s->nrcpts; i++) {
        long mark = message * recipients + s->rcpts[i];
        copies++;
        if (message < 0 || message >= messages || s->rcpts[i] >= recipients || seen[mark])
            continue;
        seen[mark] = 1;
        if (++unique == messages * recipients)
            ended = wire_now();
    }
}

static void keep_head(struct session *s, const char *bytes, size_t n)
{
    size_t room = HEAD - s->head_n;
    n = n < room ? n : room;
    memcpy(s->head + s->head_n, bytes, n);
    s->head_n += n;
}

// Looks for the end of the message; returns how many of the bytes are done with. Four stay for the next time, as the
// end may be split between two reads.
static size_t data(struct session *s)
{
    char *in = s->wire.in, *end = memmem(in, s->wire.in_len, "\r\n.\r\n", 5);
    size_t n = end ? (size_t)(end - in) + 5 : s->wire.in_len > 4 ? s->wire.in_len - 4 : 0;
    keep_head(s, in, n);
    if (end) {
        s->in_data = false;
        arrived(s);
        wire_puts(&s->wire, "250 2.0.0 taken\r\n");
    }
    return n;
}

// Bytes of a chunk; returns how many there were.
static size_t chunk(struct session *s)
{
    size_t n = s->chunk_left < s->wire.in_len ? s->chunk_left : s->wire.in_len;
    keep_head(s, s->wire.in, n);
    s->chunk_left -= n;
    return n;
}

static void chunk_ended(struct session *s)
{
    s->in_chunk = false;
    if (s->chunk_last)
        arrived(s);
    // Told apart: a host whose answers look alike gets no BDAT, since none could be believed.
    wire_puts(&s->wire, s->chunk_last ? "250 2.0.0 taken\r\n" : "250 2.0.0 a part\r\n");
}

// Everything that can be done now; false when the connection is over.
static bool evaluation(struct session *s)
{
    for (;;) {
        int rc = wire_turn(&s->wire);
        bool moved = false;
        size_t n;
        while (!s->wire.shaking && s->wire.in_len > 0) {
            if (s->in_chunk) {
                wire_take(&s->wire, chunk(s));
            } else if (s->in_data) {
                n = data(s);
                wire_take(&s->wire, n);
                if (!n)
                    break;
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
            if (s->in_chunk && !s->chunk_left)
                chunk_ended(s);
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
        if (!s || !(s->head = malloc(HEAD + 1)) ||
            !(s->rcpts = calloc((size_t)recipients, sizeof *s->rcpts)))
            wire_die("memory");
        connections++;
        wire_init(&s->wire, fd);
        wire_puts(&s->wire, "220 sink.test ESMTP\r\n");
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
    }
}

static void leave(struct session *s)
{
    wire_close(&s->wire);
    free(s->head);
    free(s->rcpts);
    free(s);
}

static int prepare(char **argv, int *poll)
{
    struct sigaction term = {.sa_handler = on_term};
    sigaction(SIGTERM, &term, NULL);
    messages = atol(argv[5]);
    recipients = atol(argv[6]);
    seen = calloc((size_t)(messages * recipients), 1);
    gnutls_certificate_allocate_credentials(&credentials);
    if (!seen || gnutls_certificate_set_x509_key_file(credentials, argv[3], argv[4],
                                                      GNUTLS_X509_FMT_PEM) < 0)
        wire_die(argv[3]);
    gnutls_session_ticket_key_generate(&tickets);
    int listener = wire_listen(argv[1], argv[2]);
    struct wire door;
    wire_init(&door, listener);
    *poll = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(*poll, EPOLL_CTL_ADD, listener, &e);
    return listener;
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr,
                "usage: sink ADDRESS PORT CHAIN KEY MESSAGES RECIPIENTS [chunking] [full]\n");
        return 64;
    }
    for (int i = 7; i < argc; i++) {
        chunking |= strcmp(argv[i], "chunking") == 0;
        full |= strcmp(argv[i], "full") == 0;
    }
    int poll, listener = prepare(argv, &poll);
    while (!enough) {
        struct epoll_event ready[64];
        int n = epoll_wait(poll, ready, 64, ended > 0 ? 500 : -1);
        if (n == 0)
            break;
        for (int i = 0; i < n; i++) {
            struct session *s = ready[i].data.ptr;
            if (!s)
                welcome(poll, listener);
            else if (!evaluation(s))
                leave(s);
        }
    }
    printf("{\"ended\": %.6f, \"unique\": %ld, \"copies\": %ld, \"transactions\": %ld, \"signed\": "
           "%ld, "
           "\"sealed\": %ld, \"tls\": %ld, \"connections\": %ld, \"resumed\": %ld}\n",
           ended, unique, copies, transactions, signatures, seals, over_tls, connections, resumed);
    return 0;
}
