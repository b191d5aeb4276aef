// SPDX-License-Identifier: ISC
// What a session tells the trace of its message: one record for each connection that it used, with the time and the
// reply of each step. The steps before MAIL belong to the connection, and are told once for all messages that it
// carries. Does nothing where no traces are kept. Never a word of what we say: passwords and content are ours.
#include "relay/deliver/notes_inside.h"

#include <string.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/deliver/seen.h"

#define TRACE_STEPS 65536 // bytes of the steps of one attempt
#define TRACE_HEARD (MAX_REPLY + MAX_REPLY_LINES * 4 + 16)

static struct trace *deliver_trace_of(const struct deliver *d)
{
    return d->order.worker->relay->trace;
}

static bool wanted(const struct deliver *d)
{
    return d->link.c && trace_on(deliver_trace_of(d));
}

static const char *step_word(enum deliver_state state)
{
    static const char *const words[] = {
        [DELIVER_CONNECT] = "connect", [DELIVER_GREETING] = "greeting", [DELIVER_EHLO] = "ehlo",
        [DELIVER_HELO] = "helo",       [DELIVER_STARTTLS] = "starttls", [DELIVER_SECURE] = "tls",
        [DELIVER_AUTH] = "auth",       [DELIVER_MAIL] = "mail",         [DELIVER_EARLY] = "mail",
        [DELIVER_RCPT] = "rcpt",       [DELIVER_DATA] = "data",         [DELIVER_PREFIX] = "bdat",
        [DELIVER_PROBE] = "noop",      [DELIVER_BODY] = "sent",         [DELIVER_FINAL] = "message",
        [DELIVER_CONFIRM] = "rset",    [DELIVER_RSET] = "rset",         [DELIVER_CLEAR] = "rset",
        [DELIVER_SAID] = "mail",
    };
    const char *word = (size_t)state < sizeof words / sizeof *words ? words[state] : NULL;
    return word ? word : "session";
}

// The first thing that is told of a connection in this session begins the attempt.
static void begin_attempt(struct deliver *d)
{
    struct deliver_trace *t = &d->trace;
    if (t->open)
        return;
    unsigned char *room;
    buf_init(&t->steps, TRACE_STEPS);
    buf_reserve(&t->steps, TRACE_USUAL, &room);
    buf_init(&t->why, TRACE_STEPS);
    t->open = true;
    t->at_ms = clock_ms();
    t->began_ms = clock_mono_ms();
    if (!d->link.c->seen)
        d->link.c->seen = seen_new();
}

// Where a step of this state is written, and how old that is.
static struct buf *steps_of(struct deliver *d, enum deliver_state state, uint64_t *ms)
{
    struct seen *seen = d->link.c->seen;
    bool early = state < DELIVER_MAIL && !seen->piece;
    *ms = clock_mono_ms() - (early ? d->link.c->opened_ms : d->trace.began_ms);
    return early ? &seen->steps : &d->trace.steps;
}

// [WORD,MS,REPLY]; one that does not fit is left out whole.
static void step(struct deliver *d, enum deliver_state state, const char *reply)
{
    uint64_t ms;
    begin_attempt(d);
    struct buf *out = steps_of(d, state, &ms);
    size_t before = out->len;
    text_open(out, NULL, '[');
    text_string(out, NULL, step_word(state));
    text_number(out, NULL, (int64_t)ms);
    if (reply && out == &d->trace.steps)
        trace_reply(out, NULL, span_text(reply), &d->trace.replies);
    else
        text_string(out, NULL, reply);
    text_close(out, ']');
    if (out->full) {
        buf_cut(out, before);
        out->full = false;
    }
}

void deliver_trace_moved(struct deliver *d, enum deliver_state to)
{
    enum deliver_state from = d->state;
    bool connected = from == DELIVER_CONNECT && to > DELIVER_CONNECT && to <= DELIVER_SECURE;
    bool secured = from == DELIVER_SECURE && (to == DELIVER_EHLO || to == DELIVER_GREETING);
    bool sent = to == DELIVER_FINAL && from != DELIVER_FINAL;
    if (!wanted(d))
        return;
    if (to == DELIVER_CONNECT)
        begin_attempt(d);
    else if (connected || secured)
        step(d, from, NULL);
    else if (sent)
        step(d, DELIVER_BODY, NULL);
}

static void add_code(struct buf *out, int code, char behind)
{
    char text[4] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
                    (char)('0' + code % 10), behind};
    buf_add(out, text, behind ? 4 : 3);
}

// All lines of the reply, as it was written. What answers a login may be the other side of a secret.
static void heard_text(const struct deliver *d, struct buf *out)
{
    const struct smtp_reply *reply = &d->link.c->reply;
    bool secret = reply->code >= 300 && reply->code < 400 && d->state == DELIVER_AUTH;
    unsigned lines = secret ? 0 : reply->lines;
    buf_init(out, TRACE_HEARD);
    for (unsigned i = 0; i < lines; i++) {
        if (i)
            buf_addc(out, '\n');
        add_code(out, reply->code, i + 1 == lines ? ' ' : '-');
        buf_addspan(out, smtp_reply_line(reply, i));
    }
    if (!lines)
        add_code(out, reply->code, 0);
    if (reply->cut && !secret)
        buf_adds(out, " [...]");
}

void deliver_trace_heard(struct deliver *d)
{
    struct buf text;
    if (!wanted(d))
        return;
    heard_text(d, &text);
    step(d, d->state, buf_text(&text));
    buf_free(&text);
}

void deliver_trace_watched(struct deliver *d, const struct why *why)
{
    if (!wanted(d))
        return;
    begin_attempt(d);
    buf_reset(&d->link.c->seen->watched);
    text_why(&d->link.c->seen->watched, "watched", why);
}

void deliver_trace_failed(struct deliver *d, const struct why *why)
{
    if (!wanted(d))
        return;
    begin_attempt(d);
    buf_reset(&d->trace.why);
    text_why(&d->trace.why, "why", why);
}

// ---- the connection as a piece

static void add_tls(struct buf *out, const struct connection *c)
{
    const struct shown *shown = c->shown;
    if (!shown)
        return;
    text_open(out, "tls", '{');
    text_string(out, "protocol", shown->protocol);
    text_string(out, "cipher", shown->cipher);
    text_string(out, "group", shown->group);
    text_true(out, "resumed", shown->resumed);
    text_string(out, "proof", tls_proof_word(c->proof));
    text_close(out, '}');
}

static struct trace_piece *connection_piece(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    const struct demand *demand = &deliver_host(d)->demand;
    char local[ADDRESS_TEXT] = "";
    const struct sockaddr *from = c->stream ? stream_local(c->stream) : NULL;
    struct buf out;
    buf_init(&out, SEEN_STEPS + 8192);
    text_number(&out, "opened", c->seen->at_ms);
    text_string(&out, "host", c->host);
    text_string(&out, "ip", c->ip);
    text_number(&out, "port", deliver_host(d)->port);
    text_string(&out, "from", from ? address_text(from, local) : "");
    text_string(&out, "demand", tls_level_word(demand->level));
    text_string(&out, "source", demand_source_word(demand->source));
    add_tls(&out, c);
    if (c->seen->watched.len) {
        buf_addc(&out, ',');
        buf_addspan(&out, buf_span(&c->seen->watched));
    }
    text_open(&out, "steps", '[');
    buf_addspan(&out, buf_span(&c->seen->steps));
    text_close(&out, ']');
    struct trace_piece *piece = piece_new(buf_span(&out), "chain", piece_of_chain(c->shown));
    buf_free(&out);
    return piece;
}

// ---- the end

static void trace_clear(struct deliver *d)
{
    struct deliver_trace *t = &d->trace;
    if (!t->open)
        return;
    buf_free(&t->steps);
    buf_free(&t->why);
    trace_replies_clear(&t->replies);
    *t = (struct deliver_trace){0};
}

static void add_attempt(struct deliver *d, struct trace_record *r)
{
    const struct connection *c = d->link.c;
    const struct delivery *first = list_of(d->deliveries.next, struct delivery, list);
    text_string(&r->out, "domain", first->domain);
    text_number(&r->out, "recipients", (int64_t)d->nrcpts);
    text_number(&r->out, "attempt", (int64_t)first->attempts + 1);
    text_string(&r->out, "host", c->host);
    text_string(&r->out, "ip", c->ip);
    if (d->link.pooled) {
        text_number(&r->out, "message", (int64_t)c->messages);
        text_number(&r->out, "age", (int64_t)(d->trace.began_ms - c->opened_ms));
    }
    text_open(&r->out, "steps", '[');
    buf_addspan(&r->out, buf_span(&d->trace.steps));
    text_close(&r->out, ']');
    text_number(&r->out, "took", (int64_t)(clock_mono_ms() - d->trace.began_ms));
    if (d->trace.why.len) {
        buf_addc(&r->out, ',');
        buf_addspan(&r->out, buf_span(&d->trace.why));
    }
}

void deliver_trace_end(struct deliver *d)
{
    struct trace_record r;
    // A pooled connection that turns out to be dead is no attempt.
    bool told =
        d->trace.open && d->link.c && (d->trace.steps.len || d->trace.why.len || !d->link.pooled);
    if (told && d->link.c->seen && d->host < d->route->nhosts && !list_empty(&d->deliveries) &&
        trace_begin_at(&r, deliver_trace_of(d), d->message->env.id, "attempt", d->trace.at_ms)) {
        struct seen *seen = d->link.c->seen;
        add_attempt(d, &r);
        if (!seen->piece)
            seen->piece = connection_piece(d);
        trace_refer(&r, "route", piece_ref(d->route->told));
        trace_refer(&r, "connection", piece_ref(seen->piece));
        trace_add_replies(&r, &d->trace.replies);
        trace_end(&r);
    }
    trace_clear(d);
}
