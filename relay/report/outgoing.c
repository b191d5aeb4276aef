// SPDX-License-Identifier: ISC
// One row on its way, from the database and back. A record: ask the DNS, write a row for each address. A report:
//
//   read the ledger → pack → claim the row → mail: store it in the spool → note it → queue it
//                                            https: post it → note the answer
//
// In a fleet the ledger is that of all nodes, and the report is this node's only while it is claimed there
// (relay/report/claims.h): claim it and read → pack → "going" → claim the row → as above. What the fleet has to hear of
// the end is told from the row itself (relay/state/counts.h).
//
// Nothing goes out before its claim is on disk, and mail is queued only when the row says so: whatever is
// killed, the next start can tell (relay/state/reports.h). At each moment one question is under way, and
// its answer is the next step.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dns/rdata.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/ingest/ingest.h"
#include "relay/log/log.h"
#include "relay/queue/queue.h"
#include "relay/report/claims.h"
#include "relay/report/document.h"
#include "relay/report/inside.h"
#include "relay/report/schedule.h"
#include "relay/report/target.h"
#include "relay/state/json.h"
#include "tls/https_post.h"
#include "tls/report.h"
#include "tls/tlsrpt.h"

#define RECORDS_MAX   64     // TXT records of one name looked at
#define RECORD_BYTES  65535  // of one
#define WORDS_SHOWN   200    // bytes of what a collector says
#define FLEET_WAIT_MS 300000 // the longest pause between two questions to a fleet

struct outgoing {
    struct list list;
    struct reporter *r;
    struct sending row;
    struct report_target target;
    struct buf packed;
    struct claim *question;  // to the fleet
    char *report_id;         // the fleet's; NULL: this relay reports alone
    struct message *message; // by mail
    struct spool_write write;
    struct dns_request *dns;
    struct https_request *post;
    bool unsaved; // the result could not be noted yet
    bool others;  // another node has it
};

static bool outgoing_is_record(const struct outgoing *o)
{
    return !o->row.rua[0];
}

static void outgoing_free(struct outgoing *o)
{
    struct reporter *r = o->r;
    list_remove(&o->list);
    r->nrunning--;
    sending_clear(&o->row);
    report_target_free(&o->target);
    buf_free(&o->packed);
    message_unref(o->message);
    free(o->report_id);
    free(o);
    reporter_look(r);
}

// The database cannot be had: the row stays as it is, and all of them a while.
static void give_back(struct outgoing *o)
{
    reporter_rest(o->r);
    outgoing_free(o);
}

// --- results ---

static void say(struct outgoing *o, const char *event, enum log_level level, const char *key)
{
    char day[16];
    struct logline line;
    ledger_day_text(o->row.day, day);
    log_begin(&line, level, event, o->row.message);
    log_text(&line, "domain", o->row.domain);
    log_text(&line, "day", day);
    if (strncmp(o->row.rua, "mailto:", 7) == 0)
        log_address(&line, "to", o->row.rua);
    else
        log_text(&line, "to", outgoing_is_record(o) ? NULL : o->row.rua);
    log_number(&line, "attempts", o->row.attempts);
    log_text(&line, key, o->row.answer);
    log_end(&line);
}

static void outgoing_tell(struct outgoing *o)
{
    struct counters *c = &o->r->relay->counters;
    bool sent =
        !outgoing_is_record(o) && (o->row.state == SENDING_DONE || o->row.state == SENDING_QUEUED);
    if (sent) {
        atomic_fetch_add_explicit(&c->reports_sent, 1, memory_order_relaxed);
        say(o, "report-sent", LOG_INFO, "answer");
    } else if (o->row.state == SENDING_FAILED || o->row.state == SENDING_UNKNOWN) {
        atomic_fetch_add_explicit(&c->reports_failed, 1, memory_order_relaxed);
        say(o, "report-failed", LOG_WARNING, "reason");
    } else if (o->row.state == SENDING_WAITS) {
        say(o, "report-deferred", o->others ? LOG_DEBUG : LOG_INFO, "reason");
    }
}

static void outgoing_enqueue(struct worker *worker, void *arg)
{
    if (worker->queue)
        queue_add(worker->queue, arg);
    else
        message_unref(arg);
}

// Any worker will do: the queue hands it to the one that owns its site.
static void enqueue(struct outgoing *o)
{
    struct relay *relay = o->r->relay;
    if (o->r->stopping)
        return; // it is in the spool, and the next start finds it there
    worker_call(relay->workers[o->row.message % relay->nworkers], outgoing_enqueue, o->message);
    o->message = NULL;
}

static void outgoing_saved(struct sendings *found, const struct why *why, void *arg)
{
    struct outgoing *o = arg;
    (void)found;
    o->unsaved = why != NULL;
    if (why && !o->r->stopping)
        return; // the timer comes back to it
    if (!why)
        outgoing_tell(o);
    if (!why && o->row.state == SENDING_QUEUED)
        enqueue(o);
    outgoing_free(o);
}

static void save(struct outgoing *o)
{
    o->unsaved = false;
    state_sendings_put(o->r->relay->state, &o->row, o->r->mail, outgoing_saved, o);
}

static void end(struct outgoing *o, enum sending_state state, const char *answer)
{
    o->row.state = state;
    char *copy = mem_dup(answer); // it may be the row's own
    free(o->row.answer);
    o->row.answer = copy;
    save(o);
}

static void later(struct outgoing *o, const char *answer)
{
    int64_t next = reporter_again(o->r, &o->row);
    if (next != SCHEDULE_NEVER)
        o->row.next_ms = next;
    end(o, next == SCHEDULE_NEVER ? SENDING_FAILED : SENDING_WAITS, answer);
}

static void begin_time(struct outgoing *o)
{
    if (!o->row.until_ms)
        o->row.until_ms = clock_ms() + SCHEDULE_TRY_MS;
}

static void begin_attempt(struct outgoing *o)
{
    o->row.attempts++;
    begin_time(o);
}

// --- a domain's record ---

static bool knows(const struct strings *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->at[i], text) == 0)
            return true;
    return false;
}

// Each address once, in the one spelling; what is none, or suppressed, is left out and `why` says so.
static void usable_addresses(struct outgoing *o, const struct strings *rua, struct strings *out,
                             struct why *why)
{
    struct report_target target;
    for (size_t i = 0; i < rua->n; i++) {
        if (report_target_parse(span_text(rua->at[i]), &target, why) < 0)
            continue;
        if (reporter_suppresses(o->r, target.host)) {
            why_set(why, WHY_OURS, "5.7.0", "tls_report.suppress names %s", target.host);
        } else if (!knows(out, target.text)) {
            out->at = mem_grow(out->at, out->n + 1, sizeof *out->at);
            out->at[out->n++] = mem_dup(target.text);
        }
        report_target_free(&target);
    }
}

static void outgoing_expanded(struct sendings *found, const struct why *why, void *arg)
{
    (void)found;
    if (why)
        give_back(arg);
    else
        outgoing_free(arg);
}

static void read_record(struct outgoing *o, const struct span *texts, size_t n)
{
    struct strings rua = {0}, out = {0};
    struct why why;
    bool found = false;
    int rc = tlsrpt_record_parse(texts, n, &rua, &found, &why);
    if (rc == 0 && found)
        usable_addresses(o, &rua, &out, &why);
    if (out.n) {
        char *count = mem_printf("%zu address%s", out.n, out.n == 1 ? "" : "es");
        free(o->row.answer);
        o->row.answer = count;
        state_sendings_expand(o->r->relay->state, &o->row, &out, o->r->mail, outgoing_expanded, o);
    } else {
        end(o, SENDING_NONE, why_is_set(&why) ? why.text : "no TLS-RPT record");
    }
    tlsrpt_rua_free(&rua);
    tlsrpt_rua_free(&out);
}

static void outgoing_record_came(const struct dns_answer *answer, void *arg)
{
    struct outgoing *o = arg;
    struct buf bytes[RECORDS_MAX];
    struct span texts[RECORDS_MAX];
    size_t n = 0;
    o->dns = NULL;
    if (answer->outcome == DNS_FAILED) {
        later(o, answer->why.text);
        return;
    }
    for (size_t i = 0; i < answer->nrecords && n < RECORDS_MAX; i++) {
        buf_init(&bytes[n], RECORD_BYTES);
        if (rdata_txt(answer->records[i].rdata, &bytes[n])) {
            texts[n] = buf_span(&bytes[n]);
            n++;
        } else {
            buf_free(&bytes[n]);
        }
    }
    read_record(o, texts, n);
    while (n)
        buf_free(&bytes[--n]);
}

static void outgoing_look_up(struct outgoing *o)
{
    begin_attempt(o);
    if (o->row.domain[0] == '[') {
        end(o, SENDING_NONE, "an address has no TLS-RPT record");
    } else if (reporter_suppresses(o->r, o->row.domain)) {
        end(o, SENDING_NONE, "tls_report.suppress names it");
    } else {
        char *name = mem_printf("_smtp._tls.%s", o->row.domain);
        o->dns = dns_ask(o->r->relay->dns, o->r->mail, name, DNS_TXT, outgoing_record_came, o);
        free(name);
    }
}

// --- mail ---

static void outgoing_stored(struct item *item)
{
    struct outgoing *o = list_of(item, struct outgoing, write.item);
    if (o->write.failed) {
        later(o, o->write.why.text);
        return;
    }
    end(o, SENDING_QUEUED, "in the queue");
}

// A body that does not stay in memory goes to its file first.
static int store_body(struct outgoing *o, struct why *why)
{
    struct message *m = o->message;
    if (m->body.len <= MAX_MEMORY_BODY)
        return 0;
    struct buf body = {0};
    buf_move(&body, &m->body);
    buf_init(&m->body, MAX_MEMORY_BODY);
    struct spool_large *large = spool_large_begin(o->r->relay->spool, why);
    int rc = large ? spool_large_write(large, body.data, body.len, why) : -1;
    if (rc == 0)
        rc = spool_large_finish(large, m, why);
    else
        spool_large_abort(large);
    buf_free(&body);
    return rc;
}

static void store(struct outgoing *o)
{
    struct why why;
    if (store_body(o, &why) < 0) {
        later(o, why.text);
        return;
    }
    o->write.item.run = outgoing_stored;
    o->write.reply = o->r->mail;
    o->write.message = o->message;
    spool_store(o->r->relay->spool, &o->write);
}

static void compose(struct outgoing *o, const char *report_id)
{
    const struct config *config = o->r->setup->config;
    const struct report_document d = {.from = config->tls_report.from,
                                      .hostname = config->hostname,
                                      .domain = o->row.domain,
                                      .report_id = report_id,
                                      .day = o->row.day,
                                      .packed = buf_span(&o->packed)};
    struct why why;
    int64_t now = clock_ms();
    o->message = report_mail(&d, o->target.address, o->target.host, now, now + SCHEDULE_TRY_MS);
    o->row.message = o->message->env.id;
    // Unsigned it is better than not sent: what is wrong with a key has alarms of its own.
    if (ingest_own(o->r->setup, o->message, &why) < 0)
        log_alarm("report", why.reason, "a TLS report is not signed: %s", why.text);
}

// --- HTTPS ---

// One line of what a stranger said.
static void add_words(struct span words, struct buf *out)
{
    struct span line = words, rest;
    span_cut(words, '\n', &line, &rest);
    line = span_trim(line);
    if (line.n > WORDS_SHOWN)
        line = span_slice(line, 0, WORDS_SHOWN);
    if (line.n)
        buf_addc(out, ' ');
    buf_addspan(out, line);
}

static void outgoing_posted(const struct https_post_answer *answer, void *arg)
{
    struct outgoing *o = arg;
    struct buf text;
    o->post = NULL;
    reporter_posted(o->r);
    buf_init(&text, 1024);
    if (answer->status >= 200)
        buf_addf(&text, "%ld", answer->status);
    else
        buf_addf(&text, "%.600s", answer->error ? answer->error : "no final answer");
    if (answer->status >= 200)
        add_words(answer->words, &text);
    bool lost = answer->status < 200 && answer->out;
    o->row.lost += lost;
    if (answer->status >= 200 && answer->status < 300)
        end(o, SENDING_DONE, buf_text(&text));
    else if (lost && o->row.lost > 1)
        end(o, SENDING_UNKNOWN, buf_text(&text));
    else
        later(o, buf_text(&text));
    buf_free(&text);
}

static void outgoing_post(struct outgoing *o)
{
    struct why why;
    struct https *https = reporter_https(o->r, &why);
    const struct https_post_order order = {.host = o->target.host,
                                           .port = o->target.port,
                                           .path = o->target.path,
                                           .type = REPORT_MEDIA_TYPE,
                                           .body = buf_span(&o->packed)};
    if (https)
        o->post = https_post(https, &order, outgoing_posted, o);
    else
        later(o, why.text);
}

// --- a report ---

static void outgoing_claimed(struct sendings *found, const struct why *why, void *arg)
{
    struct outgoing *o = arg;
    (void)found;
    if (why) {
        give_back(o); // nothing has changed, and nothing goes out
    } else if (o->r->stopping) {
        o->row.state = SENDING_WAITS; // so the next start need not wonder
        save(o);
    } else if (o->message) {
        store(o);
    } else {
        outgoing_post(o);
    }
}

static void claim_row(struct outgoing *o)
{
    begin_attempt(o);
    o->row.state = SENDING_CLAIMED;
    state_sendings_put(o->r->relay->state, &o->row, o->r->mail, outgoing_claimed, o);
}

static void ask_fleet(struct outgoing *o, enum claim_kind kind);

static int pack(struct outgoing *o, const struct ledger_rows *rows)
{
    const struct config *config = o->r->setup->config;
    struct report_sender sender = state_report_sender(config);
    sender.id = o->report_id;
    char *json = report_json(&sender, o->row.domain, o->row.day, rows->at, rows->n);
    buf_init(&o->packed, REPORT_BYTES_MAX);
    int rc = report_pack(span_text(json), &o->packed);
    free(json);
    if (rc == 0 && o->target.way == REPORT_MAIL) {
        char *id = report_id(&sender, o->row.domain, o->row.day);
        compose(o, id);
        free(id);
    }
    return rc;
}

static void outgoing_rows_came(struct ledger_rows *rows, const struct why *why, void *arg)
{
    struct outgoing *o = arg;
    if (o->r->stopping)
        outgoing_free(o);
    else if (why)
        give_back(o);
    else if (!rows->n)
        end(o, SENDING_FAILED, "the ledger has nothing of that day any more");
    else if (pack(o, rows) < 0)
        end(o, SENDING_FAILED, "too large");
    else if (o->report_id)
        ask_fleet(o, CLAIM_GO);
    else
        claim_row(o);
}

// --- the fleet ---

// What is not to be had now: asked for again, for as long as a report is tried.
static void wait_for_fleet(struct outgoing *o, const char *words, enum sending_state last)
{
    struct sending row = o->row;
    row.attempts += !row.attempts;
    int64_t next = reporter_again(o->r, &row), most = clock_ms() + FLEET_WAIT_MS;
    if (next != SCHEDULE_NEVER)
        o->row.next_ms = next < most ? next : most;
    end(o, next == SCHEDULE_NEVER ? last : SENDING_WAITS, words);
}

static void take_over(struct outgoing *o, struct claim_answer *answer)
{
    o->row.claim = answer->number;
    free(o->report_id);
    o->report_id = answer->report_id;
    answer->report_id = NULL;
    outgoing_rows_came(&answer->rows, NULL, o);
}

static void outgoing_fleet_answered(struct claim_answer *answer, void *arg)
{
    struct outgoing *o = arg;
    o->question = NULL;
    o->others = answer->verdict == CLAIM_OTHERS;
    if (answer->verdict == CLAIM_OVER)
        end(o, SENDING_NONE, answer->words);
    else if (answer->verdict == CLAIM_NOTHING)
        end(o, SENDING_FAILED, answer->words);
    else if (answer->verdict != CLAIM_MINE)
        wait_for_fleet(o, answer->words, o->others ? SENDING_NONE : SENDING_FAILED);
    else if (answer->number)
        take_over(o, answer);
    else
        claim_row(o);
}

static void ask_fleet(struct outgoing *o, enum claim_kind kind)
{
    const struct claim_question q = {.kind = kind,
                                     .day = o->row.day,
                                     .domain = o->row.domain,
                                     .rua = o->row.rua,
                                     .report_id = o->report_id,
                                     .number = o->row.claim,
                                     .message = o->row.message,
                                     .patient = clock_ms() < o->row.until_ms - SCHEDULE_TRY_MS / 2,
                                     .by_hand = o->row.by_hand};
    o->question = claims_ask(o->r->relay->claims, &q, o->r->mail, outgoing_fleet_answered, o);
}

// Whoever claims it first, the id that it is given says nothing of a node.
static void ask_for_claim(struct outgoing *o)
{
    struct report_sender sender = state_report_sender(o->r->setup->config);
    sender.node = NULL;
    o->report_id = report_id(&sender, o->row.domain, o->row.day);
    begin_time(o);
    ask_fleet(o, CLAIM_TAKE);
}

static void prepare(struct outgoing *o)
{
    struct why why;
    if (report_target_parse(span_text(o->row.rua), &o->target, &why) < 0) {
        end(o, SENDING_NONE, why.text);
        return;
    }
    if (reporter_suppresses(o->r, o->row.domain) || reporter_suppresses(o->r, o->target.host)) {
        end(o, SENDING_NONE, "tls_report.suppress names it");
        return;
    }
    if (o->r->relay->claims && claims_of_day(o->r->relay->claims, o->row.day) != 0) {
        ask_for_claim(o);
        return;
    }
    const struct state_query query = {
        .view = STATE_REPORT, .domain = o->row.domain, .result = -1, .day = o->row.day};
    state_ask(o->r->relay->state, &query, o->r->mail, outgoing_rows_came, o);
}

void outgoing_start(struct reporter *r, const struct sending *row)
{
    struct outgoing *o = mem_new(sizeof *o);
    o->r = r;
    list_init(&o->list);
    sending_copy(&o->row, row);
    list_append(&r->running, &o->list);
    r->nrunning++;
    if (outgoing_is_record(o))
        outgoing_look_up(o);
    else
        prepare(o);
}

bool outgoing_is(const struct reporter *r, const struct sending *row)
{
    list_each (it, &r->running) {
        const struct sending *one = &list_of(it, struct outgoing, list)->row;
        if (one->day == row->day && strcmp(one->domain, row->domain) == 0 &&
            strcmp(one->rua, row->rua) == 0)
            return true;
    }
    return false;
}

void outgoing_save_again(struct reporter *r)
{
    list_each_safe (it, &r->running) {
        struct outgoing *o = list_of(it, struct outgoing, list);
        if (o->unsaved)
            save(o);
    }
}

void outgoing_cancel(struct reporter *r, bool posts)
{
    list_each_safe (it, &r->running) {
        struct outgoing *o = list_of(it, struct outgoing, list);
        if (o->dns || o->unsaved || o->question || (posts && o->post)) {
            claims_cancel(o->question);
            dns_cancel(o->dns);
            https_cancel(o->post);
            if (o->post)
                reporter_posted(r);
            outgoing_free(o);
        }
    }
}
