// SPDX-License-Identifier: ISC
// Reports to senders, from the first failure of a message to the disk.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/words.h"
#include "relay/queue/dsn.h"
#include "relay/ingest/ingest.h"
#include "relay/log/log.h"
#include "relay/queue/report.h"
#include "relay/queue/unmet.h"
#include "relay/worker/worker.h"

#define REPORT_MS   50 // failures of one message within this time share a report
#define REPORT_LOOK 16 // gathered reports looked through for one of the same message

struct report_row {
    const struct recipient *recipient;
    struct why why;
    char *reply; // in full; owned, NULL without
    bool has_why, expired, returned, unmet, delay_warned;
    int64_t next_ms;
    unsigned attempts;
    const char *next_hop; // as delivery->next_hop; a word
    const char *site;     // a word
};

struct reports {
    struct worker *worker;
    struct report_owner owner;
    struct list gathering;
    size_t pending; // gathered or on their way to the spool
    uv_timer_t flush;
    bool stopping;
};

struct report {
    struct list list;
    struct reports *all;
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
    struct reports *all = report->all;
    spool_end(all->worker->relay->spool, report->underway, true);
    content_unref(report->content);
    message_unref(report->message);
    message_unref(report->write.message);
    for (size_t i = 0; i < report->nrows; i++) {
        words_drop(report->rows[i].next_hop);
        words_drop(report->rows[i].site);
        free(report->rows[i].reply);
    }
    free(report->rows);
    free(report);
    all->pending--;
    all->owner.ended(all->owner.arg);
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
            .reply = row->reply,
        };
        spool_note(report->all->worker->relay->spool, &result);
    }
}

// The report could not be stored: the recipients it is about come back, and fail once more later.
static void try_again(struct report *report)
{
    struct reports *all = report->all;
    const struct envelope *env = &report->message->env;
    if (report->kind != DSN_FAILED || all->stopping)
        return;
    for (size_t i = 0; i < report->nrows; i++) {
        const struct report_row *row = &report->rows[i];
        all->owner.back(report->message, (size_t)(row->recipient - env->rcpts), row->attempts,
                        row->delay_warned, row->next_hop, all->owner.arg);
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

static void report_on_stored(struct item *item)
{
    struct report *report = list_of(item, struct report, write.item);
    struct reports *all = report->all;
    if (report->write.failed) {
        log_alarm("dsn", report->write.why.reason, "a delivery report could not be stored: %s",
                  report->write.why.text);
        try_again(report);
        report_free(report);
        return;
    }
    note_failed(report);
    log_report(report, report->write.message);
    atomic_fetch_add_explicit(&all->worker->relay->counters.dsn, 1, memory_order_relaxed);
    if (!all->stopping) {
        all->owner.stored(report->write.message, all->owner.arg); // takes over the reference
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
            .reply = row->reply,
            .site = row->site,
            .expired = row->expired,
            .returned = row->returned,
            .unmet = row->unmet,
            .next_ms = row->next_ms,
            .attempts = row->attempts,
            .tried_ms = report->tried_ms,
            .until_ms = report->until_ms,
        };
    }
    struct dsn dsn = {
        .config = report->all->worker->setup->config,
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
    const char *address = report->all->worker->setup->config->dsn_postmaster;
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
    struct reports *all = report->all;
    const char *postmaster;
    struct message *m = wants_copy(report, &postmaster) ? compose(report, postmaster) : NULL;
    struct why why;
    if (!m) {
        note_failed(report);
        report_free(report);
        return;
    }
    // Unsigned it is better than not sent: what is wrong with a key has alarms of its own.
    if (ingest_own(all->worker->setup, m, &why) < 0)
        log_alarm("dsn", why.reason, "a delivery report is not signed: %s", why.text);
    report->write.item.run = report_on_stored;
    report->write.reply = all->worker->mail;
    report->write.message = m;
    spool_store(all->worker->relay->spool, &report->write);
}

static void report_on_header(struct content *c, const struct why *why, void *arg)
{
    struct report *report = arg;
    (void)why; // without the message there is still its report
    report->content = c;
    submit(report);
}

static void report_on_loaded(struct content *c, const struct why *why, void *arg)
{
    struct report *report = arg;
    (void)why;
    report->content = c;
    if (c)
        submit(report);
    else
        content_load_header(report->all->worker, report->message, report_on_header, report);
}

void reports_flush(struct reports *all)
{
    uv_timer_stop(&all->flush);
    while (!list_empty(&all->gathering)) {
        struct report *report = list_of(all->gathering.next, struct report, list);
        list_remove(&report->list);
        report->underway = spool_begin(all->worker->relay->spool, report->message->env.id,
                                       report->rows[0].recipient->domain);
        if (report->content)
            submit(report);
        else
            content_load(all->worker, report->message, report_on_loaded, report);
    }
}

static void report_on_flush(uv_timer_t *timer)
{
    reports_flush(timer->data);
}

static struct report *report_for(struct reports *all, struct delivery *d, enum dsn_kind kind)
{
    unsigned seen = 0;
    for (struct list *it = all->gathering.prev; it != &all->gathering && seen < REPORT_LOOK;
         it = it->prev, seen++) {
        struct report *report = list_of(it, struct report, list);
        if (report->message == d->message && report->kind == kind)
            return report;
    }
    struct report *report = mem_new(sizeof *report);
    list_init(&report->list);
    report->all = all;
    report->message = message_ref(d->message);
    report->kind = kind;
    report->tried_ms = clock_ms();
    report->until_ms = delivery_expires(d, all->worker->setup->config->delivery.expire);
    all->pending++;
    list_append(&all->gathering, &report->list);
    if (!uv_is_active((uv_handle_t *)&all->flush))
        uv_timer_start(&all->flush, report_on_flush, all->stopping ? 0 : REPORT_MS, 0);
    return report;
}

void reports_add(struct reports *all, struct delivery *d, const struct delivery_rcpt *r,
                 const struct report_cause *cause)
{
    const struct why *why = cause->why;
    struct report *report = report_for(all, d, cause->kind);
    if (!report->content && d->content)
        report->content = content_ref(d->content);
    report->rows = mem_grow(report->rows, report->nrows + 1, sizeof *report->rows);
    struct report_row *row = &report->rows[report->nrows++];
    *row = (struct report_row){
        .recipient = r->recipient,
        .expired = cause->outcome == OUTCOME_EXPIRED,
        .returned = d->returned,
        .unmet = why && unmet(r->attempt, why),
        .next_ms = cause->next_ms,
        .delay_warned = r->delay_warned,
        .attempts = d->attempts + 1,
        .next_hop = words_keep(d->next_hop),
        .site = words_keep(d->route ? d->route->site : d->site),
        .has_why = cause->kind != DSN_RELAYED,
        .reply = why && r->attempt ? mem_dup(r->attempt->reply) : NULL,
    };
    if (why)
        row->why = *why;
}

struct reports *reports_new(struct worker *worker, const struct report_owner *owner)
{
    struct reports *all = mem_new(sizeof *all);
    all->worker = worker;
    all->owner = *owner;
    list_init(&all->gathering);
    uv_timer_init(&worker->loop, &all->flush);
    all->flush.data = all;
    return all;
}

void reports_stop(struct reports *all)
{
    all->stopping = true;
    reports_flush(all);
}

size_t reports_pending(const struct reports *all)
{
    return all->pending;
}

static void report_on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void reports_free(struct reports *all)
{
    if (!all)
        return;
    assert(!all->pending);
    uv_close((uv_handle_t *)&all->flush, report_on_closed);
}
