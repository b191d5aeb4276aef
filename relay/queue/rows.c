// SPDX-License-Identifier: ISC
// The queue as operators see and touch it: rows for the control socket, and its verbs. What is in a session
// at this moment is shown but not touched.
#include "relay/queue/inside.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"

const char *queue_state_word(enum queue_state state)
{
    static const char *const words[] = {"routing", "waiting", "ready", "active", "held"};
    return words[state];
}

static bool wanted_id(const struct queue_filter *f, uint64_t id)
{
    if (!f->ids)
        return true;
    for (size_t i = 0; i < f->nids; i++)
        if (f->ids[i] == id)
            return true;
    return false;
}

static bool rows_matches(const struct queue_filter *f, const struct delivery *d)
{
    const struct envelope *env = &d->message->env;
    return wanted_id(f, env->id) && (!f->domain || strcasecmp(f->domain, d->domain) == 0) &&
           (!f->sender || strcasecmp(f->sender, env->from) == 0) &&
           (f->state < 0 || f->state == (int)d->place) &&
           (!f->older_ms || env->created_ms < clock_ms() - f->older_ms);
}

static void add_rows(const struct delivery *d, struct list *rows)
{
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct queue_row *row = mem_new(sizeof *row);
        list_init(&row->list);
        row->id = d->message->env.id;
        row->created_ms = d->message->env.created_ms;
        row->next_ms = d->next_ms;
        row->size = d->size;
        row->attempts = d->attempts;
        row->state = d->place;
        row->from = mem_dup(d->message->env.from);
        row->to = mem_dup(d->rcpts[i].recipient->address);
        row->domain = mem_dup(d->domain);
        row->reason = mem_dup(d->reason ? d->reason : "");
        list_append(rows, &row->list);
    }
}

void queue_row_free(struct queue_row *row)
{
    if (!row)
        return;
    list_remove(&row->list);
    free(row->from);
    free(row->to);
    free(row->domain);
    free(row->reason);
    free(row);
}

static void note_all(struct queue *q, struct delivery *d, enum spool_outcome outcome)
{
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct spool_result result = {
            .id = d->message->env.id,
            .address = d->rcpts[i].recipient->address,
            .outcome = outcome,
            .attempts = d->attempts,
            .next_ms = d->next_ms,
            .delay_warned = d->rcpts[i].delay_warned,
        };
        spool_note(q->worker->relay->spool, &result);
    }
}

// Its new time is on disk before it counts, so that a hold survives a restart.
static void reschedule(struct queue *q, struct delivery *d, int64_t next_ms)
{
    queue_unplace(q, d);
    d->next_ms = next_ms;
    note_all(q, d, SPOOL_DEFERRED);
    content_unref(d->content);
    d->content = NULL;
    queue_wait(q, d);
}

static void remove_it(struct queue *q, struct delivery *d)
{
    queue_unplace(q, d);
    note_all(q, d, SPOOL_REMOVED);
    atomic_fetch_sub_explicit(&q->worker->relay->counters.queued_now, (int64_t)d->nrcpts,
                              memory_order_relaxed);
    delivery_free(d);
}

static void bounce(struct queue *q, struct delivery *d)
{
    struct why why;
    // RFC 3463: x.7.1, delivery not authorized; the message, not its address, was turned down.
    why_set(&why, WHY_MESSAGE, "5.7.1", "the operator of this relay returned the message");
    queue_unplace(q, d);
    queue_bounce(q, d, &why);
}

static void rows_act(struct queue *q, enum queue_verb verb, struct delivery *d, struct list *rows)
{
    bool held = d->place == QUEUE_HELD;
    if (verb == QUEUE_LIST) {
        add_rows(d, rows);
        return;
    }
    if (d->place == QUEUE_ACTIVE || (verb == QUEUE_HOLD && held) ||
        (verb == QUEUE_RELEASE && !held) || (verb == QUEUE_RETRY && d->place != QUEUE_WAITING))
        return;
    add_rows(d, rows);
    switch (verb) {
    case QUEUE_HOLD:
        reschedule(q, d, INT64_MAX);
        break;
    case QUEUE_RELEASE:
    case QUEUE_RETRY:
        reschedule(q, d, clock_ms());
        break;
    case QUEUE_REMOVE:
        remove_it(q, d);
        break;
    case QUEUE_BOUNCE:
        bounce(q, d);
        break;
    case QUEUE_LIST:
        break;
    }
}

void queue_do(struct queue *q, enum queue_verb verb, const struct queue_filter *filter,
              struct list *rows)
{
    list_each_safe (it, &q->all) {
        struct delivery *d = list_of(it, struct delivery, all);
        if (rows_matches(filter, d))
            rows_act(q, verb, d, rows);
    }
}
