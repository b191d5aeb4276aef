// SPDX-License-Identifier: ISC
// The connection to Dovecot's auth service and the calls on it. What its lines mean is dovecot_text.c's.
#include "relay/login/dovecot.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/sasl/base64.h"

#define GREETING_LINES 1000
#define TICK_MS        250
#define TELL_MS        300000 // between two alarms about one socket

enum link_state { LINK_NONE, LINK_CONNECTING, LINK_GREETING, LINK_READY };

// Outlives the connection until its handle is closed.
struct link {
    uv_pipe_t pipe; // first
    uv_connect_t connect;
    struct dovecot *dovecot; // NULL: dropped
    struct buf in;
    unsigned lines; // of the greeting
};

struct sent {
    uv_write_t request; // first
    struct link *link;  // NULL: none took it
    struct buf bytes;
};

enum call_state {
    CALL_WAITS, // to be asked
    CALL_ASKED,
    CALL_OPEN,  // the client has to say something
    CALL_SAID,  // it did, and Dovecot is asked again
    CALL_BROKEN // nothing comes of it, which the client hears when it has spoken; on no list
};

struct dovecot_call {
    struct list list; // of dovecot->calls, oldest first
    struct dovecot *dovecot;
    struct limits *limits;
    enum call_state state;
    uint32_t id;
    bool again;           // it was asked on a connection that broke
    uint64_t deadline_ms; // for Dovecot's next word; monotonic
    enum sasl_mechanism mechanism;
    char *client, *local, *message;
    size_t nmessage;
    dovecot_fn *fn;
    void *arg;
};

struct dovecot {
    uv_timer_t timer; // first
    uv_loop_t *loop;
    struct limits *limits;
    char *path;
    uint64_t timeout_ms;
    enum link_state state;
    struct link *link;
    uint64_t since_ms; // of `state`
    uint32_t last_id;
    bool offers[SASL_MECHANISMS], greeted[SASL_MECHANISMS]; // greeted: in the greeting under way
    struct list calls;
    bool closing;
};

static void dovecot_send(struct dovecot *d, struct buf *bytes);

// ---- calls

static void call_free(struct dovecot_call *call)
{
    limits_asked(call->limits);
    list_remove(&call->list);
    free(call->client);
    free(call->local);
    explicit_bzero(call->message, call->nmessage);
    free(call->message);
    free(call);
}

static void call_end(struct dovecot_call *call, const struct dovecot_said *said)
{
    dovecot_fn *fn = call->fn;
    void *arg = call->arg;
    call_free(call);
    fn(said, arg);
}

static void call_later(struct dovecot_call *call, const char *reason)
{
    call_end(call, &(struct dovecot_said){.answer = DOVECOT_LATER, .reason = reason});
}

// While the client has to speak it cannot be told anything.
static void call_break(struct dovecot_call *call, const char *reason)
{
    if (call->state != CALL_OPEN) {
        call_later(call, reason);
        return;
    }
    list_remove(&call->list);
    call->state = CALL_BROKEN;
    call->dovecot = NULL;
}

static void call_ask(struct dovecot_call *call)
{
    struct dovecot *d = call->dovecot;
    struct buf line;
    buf_init(&line, DOVECOT_LINE);
    call->id = ++d->last_id ? d->last_id : ++d->last_id;
    call->state = CALL_ASKED;
    call->deadline_ms = clock_mono_ms() + d->timeout_ms;
    const struct dovecot_request request = {call->mechanism, call->client, call->local,
                                            span_of(call->message, call->nmessage)};
    dovecot_write_auth(call->id, &request, &line);
    dovecot_send(d, &line);
}

static struct dovecot_call *call_of(struct dovecot *d, uint32_t id)
{
    list_each (it, &d->calls) {
        struct dovecot_call *call = list_of(it, struct dovecot_call, list);
        if (call->id == id && call->state != CALL_WAITS)
            return call;
    }
    return NULL;
}

// ---- the connection

static void dovecot_link_closed(uv_handle_t *handle)
{
    struct link *link = (struct link *)(void *)handle;
    buf_free(&link->in);
    free(link);
}

static void drop_link(struct dovecot *d)
{
    if (!d->link)
        return;
    d->link->dovecot = NULL;
    uv_close((uv_handle_t *)&d->link->pipe, dovecot_link_closed);
    d->link = NULL;
}

static void enter(struct dovecot *d, enum link_state state)
{
    d->state = state;
    d->since_ms = clock_mono_ms();
}

// What was asked goes back to wait, once, where it can be asked again.
static void dovecot_lost(struct dovecot *d, const char *reason)
{
    drop_link(d);
    enter(d, LINK_NONE);
    if (!d->closing)
        log_alarm_once("login-backend", REASON_LOGIN_BACKEND, d->path, TELL_MS, "Dovecot at %s: %s",
                       d->path, reason);
    list_each_safe (it, &d->calls) {
        struct dovecot_call *call = list_of(it, struct dovecot_call, list);
        if (call->state == CALL_WAITS)
            continue;
        if (call->state == CALL_ASKED && !call->again) {
            call->again = true;
            call->state = CALL_WAITS;
            call->deadline_ms = clock_mono_ms() + DOVECOT_CONNECT_MS;
        } else {
            call_break(call, reason);
        }
    }
}

static void dovecot_sent(uv_write_t *request, int status)
{
    struct sent *sent = (struct sent *)(void *)request;
    struct dovecot *d = sent->link ? sent->link->dovecot : NULL;
    explicit_bzero(sent->bytes.data, sent->bytes.cap);
    buf_free(&sent->bytes);
    free(sent);
    // Half a line may have gone out: nothing that is read from now on answers it.
    if (d && status < 0)
        dovecot_lost(d, uv_strerror(status));
}

// Takes the bytes over.
static void dovecot_send(struct dovecot *d, struct buf *bytes)
{
    struct sent *sent = mem_new(sizeof *sent);
    sent->bytes = *bytes;
    *bytes = (struct buf){.max = sent->bytes.max};
    uv_buf_t part = uv_buf_init((char *)sent->bytes.data, (unsigned)sent->bytes.len);
    sent->link = sent->bytes.full ? NULL : d->link;
    if (!sent->link ||
        uv_write(&sent->request, (uv_stream_t *)&d->link->pipe, &part, 1, dovecot_sent) < 0) {
        sent->link = NULL;
        dovecot_sent(&sent->request, UV_ECANCELED);
    }
}

static int take_greeting(struct dovecot *d, const struct dovecot_line *line)
{
    if (++d->link->lines > GREETING_LINES ||
        (line->word == DOVECOT_VERSION && line->number != DOVECOT_MAJOR))
        return -1;
    if (line->word == DOVECOT_MECH && line->mechanism != SASL_MECHANISMS)
        d->greeted[line->mechanism] = true;
    if (line->word != DOVECOT_DONE)
        return 0;
    memcpy(d->offers, d->greeted, sizeof d->offers);
    enter(d, LINK_READY);
    list_each_safe (it, &d->calls) {
        struct dovecot_call *call = list_of(it, struct dovecot_call, list);
        if (call->state == CALL_WAITS)
            call_ask(call);
    }
    return 0;
}

static int take_more(struct dovecot_call *call, const struct dovecot_line *line)
{
    struct buf message;
    buf_init(&message, SASL_MESSAGE);
    int rc = sasl_base64(line->message, &message);
    if (rc == 0) {
        call->state = CALL_OPEN;
        call->fn(&(struct dovecot_said){.answer = DOVECOT_MORE, .message = buf_span(&message)},
                 call->arg);
    }
    buf_free(&message);
    return rc;
}

// An answer to what nobody asks any more is passed over: it was cancelled.
static int take_answer(struct dovecot *d, const struct dovecot_line *line)
{
    struct dovecot_call *call = line->word >= DOVECOT_OK ? call_of(d, line->number) : NULL;
    if (!call)
        return 0;
    if (call->state == CALL_OPEN && line->word != DOVECOT_FAIL)
        return -1;
    if (line->word == DOVECOT_CONT)
        return take_more(call, line);
    if (call->state == CALL_OPEN) { // it waited for the client long enough
        call_break(call, NULL);
        return 0;
    }
    struct dovecot_said said = {.reason = line->reason[0] ? line->reason : NULL};
    said.answer = line->word == DOVECOT_OK ? DOVECOT_PROVED
                  : line->later            ? DOVECOT_LATER
                                           : DOVECOT_WRONG;
    said.user = line->word == DOVECOT_OK && line->user[0] ? line->user : NULL;
    call_end(call, &said);
    return 0;
}

// The callbacks inside may close it all: then the link is no longer ours.
static int take_lines(struct link *link)
{
    struct span head, rest = buf_span(&link->in);
    struct dovecot_line line;
    while (link->dovecot && span_cut(rest, '\n', &head, &rest)) {
        struct dovecot *d = link->dovecot;
        if (dovecot_parse(head, &line) < 0 ||
            (d->state == LINK_READY ? take_answer(d, &line) : take_greeting(d, &line)) < 0)
            return -1;
    }
    buf_drop(&link->in, link->in.len - rest.n);
    return link->in.len > DOVECOT_LINE ? -1 : 0;
}

static void dovecot_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct link *link = (struct link *)(void *)handle;
    unsigned char *room;
    if (buf_reserve(&link->in, DOVECOT_LINE, &room) < 0)
        *out = uv_buf_init(NULL, 0);
    else
        *out = uv_buf_init((char *)room, DOVECOT_LINE);
}

static void dovecot_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct link *link = (struct link *)(void *)stream;
    struct dovecot *d = link->dovecot;
    if (!d || n == 0)
        return;
    if (n < 0) {
        dovecot_lost(d, "the connection ended");
        return;
    }
    link->in.len += (size_t)n;
    if (take_lines(link) < 0 && link->dovecot)
        dovecot_lost(d, "it said what the protocol does not have");
}

static void dovecot_connected(uv_connect_t *request, int status)
{
    struct link *link = request->data;
    struct dovecot *d = link->dovecot;
    if (!d)
        return;
    struct buf hello;
    buf_init(&hello, 256);
    if (status < 0 ||
        uv_read_start((uv_stream_t *)&link->pipe, dovecot_room, dovecot_on_read) < 0) {
        dovecot_lost(d, status < 0 ? uv_strerror(status) : "it cannot be read");
        return;
    }
    enter(d, LINK_GREETING);
    memset(d->greeted, 0, sizeof d->greeted);
    // A number that no other connection to the service has: workers and relays alike.
    dovecot_write_hello((uint32_t)random_below(INT32_MAX) + 1, &hello);
    dovecot_send(d, &hello);
}

static void connect_now(struct dovecot *d)
{
    struct link *link = mem_new(sizeof *link);
    buf_init(&link->in, 3 * DOVECOT_LINE);
    uv_pipe_init(d->loop, &link->pipe, 0);
    link->connect.data = link;
    link->dovecot = d;
    d->link = link;
    enter(d, LINK_CONNECTING);
    uv_pipe_connect(&link->connect, &link->pipe, d->path, dovecot_connected);
}

// ---- time

static void end_overdue(struct dovecot *d, uint64_t now)
{
    list_each_safe (it, &d->calls) {
        struct dovecot_call *call = list_of(it, struct dovecot_call, list);
        if (call->state == CALL_OPEN || call->deadline_ms > now)
            continue;
        bool asked = call->state != CALL_WAITS;
        if (asked && d->state == LINK_READY) {
            struct buf line;
            buf_init(&line, 64);
            dovecot_write_cancel(call->id, &line);
            dovecot_send(d, &line);
        }
        call_later(call, asked ? "Dovecot did not answer in time" : "Dovecot cannot be reached");
    }
}

static void dovecot_tick(uv_timer_t *timer)
{
    struct dovecot *d = (struct dovecot *)(void *)timer;
    uint64_t now = clock_mono_ms();
    bool opening = d->state == LINK_CONNECTING || d->state == LINK_GREETING;
    if (opening && now - d->since_ms > DOVECOT_CONNECT_MS)
        dovecot_lost(d, "no greeting came");
    if (d->state == LINK_NONE && now - d->since_ms >= DOVECOT_RETRY_MS)
        connect_now(d);
    end_overdue(d, now);
}

// ---- from outside

struct dovecot *dovecot_open(uv_loop_t *loop, struct limits *limits, const char *path,
                             uint64_t timeout_ms)
{
    struct dovecot *d = mem_new(sizeof *d);
    d->limits = limits;
    d->loop = loop;
    d->path = mem_dup(path);
    d->timeout_ms = timeout_ms;
    d->offers[SASL_PLAIN] = true;
    list_init(&d->calls);
    uv_timer_init(loop, &d->timer);
    uv_timer_start(&d->timer, dovecot_tick, TICK_MS, TICK_MS);
    connect_now(d);
    return d;
}

static void dovecot_timer_closed(uv_handle_t *handle)
{
    struct dovecot *d = (struct dovecot *)(void *)handle;
    free(d->path);
    free(d);
}

void dovecot_close(struct dovecot *d)
{
    if (!d)
        return;
    d->closing = true;
    drop_link(d);
    list_each_safe (it, &d->calls)
        call_break(list_of(it, struct dovecot_call, list),
                   "the relay asks another one from now on");
    uv_close((uv_handle_t *)&d->timer, dovecot_timer_closed);
}

const char *dovecot_path(const struct dovecot *d)
{
    return d->path;
}

bool dovecot_offers(const struct dovecot *d, enum sasl_mechanism mechanism)
{
    return d->offers[mechanism];
}

struct dovecot_call *dovecot_begin(struct dovecot *d, const struct dovecot_request *r,
                                   dovecot_fn *fn, void *arg)
{
    if (!limits_ask(d->limits))
        return NULL;
    struct dovecot_call *call = mem_new(sizeof *call);
    list_init(&call->list);
    call->dovecot = d;
    call->limits = d->limits;
    call->mechanism = r->mechanism;
    call->client = mem_dup(r->client);
    call->local = mem_dup(r->local);
    call->message = mem_new(r->message.n + 1);
    memcpy(call->message, r->message.p, r->message.n);
    call->nmessage = r->message.n;
    call->fn = fn;
    call->arg = arg;
    call->deadline_ms = clock_mono_ms() + DOVECOT_CONNECT_MS;
    list_append(&d->calls, &call->list);
    if (d->state == LINK_READY)
        call_ask(call);
    return call;
}

bool dovecot_go_on(struct dovecot_call *call, struct span message)
{
    struct buf line;
    if (call->state == CALL_BROKEN) {
        call_free(call);
        return false;
    }
    buf_init(&line, DOVECOT_LINE);
    dovecot_write_cont(call->id, message, &line);
    call->state = CALL_SAID;
    call->deadline_ms = clock_mono_ms() + call->dovecot->timeout_ms;
    dovecot_send(call->dovecot, &line);
    return true;
}

void dovecot_cancel(struct dovecot_call *call)
{
    if (!call)
        return;
    struct buf line;
    buf_init(&line, 64);
    if (call->state != CALL_WAITS && call->dovecot && call->dovecot->state == LINK_READY) {
        dovecot_write_cancel(call->id, &line);
        dovecot_send(call->dovecot, &line);
    }
    call_free(call);
}
