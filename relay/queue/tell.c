// SPDX-License-Identifier: ISC
// Events of the queue.
#include "relay/queue/tell.h"

#include "relay/queue/inside.h"
#include "relay/queue/trace.h"

static struct events *tell_events(const struct queue *q)
{
    return q->worker->relay->events;
}

// The same reason is not told twice.
static bool is_new(struct delivery_rcpt *r, const struct why *why)
{
    uint16_t reason = event_reason(why);
    bool new = r->told != reason;
    r->told = reason;
    return new;
}

void tell_outcome(struct queue *q, const struct delivery *d, struct delivery_rcpt *r,
                  enum event_type type, const struct why *why)
{
    if (!events_wanted(tell_events(q), type) || d->message->env.dsn || r->recipient->copy ||
        (type == EVENT_DEFERRED && !is_new(r, why)))
        return;
    const struct attempt *a = r->attempt; // NULL: no host was chosen
    struct event event = event_of(type, &d->message->env, r->recipient->address);
    event.why = why;
    event.site = d->route ? d->route->site : NULL;
    event.attempts = d->attempts + (type != EVENT_DEFERRED);
    if (a) {
        event.host = a->host;
        event.ip = a->ip;
        event.tls = a->tls;
        event.proof = a->proof;
    }
    if (a && !why) {
        event.status = a->status;
        event.reply = a->reply;
    }
    events_post(tell_events(q), &event);
}

void tell_held(struct queue *q, const struct delivery *d, const char *text, const char *by)
{
    queue_trace_told(d, "held", text, by);
    if (!events_wanted(tell_events(q), EVENT_HELD) || d->message->env.dsn)
        return;
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct event event = event_of(EVENT_HELD, &d->message->env, d->rcpts[i].recipient->address);
        event.text = text;
        event.by = by;
        event.attempts = d->attempts;
        events_post(tell_events(q), &event);
    }
}

void tell_accepted_held(struct queue *q, const struct message *m)
{
    for (size_t i = 0; i < m->env.nrcpts; i++) {
        struct event event = event_of(EVENT_HELD, &m->env, m->env.rcpts[i].address);
        event.text = m->env.held_for;
        events_post(tell_events(q), &event);
    }
}
