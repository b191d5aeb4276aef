// SPDX-License-Identifier: ISC
// A walk over one worker's deliveries.
#include "relay/queue/waiting.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/reasons.h"
#include "relay/queue/inside.h"

// After a restart nobody knows any more what an earlier attempt met, but that there was one.
static bool was_tried(const struct delivery *d)
{
    return d->reason || d->attempts;
}

// What is ready goes when its turn comes, or its site takes mail again: there is no time for that.
static int64_t waiting_next(const struct delivery *d)
{
    return d->place == QUEUE_WAITING ? d->next_ms : INT64_MAX;
}

// Who is told of it, and when.
static void waiting_told(const struct delivery *d, const struct cfg_delivery *config,
                         struct queue_waiting *out)
{
    bool of_tls = reason_row((enum reason)d->why)->tls != WHY_TLS_NONE;
    int64_t at = delivery_notice_at(d, config, of_tls);
    for (size_t i = 0; i < d->nrcpts; i++) {
        const struct delivery_rcpt *r = &d->rcpts[i];
        const struct envelope *env = &d->message->env;
        bool told = outcome_owes(env, r->recipient, DSN_DELAYED);
        out->owed += outcome_owes(env, r->recipient, DSN_FAILED);
        out->noticed += told && r->delay_warned;
        if (told && !r->delay_warned && at && at < out->notice_ms)
            out->notice_ms = at;
    }
}

static void waiting_add(const struct delivery *d, const struct cfg_delivery *config,
                        struct queue_waiting *out)
{
    int64_t next = waiting_next(d), expires = delivery_expires(d, config->expire);
    waiting_told(d, config, out);
    if (expires < out->expires_ms)
        out->expires_ms = expires;
    out->messages++;
    out->recipients += d->nrcpts;
    if (d->message->env.created_ms < out->since_ms)
        out->since_ms = d->message->env.created_ms;
    if (!d->reason && next < out->next_ms && !out->reason[0])
        out->next_ms = next;
    if (!d->reason || (out->reason[0] && next >= out->next_ms))
        return;
    out->next_ms = next;
    out->why = d->why;
    out->act = d->act;
    out->class = d->class;
    snprintf(out->reason, sizeof out->reason, "%s", d->reason);
}

void queue_count_waiting(const struct queue *queue, const char *domain, struct queue_waiting *out)
{
    list_each (it, &queue->all) {
        const struct delivery *d = list_of(it, struct delivery, all);
        if (!d->message || strcmp(d->domain, domain) != 0) // a mark of a scan has none
            continue;
        if (was_tried(d))
            waiting_add(d, &queue->worker->setup->config->delivery, out);
        else
            out->fresh += d->nrcpts;
    }
}
