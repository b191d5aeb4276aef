// SPDX-License-Identifier: ISC
// Reports to senders: gathered for a moment, so that one message's failures share one report; composed from the
// message's bytes; signed; stored; queued. A recipient that failed has its end noted only when its report is on
// disk: a crash in between tries the delivery again and reports then.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/queue/dsn.h"
#include "relay/ingest/ingest.h"
#include "relay/log/log.h"
#include "relay/queue/inside.h"

#define REPORT_LOOK 16 // gathered reports looked through for one of the same message

struct report_row {
    const struct recipient *recipient;
    struct why why;
    bool has_why, expired, returned, delay_warned;
    unsigned attempts;
};

struct report {
    struct list list;
    struct queue *q;
    struct message *message;
    struct content *content;
    enum dsn_kind kind;
    int64_t tried_ms, until_ms;
    unsigned
        underway; // its number in the spool while it is made: a crash in it counts for the delivery
    struct report_row *rows;
    size_t nrows;
    struct spool_write write;
};

static void report_free(struct report *report)
{
    struct queue *q = report->q;
    spool_end(q->worker->relay->spool, report->underway, true);
    content_unref(report->content);
    message_unref(report->message);
    message_unref(report->write.message);
    free(report->rows);
    free(report);
    q->nreports--;
    queue_check_gone(q);
}

static void note_failed(struct report *report)
{
    for (size_t i = 0; i < report->nrows && report->kind == DSN_FAILED; i++) {
        struct report_row *row = &report->rows[i];
        struct spool_result result = {
            .id = report->message->env.id,
            .address = row->recipient->address,
            .outcome = SPOOL_FAILED,
            .attempts = row->attempts,
            .delay_warned = row->delay_warned,
            .why = &row->why,
        };
        spool_note(report->q->worker->relay->spool, &result);
    }
}

// The report could not be stored: the recipients it is about come back, and fail once more later.
static void try_again(struct report *report)
{
    struct queue *q = report->q;
    const struct envelope *env = &report->message->env;
    if (report->kind != DSN_FAILED || q->stopping)
        return;
    for (size_t i = 0; i < report->nrows; i++) {
        size_t which = (size_t)(report->rows[i].recipient - env->rcpts);
        struct delivery *d = delivery_new(report->message, &which, 1);
        d->worker = q->worker;
        d->size = message_size(report->message);
        d->attempts = report->rows[i].attempts;
        d->rcpts[0].delay_warned = report->rows[i].delay_warned;
        d->next_ms = clock_ms() + QUEUE_REPORT_RETRY;
        list_append(&q->all, &d->all);
        atomic_fetch_add_explicit(&q->worker->relay->counters.queued_now, 1, memory_order_relaxed);
        queue_wait(q, d);
    }
}

static void log_report(const struct report *report, const struct message *dsn)
{
    static const char *const kinds[] = {
        [DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed", [DSN_RELAYED] = "relayed"};
    struct logline line;
    char about[ID_TEXT];
    id_text(report->message->env.id, about);
    log_begin(&line, LOG_INFO, "dsn", dsn->env.id);
    log_text(&line, "about", about);
    log_text(&line, "kind", kinds[report->kind]);
    log_address(&line, "to", dsn->env.rcpts[0].address);
    log_number(&line, "rcpts", (int64_t)report->nrows);
    log_end(&line);
}

static void queue_report_stored(struct item *item)
{
    struct report *report = list_of(item, struct report, write.item);
    struct queue *q = report->q;
    if (report->write.failed) {
        log_alarm("dsn", "a delivery report could not be stored: %s", report->write.why.text);
        try_again(report);
        report_free(report);
        return;
    }
    note_failed(report);
    log_report(report, report->write.message);
    atomic_fetch_add_explicit(&q->worker->relay->counters.dsn, 1, memory_order_relaxed);
    if (!q->stopping) {
        queue_add(q, report->write.message); // takes over the reference
        report->write.message = NULL;
    }
    report_free(report);
}

static struct message *compose(struct report *report, const char *postmaster)
{
    struct dsn_row *rows = mem_new(report->nrows * sizeof *rows);
    for (size_t i = 0; i < report->nrows; i++) {
        const struct report_row *row = &report->rows[i];
        rows[i] = (struct dsn_row){
            .recipient = row->recipient,
            .why = row->has_why ? &row->why : NULL,
            .host = row->why.host,
            .reply = row->why.reply,
            .expired = row->expired,
            .returned = row->returned,
            .attempts = row->attempts,
            .tried_ms = report->tried_ms,
            .until_ms = report->until_ms,
        };
    }
    struct dsn dsn = {
        .config = report->q->setup->config,
        .kind = report->kind,
        .about = report->message,
        .content = report->content,
        .rows = rows,
        .nrows = report->nrows,
        .postmaster = postmaster,
        .now_ms = clock_ms(),
    };
    struct message *m = dsn_compose(&dsn);
    free(rows);
    return m;
}

static void log_dropped(const struct report *report, const char *reason)
{
    struct logline line;
    log_begin(&line, LOG_WARNING, "dsn", report->message->env.id);
    log_text(&line, "kind", "dropped");
    log_address(&line, "to", report->rows[0].recipient->address);
    log_text(&line, "reason", reason);
    log_end(&line);
}

// A report that fails itself is dropped; the postmaster may have a copy of its header, but no copy of a copy.
static bool wants_copy(const struct report *report, const char **postmaster)
{
    const char *address = report->q->setup->config->dsn_postmaster;
    *postmaster = NULL;
    if (!report->message->env.dsn)
        return true;
    log_dropped(report, report->rows[0].why.text);
    if (!address || !address[0] || strcasecmp(address, report->rows[0].recipient->address) == 0)
        return false;
    *postmaster = address;
    return true;
}

static void submit(struct report *report)
{
    struct queue *q = report->q;
    const char *postmaster;
    struct message *m = wants_copy(report, &postmaster) ? compose(report, postmaster) : NULL;
    struct why why;
    if (!m) {
        note_failed(report);
        report_free(report);
        return;
    }
    // Unsigned it is better than not sent: what is wrong with a key has alarms of its own.
    if (ingest_own(q->setup, m, &why) < 0)
        log_alarm("dsn", "a delivery report is not signed: %s", why.text);
    report->write.item.run = queue_report_stored;
    report->write.reply = q->worker->mail;
    report->write.message = m;
    spool_store(q->worker->relay->spool, &report->write);
}

static void queue_report_loaded(struct content *c, const struct why *why, void *arg)
{
    struct report *report = arg;
    (void)why; // without the message there is still its report
    report->content = c;
    submit(report);
}

void queue_reports_flush(struct queue *q)
{
    uv_timer_stop(&q->flush);
    while (!list_empty(&q->reports)) {
        struct report *report = list_of(q->reports.next, struct report, list);
        list_remove(&report->list);
        report->underway = spool_begin(q->worker->relay->spool, report->message->env.id,
                                       report->rows[0].recipient->domain);
        if (report->content)
            submit(report);
        else
            content_load(q->worker, report->message, queue_report_loaded, report);
    }
}

static void queue_report_flush(uv_timer_t *timer)
{
    queue_reports_flush(timer->data);
}

static struct report *report_for(struct queue *q, struct delivery *d, enum dsn_kind kind)
{
    unsigned seen = 0;
    for (struct list *it = q->reports.prev; it != &q->reports && seen < REPORT_LOOK;
         it = it->prev, seen++) {
        struct report *report = list_of(it, struct report, list);
        if (report->message == d->message && report->kind == kind)
            return report;
    }
    struct report *report = mem_new(sizeof *report);
    list_init(&report->list);
    report->q = q;
    report->message = message_ref(d->message);
    report->kind = kind;
    report->tried_ms = clock_ms();
    report->until_ms = delivery_expires(d, q->setup->config->delivery.expire);
    q->nreports++;
    list_append(&q->reports, &report->list);
    if (!uv_is_active((uv_handle_t *)&q->flush))
        uv_timer_start(&q->flush, queue_report_flush, q->stopping ? 0 : QUEUE_REPORT_MS, 0);
    return report;
}

void queue_report(struct queue *q, struct delivery *d, const struct delivery_rcpt *r,
                  enum dsn_kind kind, enum outcome outcome, const struct why *why)
{
    struct report *report = report_for(q, d, kind);
    if (!report->content && d->content)
        report->content = content_ref(d->content);
    report->rows = mem_grow(report->rows, report->nrows + 1, sizeof *report->rows);
    struct report_row *row = &report->rows[report->nrows++];
    *row = (struct report_row){
        .recipient = r->recipient,
        .expired = outcome == OUTCOME_EXPIRED,
        .returned = d->returned,
        .delay_warned = r->delay_warned,
        .attempts = d->attempts + 1,
        .has_why = kind != DSN_RELAYED,
    };
    if (why)
        row->why = *why;
}
