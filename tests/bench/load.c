// SPDX-License-Identifier: ISC
// The load generator: many connections over STARTTLS, each logs in once and then sends message after
// message, MAIL, RCPT and DATA pipelined. One thread, one epoll; prints when the first message began and
// when the last was accepted (seconds of the real-time clock).
//
// usage: load ADDRESS PORT USER PASSWORD CONNECTIONS MESSAGES SIZE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "tests/bench/wire.h"

enum step { GREETING, HELLO, STARTTLS, SECURE_HELLO, LOGIN, IDLE, MAIL, RCPT, DATA, DOT };

struct session {
    struct wire wire;
    enum step step;
};

static gnutls_certificate_credentials_t credentials;
static char login[1024], *text;
static long messages, begun, accepted, size;
static int logged_in, wanted;
static double began;

// "AUTH PLAIN" with NUL user NUL password in base64 (RFC 4954).
static void make_login(const char *user, const char *password)
{
    char plain[256];
    gnutls_datum_t in = {.data = (unsigned char *)plain}, out;
    in.size = (unsigned)snprintf(plain, sizeof plain, "%c%s%c%s", 0, user, 0, password);
    if (gnutls_base64_encode2(&in, &out) != 0)
        wire_die("base64");
    snprintf(login, sizeof login, "AUTH PLAIN %.*s\r\n", (int)out.size, (char *)out.data);
    gnutls_free(out.data);
}

// A body of `size` bytes in lines of 72, and the dot behind it.
static void make_text(void)
{
    text = malloc((size_t)size * 2 + 512);
    if (!text)
        wire_die("memory");
    size_t at = 0;
    for (long left = size; left > 0; left -= 74)
        at += (size_t)sprintf(
            text + at, "%.72s\r\n",
            "The quick brown fox jumps over the lazy dog, and then again, and once more.");
    strcpy(text + at, ".\r\n");
}

static void begin(struct session *s)
{
    if (begun >= messages) {
        s->step = IDLE;
        return;
    }
    begun++;
    wire_puts(&s->wire, "MAIL FROM:<load@example.org>\r\nRCPT TO:<sink@sink.test>\r\nDATA\r\n");
    s->step = MAIL;
}

static void send_message(struct session *s)
{
    char head[512];
    snprintf(head, sizeof head,
             "From: Load <load@example.org>\r\nTo: sink@sink.test\r\nSubject: message %ld\r\n"
             "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%ld.%.6f@example.org>\r\n"
             "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
             begun, begun, wire_now());
    wire_puts(&s->wire, head);
    wire_puts(&s->wire, text);
}

static void refused(const char *line, size_t n)
{
    fprintf(stderr, "load: refused: %.*s", (int)n, line);
    exit(1);
}

// The last line of a reply came in: what follows.
static void advance(struct session *s, const char *line, size_t n)
{
    static const char want[] = {
        [GREETING] = '2', [HELLO] = '2', [STARTTLS] = '2', [SECURE_HELLO] = '2', [LOGIN] = '2',
        [IDLE] = 0,       [MAIL] = '2',  [RCPT] = '2',     [DATA] = '3',         [DOT] = '2'};
    if (line[0] != want[s->step])
        refused(line, n);
    switch (s->step) {
    case GREETING:
    case STARTTLS:
        if (s->step == STARTTLS)
            wire_start_tls(&s->wire, GNUTLS_CLIENT, credentials);
        wire_puts(&s->wire, "EHLO load.example.org\r\n");
        break;
    case HELLO:
        wire_puts(&s->wire, "STARTTLS\r\n");
        break;
    case SECURE_HELLO:
        wire_puts(&s->wire, login);
        break;
    case LOGIN:
        logged_in++;
        break;
    case DATA:
        send_message(s);
        break;
    case DOT:
        accepted++;
        begin(s);
        return;
    default:
        break;
    }
    s->step++;
}

static void evaluation(struct session *s)
{
    for (;;) {
        int rc = wire_turn(&s->wire);
        size_t n;
        const char *line;
        bool moved = false;
        while (!s->wire.shaking && (line = wire_line(&s->wire, &n))) {
            if (n < 4)
                refused(line, n);
            if (line[3] != '-')
                advance(s, line, n);
            wire_take(&s->wire, n);
            moved = true;
        }
        if (rc != 0) {
            fprintf(stderr, "load: a connection ended in step %d\n", (int)s->step);
            exit(1);
        }
        if (!moved)
            return;
    }
}

static void start_all(struct session *sessions)
{
    began = wire_now();
    for (int i = 0; i < wanted; i++) {
        begin(&sessions[i]);
        evaluation(&sessions[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: load ADDRESS PORT USER PASSWORD CONNECTIONS MESSAGES SIZE\n");
        return 64;
    }
    wanted = atoi(argv[5]);
    messages = atol(argv[6]);
    size = atol(argv[7]);
    make_login(argv[3], argv[4]);
    make_text();
    gnutls_certificate_allocate_credentials(&credentials);
    struct session *sessions = calloc((size_t)wanted, sizeof *sessions);
    int poll = epoll_create1(0);
    if (!sessions || poll < 0)
        wire_die("set-up");
    for (int i = 0; i < wanted; i++) {
        wire_init(&sessions[i].wire, wire_connect(argv[1], argv[2]));
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &sessions[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, sessions[i].wire.fd, &e);
    }
    while (accepted < messages) {
        struct epoll_event ready[64];
        int n = epoll_wait(poll, ready, 64, 120000);
        if (n <= 0) {
            fprintf(stderr, "load: nothing for two minutes; %ld of %ld accepted\n", accepted,
                    messages);
            return 1;
        }
        for (int i = 0; i < n; i++)
            evaluation(ready[i].data.ptr);
        if (began == 0 && logged_in == wanted)
            start_all(sessions);
    }
    printf("%.6f %.6f\n", began, wire_now());
    return 0;
}
