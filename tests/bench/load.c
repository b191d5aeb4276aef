// SPDX-License-Identifier: ISC
// The load generator: many connections over STARTTLS, each logs in and then sends message after message, MAIL,
// RCPT and DATA pipelined. One thread, one epoll. Prints one line of JSON: when the first message began and the
// last was accepted (seconds of the real-time clock), and how long an accepted one waited from its last byte to 250.
//
// usage: load ADDRESS PORT USER PASSWORD [NAME=VALUE...]: see `options` for the names.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "tests/bench/wire.h"

enum step { GREETING, HELLO, STARTTLS, SECURE_HELLO, LOGIN, IDLE, MAIL, RCPT, DATA, DOT };

struct session {
    struct wire wire;
    enum step step;
    long sent;    // messages on this connection
    long pending; // recipients not yet answered
    double ended; // when the last byte of the message was given to the socket
};

static struct option {
    const char *name;
    long value;
} options[] = {
    {"connections", 40}, {"messages", 1000}, {"size", 4096},
    {"recipients", 1},   {"sites", 1}, // message N goes to d(N mod sites).bench, or from..to: each once
    {"each", 0},                       // messages a connection, then a new one; 0: all on one
    {"resume", 0},                     // new connections resume the TLS session of the one before
    {"spread", 0},                     // each recipient of a message is at another site
    {"rate", 0},                       // messages a second, evenly; 0: as fast as they are taken
};
enum { CONNECTIONS, MESSAGES, SIZE, RECIPIENTS, SITES, EACH, RESUME, SPREAD, RATE };

static gnutls_certificate_credentials_t credentials;
static char login[1024], *text;
static const char *sender = "load@example.org", *domain = "d"; // of the sites: d0.bench and on
static const char *address, *port, *file;
static size_t text_n;
static long begun, accepted;
static long logged_in;
static double began, *waits;
static int poll_fd;
static gnutls_datum_t ticket;

static long value(int option)
{
    return options[option].value;
}

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

// A body of SIZE bytes in lines of 72, and the dot behind it.
static void make_text(void)
{
    text = malloc((size_t)value(SIZE) * 2 + 512);
    if (!text)
        wire_die("memory");
    for (long left = value(SIZE); left > 0; left -= 74)
        text_n += (size_t)sprintf(
            text + text_n, "%.72s\r\n",
            "The quick brown fox jumps over the lazy dog, and then again, and once more.");
    text_n += (size_t)sprintf(text + text_n, ".\r\n");
}

// A whole message with CRLF line ends, sent as it is behind a field of our own; no line begins with a dot.
static void read_text(void)
{
    FILE *f = fopen(file, "rb");
    text = malloc(16 << 20);
    if (!f || !text || !(text_n = fread(text, 1, (16 << 20) - 8, f)))
        wire_die(file);
    fclose(f);
    text_n += (size_t)sprintf(text + text_n, ".\r\n");
}

static void begin(struct session *s)
{
    char line[256];
    if (begun >= value(MESSAGES)) {
        s->step = IDLE;
        return;
    }
    snprintf(line, sizeof line, "MAIL FROM:<%s>\r\n", sender);
    wire_puts(&s->wire, line);
    for (long i = 0; i < value(RECIPIENTS); i++) {
        snprintf(line, sizeof line, "RCPT TO:<r%ld@%s%ld.bench>\r\n", i, domain,
                 (value(SPREAD) ? begun * value(RECIPIENTS) + i : begun) % value(SITES));
        wire_puts(&s->wire, line);
    }
    wire_puts(&s->wire, "DATA\r\n");
    begun++;
    s->sent++;
    s->pending = value(RECIPIENTS);
    s->step = MAIL;
}

static void send_message(struct session *s)
{
    static long number;
    char head[512];
    snprintf(head, sizeof head, "X-Number: %ld\r\n", number);
    wire_puts(&s->wire, head);
    if (!file) {
        snprintf(head, sizeof head,
                 "From: Load <load@example.org>\r\nTo: sink@d0.bench\r\nSubject: message %ld\r\n"
                 "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%ld.%.6f@example.org>\r\n"
                 "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
                 number, number, wire_now());
        wire_puts(&s->wire, head);
    }
    number++;
    wire_put(&s->wire, text, text_n);
    s->ended = wire_now();
}

static void refused(const char *line, size_t n)
{
    fprintf(stderr, "load: refused: %.*s", (int)n, line);
    exit(1);
}

static void watch(struct session *s, int how)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s};
    epoll_ctl(poll_fd, how, s->wire.fd, &e);
}

static void start(struct session *s)
{
    wire_init(&s->wire, wire_connect(address, port));
    s->step = GREETING;
    s->sent = 0;
    watch(s, EPOLL_CTL_ADD);
}

static void start_again(struct session *s)
{
    wire_puts(&s->wire, "QUIT\r\n");
    wire_turn(&s->wire);
    if (value(RESUME) && !ticket.size && gnutls_session_get_data2(s->wire.tls, &ticket) < 0)
        wire_die("no ticket");
    wire_close(&s->wire);
    start(s);
}

static void taken(struct session *s)
{
    waits[accepted++] = wire_now() - s->ended;
    if (value(EACH) && s->sent >= value(EACH) && begun < value(MESSAGES))
        start_again(s);
    else if (value(RATE))
        s->step = IDLE;
    else
        begin(s);
}

static void secure(struct session *s)
{
    wire_start_tls(&s->wire, GNUTLS_CLIENT, credentials);
    if (ticket.size)
        gnutls_session_set_data(s->wire.tls, ticket.data, ticket.size);
}

static const char want[] = {
    [GREETING] = '2', [HELLO] = '2', [STARTTLS] = '2', [SECURE_HELLO] = '2', [LOGIN] = '2',
    [IDLE] = 0,       [MAIL] = '2',  [RCPT] = '2',     [DATA] = '3',         [DOT] = '2'};

// The last line of a reply came in: what follows.
static void advance(struct session *s, const char *line, size_t n)
{
    if (line[0] != want[s->step])
        refused(line, n);
    switch (s->step) {
    case GREETING:
    case STARTTLS:
        if (s->step == STARTTLS)
            secure(s);
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
        if (began > 0 && !value(RATE)) {
            begin(s);
            return;
        }
        break;
    case RCPT:
        if (--s->pending > 0)
            return;
        break;
    case DATA:
        send_message(s);
        break;
    case DOT:
        taken(s);
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
            int fd = s->wire.fd;
            char more = line[3];
            if (more != '-')
                advance(s, line, n);
            moved = true;
            if (fd != s->wire.fd || s->wire.in_len < n) // a new connection
                break;
            wire_take(&s->wire, n);
        }
        if (rc != 0) {
            fprintf(stderr, "load: a connection ended in step %d\n", (int)s->step);
            exit(1);
        }
        if (!moved)
            return;
    }
}

// As many as are due by now begin, on connections that wait; all of them where there is no rate.
static void begin_due(struct session *sessions)
{
    double due = value(RATE) ? (wire_now() - began) * (double)value(RATE) : 1e18;
    for (long i = 0; i < value(CONNECTIONS) && (double)begun < due; i++)
        if (sessions[i].step == IDLE) {
            begin(&sessions[i]);
            evaluation(&sessions[i]);
        }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(void)
{
    qsort(waits, (size_t)accepted, sizeof *waits, by_size);
    printf("{\"began\": %.6f, \"ended\": %.6f, \"accepted\": %ld, \"p50\": %.3f, \"p99\": %.3f}\n",
           began, wire_now(), accepted, waits[accepted / 2] * 1e3,
           waits[accepted * 99 / 100] * 1e3);
}

static bool is_option(const char *word, const char *name, const char **text_of)
{
    size_t n = strlen(name);
    bool found = strncmp(word, name, n) == 0 && word[n] == '=';
    if (found)
        *text_of = word + n + 1;
    return found;
}

static void read_option(const char *word)
{
    const char *number;
    if (is_option(word, "file", &file) || is_option(word, "sender", &sender) ||
        is_option(word, "domain", &domain))
        return;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (is_option(word, options[i].name, &number)) {
            options[i].value = atol(number);
            return;
        }
    fprintf(stderr, "load: what is %s?\n", word);
    exit(64);
}

static void prepare(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: load ADDRESS PORT USER PASSWORD [NAME=VALUE...]\n");
        exit(64);
    }
    for (int i = 5; i < argc; i++)
        read_option(argv[i]);
    address = argv[1];
    port = argv[2];
    make_login(argv[3], argv[4]);
    if (file)
        read_text();
    else
        make_text();
    waits = calloc((size_t)value(MESSAGES) + 1, sizeof *waits);
    poll_fd = epoll_create1(0);
    gnutls_certificate_allocate_credentials(&credentials);
}

int main(int argc, char **argv)
{
    prepare(argc, argv);
    struct session *sessions = calloc((size_t)value(CONNECTIONS), sizeof *sessions);
    if (!sessions || !waits || poll_fd < 0)
        wire_die("set-up");
    for (long i = 0; i < value(CONNECTIONS); i++)
        start(&sessions[i]);
    while (accepted < value(MESSAGES)) {
        struct epoll_event ready[64];
        bool paced = value(RATE) && began > 0;
        int n = epoll_wait(poll_fd, ready, 64, paced ? 1 : 120000);
        if (n < 0 || (n == 0 && !paced)) {
            fprintf(stderr, "load: nothing for two minutes; %ld of %ld accepted\n", accepted,
                    value(MESSAGES));
            return 1;
        }
        for (int i = 0; i < n; i++)
            evaluation(ready[i].data.ptr);
        if (began > 0 && value(RATE)) {
            begin_due(sessions);
        } else if (began == 0 && logged_in == value(CONNECTIONS)) {
            began = wire_now();
            begin_due(sessions);
        }
    }
    tell();
    return 0;
}
