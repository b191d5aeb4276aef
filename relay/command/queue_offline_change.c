// SPDX-License-Identifier: ISC
// `waxwing queue hold|release|retry|redirect|remove|bounce --offline`: what the running relay does, done to the spool of a
// stopped one. All of it is on disk before the count is told.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/queue_offline.h"
#include "relay/ingest/ingest.h"
#include "relay/queue/dsn.h"

#define CHANGE_NOTED 2000 // results after which the spool has its turn

struct change {
    struct offline *o;
    bool dry;
    uint64_t done, looked, told_ms;
    struct relay *relay; // bounce: for its counters alone
    struct setup *setup; // bounce: the keys that sign
    int status;
};

static bool is(const struct change *c, const char *verb)
{
    return strcmp(c->o->call->verb, verb) == 0;
}

static bool applies(const struct change *c, const struct message *m, const struct recipient *r)
{
    bool held = r->next_ms == INT64_MAX;
    const char *next_hop = r->next_hop ? r->next_hop : "";
    return offline_chosen(c->o, m, r) && !(is(c, "hold") && held) && !(is(c, "release") && !held) &&
           !(is(c, "retry") && held) &&
           !(is(c, "redirect") && strcmp(next_hop, c->o->call->next_hop) == 0);
}

static void wait_for_disk(const struct offline *o)
{
    struct item item = {0};
    spool_barrier(o->spool, &item, o->inbox);
    inbox_wait(o->inbox, -1);
}

static void change_note(struct change *c, const struct message *m, const struct recipient *r,
                        enum spool_outcome outcome, const struct why *why)
{
    bool held = is(c, "hold") || (is(c, "redirect") && r->next_ms == INT64_MAX);
    struct spool_result result = {.id = m->env.id,
                                  .address = r->address,
                                  .outcome = outcome,
                                  .attempts = r->attempts,
                                  .next_ms = held ? INT64_MAX : clock_ms(),
                                  .delay_warned = r->delay_warned,
                                  .next_hop = c->o->call->next_hop,
                                  .why = why};
    spool_note(c->o->spool, &result);
    if (c->done % CHANGE_NOTED == 0)
        wait_for_disk(c->o);
}

// The report about these recipients, stored; NULL content: the message cannot be read any more.
static int store_report(struct change *c, struct message *m, const struct dsn_row *rows, size_t n)
{
    struct why why;
    struct message *whole = spool_find(c->o->spool, m->env.id, &why);
    struct content *content = whole ? content_take(c->relay, whole) : NULL;
    struct dsn dsn = {.config = c->o->config,
                      .kind = DSN_FAILED,
                      .about = m,
                      .content = content,
                      .rows = rows,
                      .nrows = n,
                      .now_ms = clock_ms()};
    struct message *report = dsn_compose(&dsn);
    struct spool_write write = {.reply = c->o->inbox, .message = report};
    if (report && ingest_own(c->setup, report, &why) < 0)
        fprintf(stderr, "waxwing: a report is not signed: %s\n", why.text);
    if (report) {
        spool_store(c->o->spool, &write);
        inbox_wait(c->o->inbox, -1);
    }
    content_unref(content);
    message_unref(whole);
    message_unref(report);
    return write.failed ? offline_fail(&write.why) : EXIT_YES;
}

// The sender is told first: a recipient ends when its report is on disk.
static void change_bounce(struct change *c, struct message *m, const struct recipient **which,
                          size_t n)
{
    struct why why;
    why_set(&why, WHY_MESSAGE, "5.7.1", "the operator of this relay returned the message");
    struct dsn_row *rows = mem_new(n * sizeof *rows);
    size_t owed = 0;
    for (size_t i = 0; i < n; i++)
        if (outcome_owes(&m->env, which[i], DSN_FAILED))
            rows[owed++] = (struct dsn_row){.recipient = which[i],
                                            .why = &why,
                                            .returned = true,
                                            .attempts = which[i]->attempts,
                                            .tried_ms = clock_ms()};
    int status = owed ? store_report(c, m, rows, owed) : EXIT_YES;
    free(rows);
    c->status = status ? status : c->status;
    for (size_t i = 0; i < n && !status; i++) {
        c->done++;
        change_note(c, m, which[i], SPOOL_FAILED, &why);
    }
}

static void change_message(struct change *c, struct message *m)
{
    const struct recipient **which = mem_new((m->env.nrcpts ? m->env.nrcpts : 1) * sizeof *which);
    size_t n = 0;
    for (size_t i = 0; i < m->env.nrcpts; i++)
        if (applies(c, m, &m->env.rcpts[i]))
            which[n++] = &m->env.rcpts[i];
    c->looked += m->env.nrcpts;
    if (n && !c->dry && is(c, "bounce")) {
        change_bounce(c, m, which, n);
    } else {
        enum spool_outcome outcome = is(c, "remove") ? SPOOL_REMOVED : SPOOL_DEFERRED;
        for (size_t i = 0; i < n; i++) {
            c->done++;
            if (!c->dry)
                change_note(c, m, which[i], outcome, NULL);
        }
    }
    free(which);
}

static void tell_change(struct change *c, size_t i)
{
    uint64_t now = clock_mono_ms();
    if (!isatty(STDERR_FILENO) || now - c->told_ms < 250)
        return;
    c->told_ms = now;
    queue_progress(c->dry ? "count" : c->o->call->verb, c->done, i, c->o->n);
}

static uint64_t change_all(struct change *c, bool dry)
{
    c->dry = dry;
    c->done = 0;
    c->told_ms = clock_mono_ms();
    for (size_t i = 0; i < c->o->n; i++) {
        change_message(c, c->o->at[i]);
        tell_change(c, i);
    }
    if (isatty(STDERR_FILENO))
        queue_progress_end();
    if (!dry)
        wait_for_disk(c->o);
    return c->done;
}

static int begin_bounce(struct change *c)
{
    struct config_load load;
    config_load_init(&load);
    c->relay = mem_new(sizeof *c->relay);
    c->setup = setup_new(c->o->config, &load);
    if (!c->setup)
        fputs(buf_text(&load.errors), stderr);
    config_load_free(&load);
    return c->setup ? EXIT_YES : EXIT_CONFIG;
}

int offline_change(struct offline *o)
{
    struct change c = {.o = o};
    uint64_t n = change_all(&c, true);
    struct queue_done done = {.recipients = n};
    if (!n && o->call->filter.nids)
        return offline_none(o);
    if (!o->call->dry && n && (o->call->all || o->call->filtered) && !queue_agreed(o->call, n)) {
        fputs("nothing was done\n", stderr);
        return EXIT_NO;
    }
    c.status = n && !o->call->dry && is(&c, "bounce") ? begin_bounce(&c) : EXIT_YES;
    if (n && !o->call->dry && c.status == EXIT_YES)
        done.recipients = change_all(&c, false);
    if (c.status == EXIT_YES || done.recipients < n)
        queue_print_done(o->call, &done);
    setup_unref(c.setup);
    free(c.relay);
    return c.status;
}
