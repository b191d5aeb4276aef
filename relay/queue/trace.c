// SPDX-License-Identifier: ISC
#include "relay/queue/trace.h"

#include <string.h>
#include "relay/queue/inside.h"
#include "relay/trace/trace.h"

static struct trace *queue_trace_of(const struct delivery *d)
{
    return d->worker->relay->trace;
}

static void queue_trace_address(struct trace_record *r, const char *key, const char *address)
{
    text_address(&r->out, key, address);
    trace_key(r, TRACE_KEY_ADDRESS, address);
}

// Where there was an attempt, it tells the route and all that was said.
static void add_outcome(struct trace_record *r, const struct delivery *d,
                        const struct delivery_rcpt *rcpt, const struct why *why)
{
    const struct attempt *a = rcpt->attempt;
    text_string(&r->out, "host", a ? a->host : why ? why->host : "");
    text_string(&r->out, "ip", a ? a->ip : "");
    if (!why && a) {
        text_string(&r->out, "status", a->status);
        text_string(&r->out, "tls", a->tls);
        text_string(&r->out, "proof", a->proof);
    }
    text_why(&r->out, "why", why);
    if ((!a || !a->ip[0]) && d->route)
        trace_refer(r, "route", piece_ref(d->route->told));
}

void queue_trace_result(const struct delivery *d, const struct delivery_rcpt *rcpt,
                        const char *event, const struct why *why, const char *because)
{
    struct trace_record r;
    if (!trace_begin(&r, queue_trace_of(d), d->message->env.id, event))
        return;
    queue_trace_address(&r, "to", rcpt->recipient->address);
    text_number(&r.out, "attempts", (int64_t)d->attempts + (because == NULL));
    add_outcome(&r, d, rcpt, why);
    if (because && d->next_ms != INT64_MAX) {
        text_number(&r.out, "next", d->next_ms);
        text_string(&r.out, "because", because);
    }
    trace_end(&r);
}

void queue_trace_told(const struct delivery *d, const char *event, const char *text, const char *by)
{
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct trace_record r;
        if (!d->rcpts[i].recipient ||
            !trace_begin(&r, queue_trace_of(d), d->message->env.id, event))
            continue;
        queue_trace_address(&r, "to", d->rcpts[i].recipient->address);
        text_string(&r.out, "text", text);
        text_string(&r.out, "by", by);
        trace_end(&r);
    }
}

void queue_trace_made(struct worker *worker, const struct message *m)
{
    struct trace_record r;
    if (!m->env.principal || strcmp(m->env.principal, "relay") != 0 ||
        !trace_begin(&r, worker->relay->trace, m->env.id, "made"))
        return;
    queue_trace_address(&r, "from", m->env.from);
    text_open(&r.out, "to", '[');
    for (size_t i = 0; i < m->env.nrcpts; i++)
        text_address(&r.out, NULL, m->env.rcpts[i].address);
    text_close(&r.out, ']');
    for (size_t i = 0; i < m->env.nrcpts; i++)
        trace_key(&r, TRACE_KEY_ADDRESS, m->env.rcpts[i].address);
    text_number(&r.out, "size", (int64_t)message_size(m));
    text_string(&r.out, "kind", m->env.uncounted ? "TLS report" : "notification");
    trace_end(&r);
}
