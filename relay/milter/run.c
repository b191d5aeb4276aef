// SPDX-License-Identifier: ISC
// The filters of one message, one after the other, and what comes of them together.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/milter/inside.h"

struct milter_run {
    struct milter_client client;
    struct milter_mail mail;
    struct milter_result result;
    struct milter_session *session; // with filter `at`; NULL: it is over
    size_t at;
    uint64_t ends_ms;
    milter_fn *done;
    void *arg;
};

bool milter_wanted(const struct config *config, const struct cfg_sender *row)
{
    for (size_t i = 0; i < config->nmilters; i++)
        if (config_filters(row, &config->milters[i]))
            return true;
    return false;
}

static void milter_run_heard(void *arg);

static void run_ask(struct milter_run *run)
{
    const struct cfg_milter *filter = &run->client.config->milters[run->at];
    run->session = milter_session_new(&run->client.worker->loop, filter, &run->client, &run->mail,
                                      run->ends_ms, milter_run_heard, run);
}

static bool run_next(struct milter_run *run)
{
    const struct config *config = run->client.config;
    while (run->at < config->nmilters &&
           !config_filters(run->client.row, &config->milters[run->at]))
        run->at++;
    return run->at < config->nmilters;
}

// ---- what one filter came to

static void run_add_change(struct buf *out, const char *word)
{
    if (out->len)
        buf_addc(out, ',');
    buf_adds(out, word);
}

// "header,body,from,rcpts"
static void run_changes(const struct milter_run *run, struct buf *out)
{
    const struct milter_session *s = run->session;
    struct span changes = buf_span(&s->changes);
    struct milter_packet packet;
    struct why why;
    bool header = false, from = false, rcpts = false;
    for (size_t used; milter_take(changes, &packet, &used, &why) == 1;
         changes = span_from(changes, used)) {
        header |= milter_is_field(packet.code);
        from |= packet.code == 'e';
        rcpts |= packet.code == '+' || packet.code == '2' || packet.code == '-';
    }
    if (header)
        run_add_change(out, "header");
    if (run->result.body_by == s->filter->name)
        run_add_change(out, "body");
    if (from)
        run_add_change(out, "from");
    if (rcpts)
        run_add_change(out, "rcpts");
}

static void run_log(const struct milter_run *run, const char *name, enum milter_noted noted,
                    const char *reason)
{
    struct logline line;
    struct buf changes;
    buf_init(&changes, 64);
    if (noted == NOTED_CHANGED || noted == NOTED_HELD)
        run_changes(run, &changes);
    log_begin(&line, noted == NOTED_ACCEPTED ? LOG_DEBUG : LOG_INFO, "filter",
              run->mail.message->env.id);
    log_text(&line, "milter", name);
    log_text(&line, "result", milter_noted_word(noted));
    log_text(&line, "changes", changes.len ? buf_text(&changes) : NULL);
    log_text(&line, "reason", reason);
    log_seconds(&line, "delay", (int64_t)(clock_mono_ms() - run->session->began_ms));
    log_end(&line);
    buf_free(&changes);
}

static void run_note(struct milter_run *run, const char *name, enum milter_noted noted,
                     const char *reason)
{
    struct relay *relay = run->client.worker->relay;
    run_log(run, name, noted, reason);
    milter_book_note(relay->milters, name, noted, noted == NOTED_FAILED ? reason : NULL);
}

static void run_refuse(struct milter_run *run, const char *name, const struct milter_reply *reply)
{
    struct milter_result *r = &run->result;
    r->verdict = MILTER_REFUSE;
    r->filter = name;
    r->code = reply->code;
    why_say(&r->why, FILTER_REFUSED, reply->text);
    why_status(&r->why, reply->status);
    run_note(run, name, reply->code < 500 ? NOTED_DEFERRED : NOTED_REFUSED, reply->text);
}

// No word of the filter counts: its default does.
static void run_failed(struct milter_run *run, const struct cfg_milter *filter,
                       const struct why *why)
{
    struct milter_result *r = &run->result;
    run_note(run, filter->name, NOTED_FAILED, why->text);
    if (filter->on_failure == MILTER_QUARANTINE)
        milter_mail_hold(r, filter->name, span_text(why->text));
    if (filter->on_failure != MILTER_TEMPFAIL)
        return;
    r->verdict = MILTER_REFUSE;
    r->filter = filter->name;
    r->code = 451;
    why_say(&r->why, FILTER_AWAY, filter->name);
}

static void run_accepted(struct milter_run *run, const struct cfg_milter *filter)
{
    struct milter_session *s = run->session;
    struct why why;
    bool held = run->result.hold != NULL;
    if (milter_mail_change(&run->mail, &run->client, filter->name, buf_span(&s->changes),
                           s->options.steps & MILTER_LEADING_SPACE, &why) < 0) {
        run_failed(run, filter, &why);
        return;
    }
    if (s->body) {
        milter_body_free(run->mail.body);
        run->mail.body = s->body;
        s->body = NULL;
        run->result.body_by = filter->name;
    }
    bool holds = !held && run->result.hold;
    enum milter_noted noted = holds                                                ? NOTED_HELD
                              : s->nchanges || run->result.body_by == filter->name ? NOTED_CHANGED
                                                                                   : NOTED_ACCEPTED;
    run_note(run, filter->name, noted, holds ? run->result.hold : NULL);
}

static void milter_run_heard(void *arg)
{
    struct milter_run *run = arg;
    struct milter_session *s = run->session;
    const struct cfg_milter *filter = s->filter;
    switch (s->outcome) {
    case OUTCOME_ACCEPTED:
        run_accepted(run, filter);
        break;
    case OUTCOME_REFUSED:
        run_refuse(run, filter->name, &s->reply);
        break;
    case OUTCOME_DISCARDED:
        run->result.verdict = MILTER_DISCARD;
        run->result.filter = filter->name;
        run_note(run, filter->name, NOTED_DISCARDED, NULL);
        break;
    case OUTCOME_FAILED:
    case OUTCOME_NONE:
        run_failed(run, filter, &s->why);
        break;
    }
    run->session = NULL;
    milter_session_free(s);
    run->at++;
    if (run->result.verdict == MILTER_PASS && run_next(run))
        run_ask(run);
    else
        run->done(run->arg);
}

// ---- life

struct milter_run *milter_start(const struct milter_client *client, struct message *message,
                                struct buf *header, milter_fn *done, void *arg)
{
    struct milter_run *run = mem_new(sizeof *run);
    run->client = *client;
    run->done = done;
    run->arg = arg;
    run->ends_ms = clock_mono_ms() + MILTER_PATIENCE_MS;
    milter_mail_begin(&run->mail, message, header, &run->result);
    if (run_next(run)) // milter_wanted said so
        run_ask(run);
    return run;
}

const struct milter_result *milter_answer(const struct milter_run *run)
{
    return &run->result;
}

struct body_hashes *milter_take_body(struct milter_run *run, struct message *message,
                                     uint64_t *longest)
{
    return milter_body_take(run->mail.body, message, longest);
}

void milter_free(struct milter_run *run)
{
    if (!run)
        return;
    milter_session_free(run->session);
    milter_mail_end(&run->mail);
    for (size_t i = 0; i < run->result.nrcpts; i++)
        free(run->result.rcpts[i].address);
    free(run->result.rcpts);
    free(run->result.hold);
    free(run->result.from);
    buf_free(&run->result.header);
    free(run);
}

// ---- commands

static void milter_run_probed(void *arg)
{
    uv_stop(arg);
}

int milter_probe(const struct cfg_milter *filter, struct why *why)
{
    uv_loop_t loop;
    if (uv_loop_init(&loop) < 0)
        return why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop");
    struct milter_session *s = milter_session_new(
        &loop, filter, NULL, NULL, clock_mono_ms() + MILTER_PATIENCE_MS, milter_run_probed, &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    int rc = s->outcome == OUTCOME_ACCEPTED ? 0 : -1;
    if (rc < 0)
        *why = s->why;
    milter_session_free(s);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc;
}
