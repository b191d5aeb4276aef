// SPDX-License-Identifier: ISC
// The queue as operators see and touch it: rows for the control socket, and its verbs. What is in a session
// at this moment is shown but not touched.
#include "relay/queue/inside.h"
#include "relay/queue/trace.h"
#include "relay/queue/tell.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/words.h"
#include "relay/log/log.h"
#include "relay/smtp/reply_class.h"

const char *queue_state_word(enum queue_state state)
{
    static const char *const words[] = {"routing", "waiting", "ready", "active", "held"};
    return words[state];
}

const char *queue_verb_word(enum queue_verb verb)
{
    static const char *const words[] = {"list",     "retry",  "hold",  "release",
                                        "redirect", "remove", "bounce"};
    return words[verb];
}

// After a restart nobody knows any more what the earlier attempts failed by.
static const char *class_of(const struct delivery *d)
{
    return d->reason ? reply_class_word((enum reply_class)d->class) : d->attempts ? NULL : "";
}

// The last failure; before there was one, why it was held when it was accepted.
static const char *reason_of(const struct delivery *d)
{
    bool held = d->place == QUEUE_HELD && !d->attempts;
    return d->reason ? d->reason : held ? d->message->env.held_for : "";
}

static struct queue_row rows_of(const struct delivery *d)
{
    const struct envelope *env = &d->message->env;
    return (struct queue_row){
        .id = env->id,
        .created_ms = env->created_ms,
        .next_ms = d->next_ms,
        .size = d->size,
        .attempts = d->attempts,
        .state = d->place,
        .from = env->from,
        .domain = d->domain,
        .login = env->principal,
        .reason = reason_of(d),
        .class = class_of(d),
        .why = (enum reason)d->why,
        .act = (enum act)d->act,
        .site = d->route && d->route->nhosts ? d->route->site : d->site,
        .next_hop = d->next_hop,
    };
}

static void show(const struct delivery *d, struct queue_row *row, const struct queue_scan *scan)
{
    for (size_t i = 0; i < d->nrcpts; i++) {
        row->to = d->rcpts[i].recipient->address;
        scan->each(row, scan->arg);
    }
}

// Who did what to whose mail: what vanishes or waits by an operator's word is not the relay's doing.
static void log_operator(const struct queue_scan *scan, const struct delivery *d)
{
    queue_trace_told(d, "operator", queue_verb_word(scan->verb), scan->by ? scan->by : "unknown");
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct logline line;
        log_begin(&line, LOG_INFO, "operator", d->message->env.id);
        log_text(&line, "verb", queue_verb_word(scan->verb));
        log_address(&line, "to", d->rcpts[i].recipient->address);
        if (scan->verb == QUEUE_REDIRECT)
            log_text(&line, "next_hop", scan->next_hop);
        log_text(&line, "by", scan->by ? scan->by : "unknown");
        log_end(&line);
    }
}

// Its new time is on disk before it counts, so that a hold survives a restart.
static void reschedule(struct queue *q, struct delivery *d, int64_t next_ms, const char *next_hop)
{
    queue_unplace(q, d);
    d->next_ms = next_ms;
    queue_note(q, d, SPOOL_DEFERRED, next_hop);
    content_unref(d->content);
    d->content = NULL;
    queue_wait(q, d);
}

// What is held stays held; everything else goes to its new hosts now.
static void rows_redirect(struct queue *q, struct delivery *d, const char *next_hop)
{
    words_drop(d->next_hop);
    words_drop(d->site);
    d->site = NULL;
    d->next_hop = next_hop[0] ? words_keep(next_hop) : NULL;
    reschedule(q, d, d->place == QUEUE_HELD ? INT64_MAX : clock_ms(), next_hop);
}

static void remove_it(struct queue *q, struct delivery *d)
{
    queue_unplace(q, d);
    queue_note(q, d, SPOOL_REMOVED, NULL);
    atomic_fetch_sub_explicit(&q->worker->relay->counters.queued_now, (int64_t)d->nrcpts,
                              memory_order_relaxed);
    delivery_free(d);
}

static void bounce(struct queue *q, struct delivery *d)
{
    struct why why;
    // RFC 3463: x.7.1, delivery not authorized; the message, not its address, was turned down.
    why_say(&why, OPERATOR_RETURNED);
    queue_unplace(q, d);
    queue_bounce(q, d, &why);
}

static bool applies(const struct delivery *d, const struct queue_scan *scan)
{
    const char *next_hop = d->next_hop ? d->next_hop : "";
    switch (scan->verb) {
    case QUEUE_HOLD:
        return d->place != QUEUE_HELD;
    case QUEUE_RELEASE:
        return d->place == QUEUE_HELD;
    case QUEUE_RETRY:
        return d->place == QUEUE_WAITING || d->place == QUEUE_ACTIVE || d->place == QUEUE_READY;
    case QUEUE_REDIRECT:
        return strcmp(next_hop, scan->next_hop) != 0;
    default:
        return true;
    }
}

static void rows_change(struct queue *q, const struct queue_scan *scan, struct delivery *d)
{
    switch (scan->verb) {
    case QUEUE_HOLD:
        tell_held(q, d, "held by an operator", scan->by);
        reschedule(q, d, INT64_MAX, NULL);
        break;
    case QUEUE_RELEASE:
    case QUEUE_RETRY:
        d->asked = true;
        reschedule(q, d, clock_ms(), NULL);
        break;
    case QUEUE_REDIRECT:
        rows_redirect(q, d, scan->next_hop);
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
    struct queue_row row = rows_of(d);
    enum queue_match match = queue_match(&scan->filter, &row);
    scan->seen += d->nrcpts;
    if (match == QUEUE_UNKNOWN)
        scan->unknown += d->nrcpts;
    if (match != QUEUE_MATCH || !applies(d, scan))
        return;
    if (scan->verb != QUEUE_LIST && d->place == QUEUE_ACTIVE) {
        scan->active += d->nrcpts;
        return;
    }
    scan->recipients += d->nrcpts;
    if (scan->dry)
        return;
    if (scan->verb == QUEUE_LIST) {
        show(d, &row, scan);
    } else {
        log_operator(scan, d);
        rows_change(q, scan, d);
    }
}

// The mark is an entry of the list that is no delivery (it has no message): others come and go around it.
static void set_mark(struct queue *q, struct queue_scan *scan)
{
    scan->mark = mem_new(sizeof *scan->mark);
    list_init(&scan->mark->all);
    list_prepend(&q->all, &scan->mark->all);
}

// A message is returned by a report, and a relay that stops waits for none that is begun after it was told to.
static bool is_late_for(const struct queue *q, struct queue_scan *scan)
{
    scan->late = scan->late || (scan->verb == QUEUE_BOUNCE && !scan->dry && q->stopping);
    return scan->late;
}

bool queue_scan_on(struct queue *q, struct queue_scan *scan, size_t rows)
{
    if (is_late_for(q, scan)) {
        queue_scan_leave(scan);
        return false;
    }
    if (!scan->mark)
        set_mark(q, scan);
    uint64_t enough = scan->recipients + scan->active + rows;
    for (size_t seen = 0; seen < 64 * rows && scan->recipients + scan->active < enough; seen++) {
        scan->full = scan->verb == QUEUE_BOUNCE && reports_pending(q->reports) >= QUEUE_REPORTS_MAX;
        if (scan->full)
            return true;
        struct list *next = scan->mark->all.next;
        if (next == &q->all) {
            queue_scan_leave(scan);
            return false;
        }
        list_append(next->next, &scan->mark->all);
        struct delivery *d = list_of(next, struct delivery, all);
        if (d->message)
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
