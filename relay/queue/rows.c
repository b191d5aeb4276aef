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
           (f->state < 0 || f->state == (int)d->place) && (!f->newest || env->id <= f->newest) &&
           (!f->older_ms || env->created_ms < clock_ms() - f->older_ms);
}

static void show(const struct delivery *d, const struct queue_scan *scan)
{
    struct queue_row row = {
        .id = d->message->env.id,
        .created_ms = d->message->env.created_ms,
        .next_ms = d->next_ms,
        .size = d->size,
        .attempts = d->attempts,
        .state = d->place,
        .from = d->message->env.from,
        .domain = d->domain,
        .reason = d->reason ? d->reason : "",
    };
    for (size_t i = 0; i < d->nrcpts; i++) {
        row.to = d->rcpts[i].recipient->address;
        scan->each(&row, scan->arg);
    }
}

// Who did what to whose mail: what vanishes or waits by an operator's word is not the relay's doing.
static void log_operator(const struct queue_scan *scan, const struct delivery *d)
{
    static const char *const words[] = {
        [QUEUE_RETRY] = "retry",   [QUEUE_HOLD] = "hold",     [QUEUE_RELEASE] = "release",
        [QUEUE_REMOVE] = "remove", [QUEUE_BOUNCE] = "bounce",
    };
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct logline line;
        log_begin(&line, LOG_INFO, "operator", d->message->env.id);
        log_text(&line, "verb", words[scan->verb]);
        log_address(&line, "to", d->rcpts[i].recipient->address);
        log_text(&line, "by", scan->by ? scan->by : "unknown");
        log_end(&line);
    }
}

// Its new time is on disk before it counts, so that a hold survives a restart.
static void reschedule(struct queue *q, struct delivery *d, int64_t next_ms)
{
    queue_unplace(q, d);
    d->next_ms = next_ms;
    queue_note(q, d, SPOOL_DEFERRED);
    content_unref(d->content);
    d->content = NULL;
    queue_wait(q, d);
}

static void remove_it(struct queue *q, struct delivery *d)
{
    queue_unplace(q, d);
    queue_note(q, d, SPOOL_REMOVED);
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

static bool applies(const struct delivery *d, enum queue_verb verb)
{
    bool held = d->place == QUEUE_HELD;
    return !(verb == QUEUE_HOLD && held) && !(verb == QUEUE_RELEASE && !held) &&
           !(verb == QUEUE_RETRY && d->place != QUEUE_WAITING);
}

static void rows_change(struct queue *q, enum queue_verb verb, struct delivery *d)
{
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

static void rows_act(struct queue *q, struct queue_scan *scan, struct delivery *d)
{
    if (scan->verb != QUEUE_LIST && d->place == QUEUE_ACTIVE) {
        scan->active += d->nrcpts;
        return;
    }
    if (!applies(d, scan->verb))
        return;
    scan->recipients += d->nrcpts;
    if (scan->dry)
        return;
    if (scan->verb == QUEUE_LIST) {
        show(d, scan);
    } else {
        log_operator(scan, d);
        rows_change(q, scan->verb, d);
    }
}

// The mark is an entry of the list that is no delivery (it has no message): others come and go around it.
bool queue_scan_on(struct queue *q, struct queue_scan *scan, size_t rows)
{
    if (!scan->mark) {
        scan->mark = mem_new(sizeof *scan->mark);
        list_init(&scan->mark->all);
        list_prepend(&q->all, &scan->mark->all);
    }
    uint64_t enough = scan->recipients + scan->active + rows;
    for (size_t seen = 0; seen < 64 * rows && scan->recipients + scan->active < enough; seen++) {
        struct list *next = scan->mark->all.next;
        if (next == &q->all) {
            queue_scan_leave(scan);
            return false;
        }
        list_append(next->next, &scan->mark->all);
        struct delivery *d = list_of(next, struct delivery, all);
        if (d->message && rows_matches(&scan->filter, d))
            rows_act(q, scan, d);
    }
    return true;
}

void queue_scan_leave(struct queue_scan *scan)
{
    if (scan->mark)
        list_remove(&scan->mark->all);
    free(scan->mark);
    scan->mark = NULL;
}
