// SPDX-License-Identifier: ISC
// The outbound session as a table: a row a moment. Handlers return the next moment; deliver_go changes it and
// arms its deadline. Owns the flow only: what is said stands in relay/deliver/*.c.
#include "relay/deliver/session.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/deliver/inside.h"
#include "relay/log/log.h"

static enum moment deliver_session_enter_load(struct deliver *d);
static enum moment deliver_session_enter_connect(struct deliver *d);
static enum moment deliver_session_enter_ehlo(struct deliver *d);
static enum moment deliver_session_enter_helo(struct deliver *d);
static enum moment deliver_session_enter_rset(struct deliver *d);
static enum moment deliver_session_enter_end(struct deliver *d);
static enum moment deliver_session_greeting_heard(struct deliver *d);
static enum moment deliver_session_helo_heard(struct deliver *d);

enum patience { NONE, CONNECT, GREETING, COMMAND, DATA };

static const struct {
    const char *name;
    enum moment (*enter)(struct deliver *d);
    enum moment (*heard)(struct deliver *d); // a whole reply is in d->c->reply
    enum patience patience;
} moments[] = {
    [AT_LOAD] = {"load", deliver_session_enter_load, NULL, NONE},
    [AT_ADDRESS] = {"address", deliver_choose, NULL, NONE},
    [AT_CONNECT] = {"connect", deliver_session_enter_connect, NULL, CONNECT},
    [AT_GREETING] = {"greeting", NULL, deliver_session_greeting_heard, GREETING},
    [AT_EHLO] = {"ehlo", deliver_session_enter_ehlo, deliver_ehlo_heard, COMMAND},
    [AT_HELO] = {"helo", deliver_session_enter_helo, deliver_session_helo_heard, COMMAND},
    [AT_STARTTLS] = {"starttls", deliver_starttls, deliver_starttls_heard, COMMAND},
    [AT_SECURE] = {"secure", deliver_secure, NULL, CONNECT},
    [AT_TOKEN] = {"token", deliver_token, NULL, NONE},
    [AT_AUTH] = {"auth", deliver_auth, deliver_auth_heard, COMMAND},
    [AT_MAIL] = {"mail", deliver_mail, deliver_mail_heard, COMMAND},
    [AT_RCPT] = {"rcpt", NULL, deliver_rcpt_heard, COMMAND},
    [AT_DATA] = {"data", NULL, deliver_data_heard, COMMAND},
    [AT_BODY] = {"body", deliver_body, deliver_body_heard, COMMAND},
    [AT_FINAL] = {"final", NULL, deliver_final_heard, DATA},
    [AT_RSET] = {"rset", deliver_session_enter_rset, deliver_rset_heard, COMMAND},
    [AT_END] = {"end", deliver_session_enter_end, NULL, NONE},
};

static uint64_t patience(const struct deliver *d, enum patience p)
{
    const struct cfg_delivery *c = &d->config->delivery;
    const uint64_t ms[] = {0, c->connect, c->greeting, c->command, c->data};
    return ms[p];
}

void deliver_go(struct deliver *d, enum moment next)
{
    while (next != STAY) {
        d->at = next;
        if (d->c && d->c->stream)
            stream_deadline(d->c->stream, patience(d, moments[next].patience));
        next = moments[next].enter ? moments[next].enter(d) : STAY;
    }
}

static void deliver_session_release(struct deliver *d)
{
    deliver_auth_forget(d);
    content_load_cancel(d->load);
    content_reader_free(d->reader);
    content_unref(d->content);
    message_unref(d->message);
    route_unref(d->route);
    buf_free(&d->out);
    free(d->rcpts);
    free(d->batch);
    free(d);
}

struct deliver *deliver_new(const struct deliver_order *order, struct list *deliveries)
{
    struct deliver *d = mem_new(sizeof *d);
    d->order = *order;
    list_init(&d->deliveries);
    list_each_safe (it, deliveries) {
        struct delivery *one = list_of(it, struct delivery, list);
        delivery_move(one, QUEUE_ACTIVE, &d->deliveries);
        delivery_reset(one);
        d->rcpts = mem_grow(d->rcpts, d->nrcpts + one->nrcpts, sizeof(struct delivery_rcpt *));
        for (size_t i = 0; i < one->nrcpts; i++)
            d->rcpts[d->nrcpts++] = &one->rcpts[i];
        if (!d->content && one->content)
            d->content = content_ref(one->content);
    }
    struct delivery *first = list_of(d->deliveries.next, struct delivery, list);
    d->message = message_ref(first->message);
    d->route = route_ref(first->route);
    d->config = d->route->setup->config;
    d->batch_max = DELIVER_BATCH;
    d->batch = mem_new((d->nrcpts < DELIVER_BATCH ? d->nrcpts : DELIVER_BATCH) * sizeof(size_t));
    buf_init(&d->out, DELIVER_BATCH * MAX_PLAIN_COMMAND);
    d->attempt = (struct attempt){.demand = "", .source = "", .proof = "none"};
    d->at = AT_LOAD;
    return d;
}

void deliver_run(struct deliver *d)
{
    deliver_go(d, AT_LOAD);
    if (d->over)
        deliver_session_release(d);
}

// Content

static void deliver_session_loaded(struct content *c, const struct why *why, void *arg)
{
    struct deliver *d = arg;
    d->load = NULL;
    d->content = c;
    if (!c)
        deliver_refuse_rest(d, why);
    deliver_go(d, c ? AT_ADDRESS : AT_END);
    if (d->over)
        deliver_session_release(d);
}

static enum moment deliver_session_enter_load(struct deliver *d)
{
    if (d->content)
        return AT_ADDRESS;
    d->load = content_load(d->order.worker, d->message, deliver_session_loaded, d);
    return STAY;
}

// Events of the stream

// A pooled connection that dies without a word, or with 421, was dead before: not this host's failure.
static enum moment was_dead(struct deliver *d)
{
    connection_close(d->c, true);
    d->c = NULL;
    d->no_pool = true;
    deliver_reopen(d);
    return AT_ADDRESS;
}

static enum moment lost(struct deliver *d, struct why *why)
{
    if (!why->host[0])
        why_host(why, d->c->host);
    switch (d->at) {
    case AT_CONNECT:
    case AT_GREETING:
        connection_failed(d->c, why);
        return deliver_next(d, why, false);
    case AT_STARTTLS:
    case AT_SECURE:
        return deliver_tls_failed(d, why, false);
    case AT_RSET: // the transaction before it had its answers
        connection_close(d->c, true);
        d->c = NULL;
        d->no_pool = true;
        return AT_ADDRESS;
    case AT_MAIL:
    case AT_RCPT:
    case AT_DATA:
    case AT_BODY:
    case AT_FINAL:
        if (d->reused && !d->spoke)
            return was_dead(d);
        if (d->at == AT_FINAL || d->early)
            break;
        return deliver_next(d, why, false);
    default:
        return deliver_next(d, why, false);
    }
    // RFC 5321 section 4.5.3.2.6: whether the host has the message is not known. It is tried again
    // later, not at another host now, since that would make the second copy likely.
    char text[sizeof why->text];
    snprintf(text, sizeof text, "%.300s after the end of the message, before its answer",
             why->text);
    struct why unknown;
    why_set(&unknown, WHY_HOST, "4.4.2", "%s", text);
    why_host(&unknown, d->c->host);
    connection_close(d->c, true);
    d->c = NULL;
    deliver_refuse_rest(d, &unknown);
    return AT_END;
}

static enum moment deliver_session_heard(struct deliver *d)
{
    if (d->c->reply.code == 421 && d->reused && !d->spoke)
        return was_dead(d);
    d->spoke = true;
    d->c->used_ms = clock_mono_ms();
    // RFC 5321 section 3.8: 421 may come at any time, and the host hangs up. The answer to a message is
    // an answer all the same.
    if (d->c->reply.code == 421 && d->at != AT_FINAL && d->at != AT_RSET)
        return deliver_refused(d, MOMENT_EHLO);
    return moments[d->at].heard(d);
}

// Reads replies while they are complete and somebody waits for them.
static void read_replies(struct deliver *d)
{
    while (!d->over && d->c && d->c->stream && moments[d->at].heard) {
        struct connection *c = d->c;
        struct buf *in = stream_input(c->stream);
        if (!in->len)
            return;
        size_t used = 0;
        struct why why;
        enum smtp_reply_state state = smtp_reply_feed(&c->reply, buf_span(in), &used, &why);
        buf_drop(in, used);
        if (state == SMTP_REPLY_MORE)
            return;
        if (state == SMTP_REPLY_BAD) {
            deliver_go(d, lost(d, &why));
            continue;
        }
        enum moment next = deliver_session_heard(d);
        if (d->c == c) // a new connection has a reply of its own
            smtp_reply_reset(&c->reply);
        deliver_go(d, next);
    }
}

static void deliver_session_event(struct stream *s, enum stream_event what, void *arg)
{
    struct deliver *d = arg;
    struct why why;
    assert(d->c && d->c->stream == s);
    switch (what) {
    case STREAM_CONNECTED:
        connection_worked(d->c);
        deliver_go(d, deliver_host(d)->implicit_tls ? AT_SECURE : AT_GREETING);
        break;
    case STREAM_SECURED:
        deliver_go(d, deliver_secured(d));
        break;
    case STREAM_DRAINED:
        deliver_body_go_on(d);
        break;
    case STREAM_DATA:
        break;
    case STREAM_EOF:
        read_replies(d); // what it said before counts
        if (d->over || !d->c || d->c->stream != s)
            break;
        why_set(&why, WHY_HOST, "4.4.2", "the host closed the connection");
        deliver_go(d, lost(d, &why));
        break;
    case STREAM_FAILED:
        why = *stream_why(s);
        deliver_go(d, lost(d, &why));
        break;
    case STREAM_TIMEOUT:
        why_set(&why, WHY_HOST, "4.4.2", "the host did not answer in time (%s)",
                moments[d->at].name);
        deliver_go(d, lost(d, &why));
        break;
    }
    if (!d->over)
        read_replies(d);
    if (d->over)
        deliver_session_release(d);
}

void deliver_continue(struct deliver *d, enum moment next, const struct why *why)
{
    deliver_go(d, why ? deliver_quit_next(d, why) : next);
    if (!d->over)
        read_replies(d);
    if (d->over)
        deliver_session_release(d);
}

static enum moment deliver_session_enter_connect(struct deliver *d)
{
    struct route_host *host = deliver_host(d);
    const struct sockaddr *to = (const void *)&host->addresses[d->address];
    const char *helo;
    d->tries++;
    d->c->stream = stream_connect(&d->order.worker->loop, to, deliver_source(d, to, &helo),
                                  deliver_session_event, d);
    stream_deadline(d->c->stream, patience(d, CONNECT));
    return STAY;
}

// deliver_choose took a pooled connection: its events come here now.
void deliver_rebind(struct deliver *d)
{
    stream_rebind(d->c->stream, deliver_session_event, d);
}

static enum moment deliver_session_greeting_heard(struct deliver *d)
{
    if (d->c->reply.code != 220)
        return deliver_refused(d, MOMENT_GREETING);
    return AT_EHLO;
}

const char *deliver_helo(const struct deliver *d)
{
    const char *helo = NULL;
    deliver_source(d, (const void *)&deliver_host(d)->addresses[d->address], &helo);
    return helo && helo[0] ? helo : d->config->hostname;
}

static enum moment deliver_session_enter_ehlo(struct deliver *d)
{
    deliver_command(d, "EHLO %s\r\n", deliver_helo(d));
    return STAY;
}

static enum moment deliver_session_enter_helo(struct deliver *d)
{
    deliver_command(d, "HELO %s\r\n", deliver_helo(d));
    return STAY;
}

static enum moment deliver_session_helo_heard(struct deliver *d)
{
    if (d->c->reply.code != 250)
        return deliver_refused(d, MOMENT_EHLO);
    return deliver_auth_begin(d);
}

static enum moment deliver_session_enter_rset(struct deliver *d)
{
    deliver_command(d, "RSET\r\n");
    return STAY;
}

void deliver_command(struct deliver *d, const char *format, ...)
{
    char line[MAX_PLAIN_COMMAND];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(n > 0 && (size_t)n < sizeof line);
    stream_write(d->c->stream, line, (size_t)n);
}

// Ends

static void drop_connection(struct deliver *d, bool now)
{
    deliver_auth_forget(d);
    content_reader_free(d->reader);
    d->reader = NULL;
    d->reading = false;
    connection_close(d->c, now);
    d->c = NULL;
}

enum moment deliver_next(struct deliver *d, const struct why *why, bool lacking)
{
    if (lacking)
        deliver_command(d, "QUIT\r\n");
    drop_connection(d, !lacking);
    deliver_reopen(d);
    d->why = *why;
    d->clear = d->lax = false;
    if (lacking) {
        d->lacks++;
        d->host++; // its other addresses are the same host
        d->address = 0;
    } else {
        d->troubles++;
        d->address++;
    }
    return AT_ADDRESS;
}

enum moment deliver_quit_next(struct deliver *d, const struct why *why)
{
    deliver_command(d, "QUIT\r\n");
    stream_close(d->c->stream, false);
    d->c->stream = NULL;
    return deliver_next(d, why, false);
}

enum moment deliver_refused(struct deliver *d, enum outcome_moment moment)
{
    struct why why;
    outcome_reply(&why, moment, &d->c->reply, d->c->host);
    if (d->c->reply.code == 421)
        return deliver_next(d, &why, false);
    return deliver_quit_next(d, &why);
}

static enum moment deliver_session_enter_end(struct deliver *d)
{
    deliver_auth_forget(d);
    content_reader_free(d->reader);
    d->reader = NULL;
    if (d->c) {
        deliver_describe(d);
        // What was proved under a configuration that is no longer serves nobody else.
        if (d->route->setup == d->order.worker->setup) {
            pool_keep_ticket(d->order.pool, d->c, d->route->expires_ms);
            pool_give(d->order.pool, d->c, d->order.idle, d->order.nidle);
        } else {
            deliver_command(d, "QUIT\r\n");
            connection_close(d->c, false);
        }
        d->c = NULL;
    }
    d->over = true;
    bool attempted = !d->full || d->tries || d->reused || d->troubles || d->lacks;
    d->order.done(&d->deliveries, &d->attempt, attempted, d->order.arg);
    assert(list_empty(&d->deliveries));
    return STAY;
}

void deliver_cut(struct deliver *d)
{
    if (d->c)
        drop_connection(d, true);
    deliver_reopen(d);
    deliver_go(d, AT_END);
    deliver_session_release(d);
}
