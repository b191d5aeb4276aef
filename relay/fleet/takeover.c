// SPDX-License-Identifier: ISC
// The watch over the others, and the claim.
#include "relay/fleet/takeover.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/lease.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/fleet/ending.h"
#include "relay/fleet/evacuation.h"
#include "relay/fleet/holder.h"
#include "relay/fleet/import.h"
#include "relay/fleet/self.h"
#include "relay/log/log.h"

#define TELL_MS 3600000 // how often the same trouble is told

// Another node, as it was seen last.
struct other {
    unsigned number;
    char name[SELF_NAME];
    int64_t epoch, count;
    uint64_t ms;
    bool ended;
    bool asked;        // somebody wants its mail here
    uint64_t since_ms; // its lease is as it is since then; by clock_boot_ms()
};

struct takeover {
    struct takeover_options options;
    int stop;
    pthread_t thread;
    bool running;
    struct session *session;
    struct tables tables;
    struct import import, alone; // of logs; of what stands on this disk alone
    uint64_t
        not_before_ms; // after an outage nobody can be told from who could not say that he lives
    bool pending;      // logs were claimed or given, and are not all through
    bool met[SELF_NUMBERS + 1]; // nodes that gave theirs, by number, of the present ones
    bool joined;                // nothing stands on this disk alone
    pthread_mutex_t lock;
    struct other others[SELF_NUMBERS];
    size_t n;
};

static bool is_over(const struct other *o)
{
    return holder_lapsed(o->since_ms, o->ms);
}

// ---- the watch

static struct other *takeover_find(struct takeover *t, unsigned number)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->others[i].number == number)
            return &t->others[i];
    return NULL;
}

static void see_row(struct takeover *t, const struct rows *rows, size_t i, struct other *out)
{
    const struct other *before = takeover_find(t, (unsigned)rows_number(rows, i, 0));
    *out = (struct other){.number = (unsigned)rows_number(rows, i, 0),
                          .epoch = rows_number(rows, i, 2),
                          .count = rows_number(rows, i, 3),
                          .ms = (uint64_t)rows_number(rows, i, 4),
                          .ended = rows_true(rows, i, 5)};
    snprintf(out->name, sizeof out->name, "%s", rows_text(rows, i, 1));
    bool same = before && before->epoch == out->epoch && before->count == out->count;
    out->since_ms = same ? before->since_ms : clock_boot_ms();
    out->asked = same && before->asked; // whoever came back meanwhile is not asked for
}

// Those that have a lease and mail in the journal.
static int look(struct takeover *t, struct why *why)
{
    char node[SESSION_NUMBER];
    const char *const params[] = {node};
    struct rows *rows = NULL;
    session_number(node, t->options.node);
    if (session_run(t->session,
                    "SELECT l.node, n.name, l.epoch, r.count, l.ms, l.ended FROM waxwing.lease AS l"
                    " JOIN waxwing.renewal AS r USING(node) JOIN waxwing.node AS n"
                    " ON n.number = l.node WHERE l.node <> $1::smallint"
                    " AND EXISTS(SELECT FROM waxwing.log AS o WHERE o.node = l.node) LIMIT 255",
                    params, 1, &rows, why) < 0)
        return -1;
    size_t n = rows_count(rows);
    struct other *now = mem_new((n + 1) * sizeof *now);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++)
        see_row(t, rows, i, &now[i]);
    memcpy(t->others, now, n * sizeof *now);
    t->n = n;
    pthread_mutex_unlock(&t->lock);
    free(now);
    rows_free(rows);
    return 0;
}

static int takeover_connect(struct takeover *t, struct why *why)
{
    if (t->session)
        return 0;
    if (journal_tables(t->options.journal, &t->tables, t->stop, why) < 0)
        return -1;
    t->session = t->tables.session;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n; i++)
        t->others[i].since_ms = clock_boot_ms();
    pthread_mutex_unlock(&t->lock);
    t->not_before_ms = clock_boot_ms() + 2 * t->options.lease_ms;
    return 0;
}

static void takeover_disconnect(struct takeover *t)
{
    session_close(t->session);
    t->session = NULL;
}

// ---- the claim

// 0: won, or lost to somebody else; -1 with why: the database.
static int claim_node(struct takeover *t, const struct other *o, struct why *why)
{
    char node[SESSION_NUMBER], epoch[SESSION_NUMBER], of[SESSION_NUMBER], seen[SESSION_NUMBER],
        count[SESSION_NUMBER];
    const char *const params[] = {node, epoch, of, seen, count};
    struct rows *rows = NULL;
    session_number(node, t->options.node);
    session_number(epoch, t->tables.epoch);
    session_number(of, o->number);
    session_number(seen, o->epoch);
    session_number(count, o->count);
    if (session_run(t->session,
                    "SELECT waxwing.lease_claim($1::smallint, $2::bigint, $3::smallint, $4::bigint,"
                    " $5::bigint)",
                    params, 5, &rows, why) < 0) {
        t->pending |= !session_state(t->session)[0]; // not heard of: it may be won
        return strcmp(session_state(t->session), "WX002") == 0 ? 0 : -1;
    }
    rows_free(rows);
    t->pending = true;
    log_alarm("fleet", REASON_NONE, "node %s %s: its mail goes on here", o->name,
              o->ended ? "was stopped, and is asked for" : "does not live any more");
    return 0;
}

static bool next_claim(struct takeover *t, struct other *out)
{
    bool found = false;
    bool early = clock_boot_ms() < t->not_before_ms;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n && !found; i++) {
        struct other *o = &t->others[i];
        bool over = is_over(o) && !early;
        found = o->ended ? o->asked : over;
        if (found)
            *out = *o;
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

static int claim_all(struct takeover *t, struct why *why)
{
    struct other o;
    int rc = 0;
    while (rc == 0 && lease_held() && next_claim(t, &o)) {
        rc = claim_node(t, &o, why);
        if (rc == 0)
            rc = look(t, why);
    }
    return rc;
}

// Who was evacuated to here has given its logs: they are this node's.
static int meet_arrivals(struct takeover *t, struct why *why)
{
    struct evacuation_arrival *at;
    size_t n;
    if (evacuation_arrivals(t->session, t->options.node, &at, &n, why) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (at[i].node > SELF_NUMBERS || t->met[at[i].node])
            continue;
        log_event("fleet", "node %s was evacuated: its %lld messages go on here", at[i].name,
                  (long long)at[i].messages);
        t->met[at[i].node] = t->pending = true;
    }
    free(at);
    return 0;
}

// Whoever waits for it may know. What is not told now is told as little as what a start took in.
static void tell_through(struct takeover *t)
{
    struct why why;
    int rc = 0;
    for (unsigned node = 1; node <= SELF_NUMBERS; node++) {
        if (t->met[node] && rc == 0)
            rc = evacuation_through(t->session, t->options.node, node, &why);
        t->met[node] = false;
    }
    if (rc < 0)
        takeover_disconnect(t);
}

static int take_logs(struct takeover *t, struct why *why)
{
    size_t n;
    int rc = import_logs(&t->import, &n, why);
    t->pending = rc < 0 || t->import.late;
    if (n || !t->pending)
        log_event("fleet", "%zu messages were taken over", n);
    if (!t->pending)
        tell_through(t);
    return rc;
}

// ---- the thread

static void takeover_join(struct takeover *t)
{
    struct why why;
    size_t n = 0;
    t->joined = import_alone(&t->alone, t->options.left, &n, &why) == 0;
    if (n)
        log_event("fleet", "%zu messages that stood on this disk alone are in the journal", n);
    if (!t->joined && !ending_asked(t->stop, 0))
        log_alarm_once("fleet", why.reason, "joining", TELL_MS,
                       "what stands on this disk alone is not all in the journal yet: %s",
                       why.text);
}

static int takeover_turn(struct takeover *t, struct why *why)
{
    if (takeover_connect(t, why) < 0)
        return -1;
    if (look(t, why) < 0 || claim_all(t, why) < 0 || meet_arrivals(t, why) < 0) {
        takeover_disconnect(t);
        return -1;
    }
    return t->pending ? take_logs(t, why) : 0;
}

static void *takeover_run(void *arg)
{
    naming_thread("takeover");
    struct takeover *t = arg;
    struct why why;
    do {
        if (!t->joined)
            takeover_join(t);
        int rc = takeover_turn(t, &why);
        if (rc < 0 && t->pending && !ending_asked(t->stop, 0))
            log_alarm_once("fleet", REASON_NONE, "takeover", TELL_MS,
                           "what was taken over is not all here yet: %s", why.text);
    } while (!ending_asked(t->stop, t->options.lease_ms / 4));
    return NULL;
}

struct takeover *takeover_open(const struct takeover_options *options, struct why *why)
{
    struct takeover *t = mem_new(sizeof *t);
    t->options = *options;
    t->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->import = (struct import){.journal = options->journal,
                                .spool = options->spool,
                                .directory = options->directory,
                                .stop = t->stop,
                                .each = options->add,
                                .arg = options->arg};
    t->alone = t->import;
    t->pending = options->pending;
    pthread_mutex_init(&t->lock, NULL);
    t->running = t->stop >= 0 && pthread_create(&t->thread, NULL, takeover_run, t) == 0;
    if (t->running)
        return t;
    why_set(why, WHY_OURS, "4.3.0", "the thread that takes over cannot be started");
    takeover_close(t);
    return NULL;
}

int takeover_ask(struct takeover *t, const char *name, struct why *why)
{
    int rc = -1;
    why_set(why, WHY_OURS, "4.3.0", "no other node of the name %s has mail in the journal", name);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n && rc < 0; i++) {
        struct other *o = &t->others[i];
        if (strcmp(o->name, name) != 0)
            continue;
        o->asked = true;
        rc = o->ended || is_over(o) ? 0 : -1;
        if (rc < 0)
            why_set(why, WHY_OURS, "4.3.0", "%s lives, or did until a moment ago; stop it first",
                    name);
        o->asked = rc == 0;
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

void takeover_close(struct takeover *t)
{
    if (!t)
        return;
    if (t->running) {
        eventfd_write(t->stop, 1);
        pthread_join(t->thread, NULL);
    }
    takeover_disconnect(t);
    import_end(&t->import);
    import_end(&t->alone);
    if (t->stop >= 0)
        close(t->stop);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
