// SPDX-License-Identifier: ISC
// The hosts of a simulated day: hundreds of SMTP servers on one poll, each up, away, rated, greylisting or slow.
#include "tests/random/day.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"

#define NOBODY UINT32_MAX

struct conn {
    struct list list;
    unsigned host;
    int fd;
    int64_t greet_ms; // greets then; 0: it has
    struct buf in;
    bool in_data;
    struct day_rcpt *rcpts[100];
    size_t nrcpts;
};

static int poller = -1;
static struct list conns;
static int64_t switch_ms; // when a host comes or goes next

int day_hosts_fd(void)
{
    return poller;
}

void day_host_address(unsigned host, char out[static 32])
{
    snprintf(out, 32, "127.77.%u.%u", 1 + host / 200, 1 + host % 200);
}

bool day_host_away(const struct day_host *h, int64_t now_ms)
{
    return now_ms >= h->from_ms && now_ms < h->to_ms;
}

static void listen_on(struct day *day, unsigned n)
{
    struct day_host *h = &day->hosts[n];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(day->port)};
    char text[32];
    int on = 1;
    day_host_address(n, text);
    inet_pton(AF_INET, text, &at.sin_addr);
    h->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(h->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int rc = bind(h->listener, (struct sockaddr *)&at, sizeof at) | listen(h->listener, 64);
    assert(rc == 0);
    socklen_t size = sizeof at;
    getsockname(h->listener, (struct sockaddr *)&at, &size);
    day->port = ntohs(at.sin_port);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = n};
    epoll_ctl(poller, EPOLL_CTL_ADD, h->listener, &event);
}

static void conn_close(struct day *day, struct conn *c)
{
    list_remove(&c->list);
    close(c->fd);
    buf_free(&c->in);
    day->hosts[c->host].open--;
    free(c);
}

static void say(struct conn *c, const char *reply)
{
    char line[256];
    int n = snprintf(line, sizeof line, "%s\r\n", reply);
    ssize_t sent = send(c->fd, line, (size_t)n, MSG_NOSIGNAL);
    (void)sent; // who has gone hears nothing
}

static void greet(struct day *day, struct conn *c)
{
    const struct day_host *h = &day->hosts[c->host];
    bool away = day_host_away(h, clock_ms());
    c->greet_ms = 0;
    if ((away && h->how == DOWN_GREETING) || (h->kind == DAY_RATED && h->open > DAY_CONNECTIONS)) {
        say(c, "421 4.3.2 not now");
        shutdown(c->fd, SHUT_WR);
    } else if (away && h->how == DOWN_CLOSES) {
        shutdown(c->fd, SHUT_WR);
    } else {
        say(c, "220 mx.test ready");
    }
}

static void take(struct day *day, unsigned n)
{
    struct day_host *h = &day->hosts[n];
    int fd;
    while ((fd = accept4(h->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = mem_new(sizeof *c);
        int on = 1; // a reply a line: each would wait for the ACK of the one before
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        list_init(&c->list);
        c->host = n;
        c->fd = fd;
        buf_init(&c->in, 1048576);
        list_append(&conns, &c->list);
        day->connections++;
        h->open++;
        h->most = h->open > h->most ? h->open : h->most;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        if (h->kind == DAY_SLOW)
            c->greet_ms = clock_ms() + DAY_SLOW_MS;
        else
            greet(day, c);
    }
}

// "RCPT TO:<u17@d3.test> …": the 17th recipient.
static struct day_rcpt *rcpt_named(struct day *day, const char *line)
{
    const char *at = strchr(line, '<');
    unsigned long n = at ? strtoul(at + 2, NULL, 10) : NOBODY;
    return n < day->nrcpts ? &day->rcpts[n] : NULL;
}

// The schedule's first step, its jitter taken off, is the soonest that anybody may ask again.
static void put_off(struct conn *c, struct day_rcpt *r, const char *reply)
{
    int64_t now = clock_ms();
    if (r->refused_ms && now - r->refused_ms < 5 * MINUTE * 9 / 10)
        r->hasty++;
    r->refused_ms = now;
    r->puts_off++;
    say(c, reply);
}

static bool is_over_rate(struct day_host *h, int64_t now)
{
    if (h->minute != now / MINUTE) {
        h->minute = now / MINUTE;
        h->passed = 0;
    }
    return h->kind == DAY_RATED && h->passed >= DAY_PER_MINUTE;
}

static void on_rcpt(struct day *day, struct conn *c, const char *line)
{
    struct day_host *h = &day->hosts[c->host];
    int64_t now = clock_ms();
    if (c->host == day->nhosts - 1) {
        say(c, "250 2.1.5 ok");
        return;
    }
    struct day_rcpt *r = rcpt_named(day, line);
    if (!r || r->host != c->host) {
        day->trouble = "a host was given somebody else's recipient";
        say(c, "550 5.1.1 who?");
        return;
    }
    if (h->kind == DAY_GREY && !r->grey_ms)
        r->grey_ms = now;
    if (day_host_away(h, now) && h->how == DOWN_RCPT)
        put_off(c, r, "451 4.3.0 try later");
    else if (r->unknown)
        say(c, "550 5.1.1 no such user");
    else if (h->kind == DAY_GREY && now < r->grey_ms + DAY_GREY_MS)
        put_off(c, r, "451 4.7.1 greylisted, come back");
    else if (is_over_rate(h, now))
        put_off(c, r, "450 4.7.28 too fast");
    else if (c->nrcpts < 100) {
        c->rcpts[c->nrcpts++] = r;
        say(c, "250 2.1.5 ok");
    }
}

// A report at the senders' host: what it says of each recipient.
static void read_report(struct day *day, struct span text)
{
    struct span line;
    struct day_rcpt *r = NULL;
    char one[512];
    while (span_cut(text, '\n', &line, &text)) {
        snprintf(one, sizeof one, "%.*s", (int)(line.n < 500 ? line.n : 500), (const char *)line.p);
        if (strncasecmp(one, "Final-Recipient: rfc822; u", 26) == 0) {
            unsigned long n = strtoul(one + 26, NULL, 10);
            r = n < day->nrcpts ? &day->rcpts[n] : NULL;
        } else if (r && strncasecmp(one, "Action: failed", 14) == 0) {
            r->failed++;
            r->failed_ms = clock_ms();
        } else if (r && strncasecmp(one, "Action: delayed", 15) == 0) {
            r->delayed++;
        } else if (r && strncasecmp(one, "Status: ", 8) == 0) {
            r->expired |= r->failed && one[8] == '4';
        }
    }
}

static void on_message(struct day *day, struct conn *c, struct span text)
{
    struct day_host *h = &day->hosts[c->host];
    if (c->host == day->nhosts - 1)
        read_report(day, text);
    for (size_t i = 0; i < c->nrcpts; i++) {
        c->rcpts[i]->accepted++;
        c->rcpts[i]->accepted_ms = clock_ms();
    }
    h->passed++;
    c->nrcpts = 0;
    say(c, "250 2.0.0 taken");
}

static bool is_verb(const char *line, const char *verb)
{
    return strncasecmp(line, verb, strlen(verb)) == 0;
}

static void on_line(struct day *day, struct conn *c, const char *line)
{
    if (is_verb(line, "EHLO")) {
        day->sessions++;
        say(c, "250-mx.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME");
    } else if (is_verb(line, "RCPT")) {
        on_rcpt(day, c, line);
    } else if (is_verb(line, "DATA")) {
        c->in_data = c->nrcpts || c->host == day->nhosts - 1;
        say(c, c->in_data ? "354 go on" : "554 5.5.1 no recipients");
    } else if (is_verb(line, "QUIT")) {
        say(c, "221 2.0.0 bye");
        shutdown(c->fd, SHUT_WR);
    } else {
        c->nrcpts = 0; // MAIL, RSET
        say(c, "250 2.0.0 ok");
    }
}

// What has come, as far as it is whole.
static void digest(struct day *day, struct conn *c)
{
    struct span rest = buf_span(&c->in), line;
    char one[1024];
    for (;;) {
        if (c->in_data) {
            const unsigned char *end = memmem(rest.p, rest.n, "\r\n.\r\n", 5);
            if (!end)
                break;
            size_t n = (size_t)(end - rest.p);
            c->in_data = false;
            on_message(day, c, span_slice(rest, 0, n));
            rest = span_from(rest, n + 5);
        } else if (span_cut(rest, '\n', &line, &rest)) {
            snprintf(one, sizeof one, "%.*s", (int)(line.n < 1000 ? line.n : 1000),
                     (const char *)line.p);
            on_line(day, c, one);
        } else {
            break;
        }
    }
    buf_drop(&c->in, c->in.len - rest.n);
}

static void hear(struct day *day, struct conn *c)
{
    unsigned char *room;
    for (;;) {
        int rc = buf_reserve(&c->in, 65536, &room);
        ssize_t n = rc < 0 ? 0 : recv(c->fd, room, 65536, 0);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            conn_close(day, c);
            return;
        }
        c->in.len += (size_t)n;
    }
    if (!c->greet_ms) // a slow host reads nothing before it has greeted
        digest(day, c);
}

static int64_t next_switch(const struct day *day, int64_t now_ms)
{
    int64_t due = INT64_MAX;
    for (unsigned i = 0; i < day->nhosts; i++) {
        const struct day_host *h = &day->hosts[i];
        int64_t next = h->from_ms > now_ms ? h->from_ms : h->to_ms > now_ms ? h->to_ms : INT64_MAX;
        due = next < due ? next : due;
    }
    return due;
}

// A host that refuses connections while it is away has no listener then.
static bool open_and_close(struct day *day)
{
    int64_t now = clock_ms();
    bool any = false;
    if (now < switch_ms)
        return false;
    switch_ms = next_switch(day, now);
    for (unsigned i = 0; i < day->nhosts; i++) {
        struct day_host *h = &day->hosts[i];
        bool closed = h->how == DOWN_REFUSED && day_host_away(h, now);
        if (closed && h->listener >= 0) {
            close(h->listener);
            h->listener = -1;
            any = true;
        } else if (!closed && h->listener < 0) {
            listen_on(day, i);
            any = true;
        }
    }
    return any;
}

bool day_hosts_turn(struct day *day)
{
    struct epoll_event events[64];
    bool any = open_and_close(day);
    int n = epoll_wait(poller, events, 64, 0);
    // Who hangs up is heard before anybody else comes.
    for (int i = 0; i < n; i++)
        if (events[i].data.u64 >= day->nhosts)
            hear(day, events[i].data.ptr);
    for (int i = 0; i < n; i++)
        if (events[i].data.u64 < day->nhosts)
            take(day, (unsigned)events[i].data.u64);
    int64_t now = clock_ms();
    list_each (it, &conns) {
        struct conn *c = list_of(it, struct conn, list);
        if (c->greet_ms && c->greet_ms <= now) {
            greet(day, c);
            any = true;
        }
    }
    return any || n > 0;
}

int64_t day_hosts_due(void)
{
    int64_t due = switch_ms;
    list_each (it, &conns) {
        const struct conn *c = list_of(it, struct conn, list);
        if (c->greet_ms && c->greet_ms < due)
            due = c->greet_ms;
    }
    return due;
}

unsigned day_hosts_asleep(void)
{
    unsigned n = 0;
    list_each (it, &conns)
        n += list_of(it, struct conn, list)->greet_ms > 0;
    return n;
}

void day_hosts_open(struct day *day)
{
    list_init(&conns);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < day->nhosts; i++)
        listen_on(day, i); // the first one chooses the port
}

void day_hosts_close(struct day *day)
{
    while (!list_empty(&conns))
        conn_close(day, list_of(conns.next, struct conn, list));
    for (unsigned i = 0; i < day->nhosts; i++)
        if (day->hosts[i].listener >= 0)
            close(day->hosts[i].listener);
    close(poller);
}
