// SPDX-License-Identifier: ISC
// The rows of daily reports in the state database: the SQL, and the door to it for other threads.
#include "relay/state/reports.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/state/inside.h"

#define GONE_ANSWER     "it has left the queue; what its host said was not recorded"
#define TAKEN_ANSWER    "another node may have sent it on"
#define LOST_ANSWER     "the answer was lost with a restart"
#define LONGEST_WAIT_MS (2 * LEDGER_DAY_MS) // a morning, or a day of attempts, and then some

const char *sending_state_word(enum sending_state state)
{
    static const char *const words[] = {
        [SENDING_WAITS] = "waiting", [SENDING_CLAIMED] = "sending", [SENDING_QUEUED] = "queued",
        [SENDING_DONE] = "sent",     [SENDING_FAILED] = "failed",   [SENDING_UNKNOWN] = "unknown",
        [SENDING_NONE] = "none"};
    return words[state];
}

void sending_copy(struct sending *to, const struct sending *from)
{
    *to = *from;
    to->domain = mem_dup(from->domain);
    to->rua = mem_dup(from->rua);
    to->answer = mem_dup(from->answer);
}

void sending_clear(struct sending *s)
{
    free(s->domain);
    free(s->rua);
    free(s->answer);
    s->domain = s->rua = s->answer = NULL;
}

void sendings_free(struct sendings *all)
{
    for (size_t i = 0; i < all->n; i++)
        sending_clear(&all->at[i]);
    free(all->at);
    *all = (struct sendings){0};
}

// One thing that is asked of the state thread, with whatever it needs.
struct errand {
    struct state_work work; // first
    sendings_fn *fn;        // NULL: nobody waits
    void *arg;
    struct sending row;
    struct strings rua;
    struct sending_plan plan;
    struct sending_query query;
    char *domain; // the plan's or the query's
    size_t limit;
    bool by_hand;
    uint64_t *mails;
    size_t nmails;
    bool taken; // the spool's mail may be another node's by now
    struct sendings found;
};

static struct errand *errand_of(struct state_work *work)
{
    return (struct errand *)work;
}

static void reports_errand_done(struct item *item)
{
    struct errand *e = errand_of(list_of(item, struct state_work, item));
    if (e->fn)
        e->fn(&e->found, why_is_set(&e->work.why) ? &e->work.why : NULL, e->arg);
    sendings_free(&e->found);
    sending_clear(&e->row);
    for (size_t i = 0; i < e->rua.n; i++)
        free(e->rua.at[i]);
    free(e->rua.at);
    free(e->domain);
    free(e->mails);
    free(e);
}

static struct errand *errand_new(enum db_result (*run)(struct state_db *, struct state_work *,
                                                       struct why *),
                                 struct inbox *reply, sendings_fn *fn, void *arg)
{
    struct errand *e = mem_new(sizeof *e);
    e->work.item.run = reports_errand_done;
    e->work.run = run;
    e->work.reply = reply;
    e->fn = fn;
    e->arg = arg;
    return e;
}

// --- rows read ---

#define COLUMNS                                                                                    \
    "day, domain, rua, state, by_hand, attempts, lost, next_ms, until_ms, changed_ms, message,"    \
    " answer"
// ?1 a domain, "*.domain", or NULL
#define OF_DOMAIN                                                                                  \
    " (?1 IS NULL OR domain = ?1"                                                                  \
    " OR (substr(?1, 1, 2) = '*.' AND length(domain) >= length(?1)"                                \
    " AND substr(domain, -(length(?1) - 1)) = substr(?1, 2)))"

static void reports_read_row(sqlite3_stmt *st, void *arg)
{
    struct sendings *all = arg;
    int state = sqlite3_column_int(st, 3);
    all->at = mem_grow(all->at, all->n + 1, sizeof *all->at);
    all->at[all->n++] = (struct sending){
        .day = sqlite3_column_int64(st, 0),
        .domain = mem_dup(db_column(st, 1)),
        .rua = mem_dup(db_column(st, 2)),
        .state = state >= SENDING_WAITS && state <= SENDING_NONE ? (enum sending_state)state
                                                                 : SENDING_FAILED,
        .by_hand = sqlite3_column_int(st, 4) != 0,
        .attempts = (unsigned)sqlite3_column_int(st, 5),
        .lost = (unsigned)sqlite3_column_int(st, 6),
        .next_ms = sqlite3_column_int64(st, 7),
        .until_ms = sqlite3_column_int64(st, 8),
        .changed_ms = sqlite3_column_int64(st, 9),
        .message = (uint64_t)sqlite3_column_int64(st, 10),
        .answer = mem_dup(db_column(st, 11)),
        .claim = sqlite3_column_int64(st, 12),
    };
}

// What waits for longer than anything does was told a time by a clock that was ahead: it is due.
static enum db_result mend_times(struct state_db *db, struct why *why)
{
    sqlite3_stmt *st = db_prepare(
        db, "UPDATE report SET next_ms = ?2, until_ms = 0 WHERE state = ?1 AND next_ms > ?3", why);
    if (st) {
        sqlite3_bind_int(st, 1, SENDING_WAITS);
        sqlite3_bind_int64(st, 2, clock_ms());
        sqlite3_bind_int64(st, 3, clock_ms() + LONGEST_WAIT_MS);
    }
    return db_finish(db, st, why);
}

static enum db_result reports_run_due(struct state_db *db, struct state_work *work, struct why *why)
{
    struct errand *e = errand_of(work);
    enum db_result rc = mend_times(db, why);
    if (rc != DB_DONE)
        return rc;
    sqlite3_stmt *st =
        db_prepare(db,
                   "SELECT " COLUMNS ", claim FROM report WHERE state = ?1 AND by_hand >= ?2"
                   " ORDER BY next_ms LIMIT ?3",
                   why);
    if (st) {
        sqlite3_bind_int(st, 1, SENDING_WAITS);
        sqlite3_bind_int(st, 2, e->by_hand);
        sqlite3_bind_int64(st, 3, (int64_t)e->limit);
    }
    return db_each(db, st, reports_read_row, &e->found, why);
}

void state_sendings_due(struct state *state, bool by_hand, size_t limit, struct inbox *reply,
                        sendings_fn *fn, void *arg)
{
    struct errand *e = errand_new(reports_run_due, reply, fn, arg);
    e->by_hand = by_hand;
    e->limit = limit;
    state_do(state, &e->work);
}

static enum db_result reports_look(struct state_db *db, const struct sending_query *query,
                                   struct sendings *out, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db,
                                  "SELECT " COLUMNS ", 0 FROM report WHERE" OF_DOMAIN
                                  " AND day >= ?2 AND day < ?3 ORDER BY day DESC, domain, rua"
                                  " LIMIT ?4",
                                  why);
    if (st) {
        if (query->domain)
            db_text(st, 1, query->domain);
        sqlite3_bind_int64(st, 2, query->day);
        sqlite3_bind_int64(st, 3, query->before);
        sqlite3_bind_int64(st, 4, STATE_ROWS);
    }
    return db_each(db, st, reports_read_row, out, why);
}

static enum db_result reports_run_ask(struct state_db *db, struct state_work *work, struct why *why)
{
    struct errand *e = errand_of(work);
    return reports_look(db, &e->query, &e->found, why);
}

void state_sendings_ask(struct state *state, const struct sending_query *query, struct inbox *reply,
                        sendings_fn *fn, void *arg)
{
    struct errand *e = errand_new(reports_run_ask, reply, fn, arg);
    e->work.reads = true;
    e->domain = mem_dup(query->domain);
    e->query = *query;
    e->query.domain = e->domain;
    state_do(state, &e->work);
}

int state_sendings_file(const char *path, const struct sending_query *query, struct sendings *out,
                        struct why *why)
{
    struct state_db db;
    *out = (struct sendings){0};
    if (db_open_reader(&db, path, why) < 0)
        return -1;
    // A database of before reports were sent has no such table, and nothing to tell.
    enum db_result rc =
        db.version < STATE_WITH_REPORTS ? DB_DONE : reports_look(&db, query, out, why);
    db_close_reader(&db);
    if (rc != DB_DONE)
        sendings_free(out);
    return rc == DB_DONE ? 0 : -1;
}

// --- rows made ---

static enum db_result mark_day(struct state_db *db, int64_t day, bool *before, struct why *why)
{
    // A day that has not been yet was marked by a clock that was ahead.
    sqlite3_stmt *future = db_prepare(db, "DELETE FROM report_day WHERE day > ?1", why);
    if (future)
        sqlite3_bind_int64(future, 1, ledger_day(clock_ms()));
    if (db_finish(db, future, why) != DB_DONE)
        return DB_FAILED;
    sqlite3_stmt *st =
        db_prepare(db, "INSERT INTO report_day VALUES(?1) ON CONFLICT DO NOTHING", why);
    if (st)
        sqlite3_bind_int64(st, 1, day);
    enum db_result rc = db_finish(db, st, why);
    *before = rc == DB_DONE && sqlite3_changes(db->sql) == 0;
    return rc;
}

#define ADD_RECORD                                                                                 \
    "INSERT INTO report(" COLUMNS ") SELECT ?2, domain, '', ?3, ?4, 0, 0,"                         \
    " ?5 + (random() & 0x7fffffffffff) % ?6, 0, ?7, 0, ''"
#define OR_ANEW                                                                                    \
    " ON CONFLICT(day, domain, rua) DO UPDATE SET state = excluded.state,"                         \
    " next_ms = excluded.next_ms, until_ms = 0, attempts = 0, by_hand = 1, answer = '',"           \
    " changed_ms = excluded.changed_ms WHERE excluded.by_hand"

static void bind_plan(sqlite3_stmt *st, const struct sending_plan *plan, int64_t day)
{
    sqlite3_bind_int64(st, 2, day);
    sqlite3_bind_int(st, 3, SENDING_WAITS);
    sqlite3_bind_int(st, 4, plan->by_hand);
    sqlite3_bind_int64(st, 5, plan->start_ms);
    sqlite3_bind_int64(st, 6, (int64_t)plan->spread_ms + 1);
    sqlite3_bind_int64(st, 7, clock_ms());
}

static enum db_result reports_run_plan(struct state_db *db, struct state_work *work,
                                       struct why *why)
{
    const struct sending_plan *plan = &errand_of(work)->plan;
    bool before = false;
    enum db_result rc = plan->by_hand ? DB_DONE : mark_day(db, plan->day, &before, why);
    if (rc != DB_DONE || before)
        return rc;
    sqlite3_stmt *st =
        db_prepare(db,
                   ADD_RECORD " FROM (SELECT DISTINCT domain FROM kind WHERE day = ?2 AND" OF_DOMAIN
                              ") WHERE true" OR_ANEW,
                   why);
    if (st) {
        if (plan->domain)
            db_text(st, 1, plan->domain);
        bind_plan(st, plan, plan->day);
    }
    return db_finish(db, st, why);
}

void state_sendings_plan(struct state *state, const struct sending_plan *plan, struct inbox *reply,
                         sendings_fn *fn, void *arg)
{
    struct errand *e = errand_new(reports_run_plan, reply, fn, arg);
    e->domain = mem_dup(plan->domain);
    e->plan = *plan;
    e->plan.domain = e->domain;
    state_do(state, &e->work);
}

static enum db_result reports_run_adopt(struct state_db *db, struct state_work *work,
                                        struct why *why)
{
    const struct errand *e = errand_of(work);
    enum db_result rc = DB_DONE;
    for (size_t i = 0; i < e->found.n && rc == DB_DONE; i++) {
        sqlite3_stmt *st =
            db_prepare(db, ADD_RECORD " FROM (SELECT ?1 AS domain) WHERE true" OR_ANEW, why);
        if (st) {
            db_text(st, 1, e->found.at[i].domain);
            bind_plan(st, &e->plan, e->found.at[i].day);
        }
        rc = db_finish(db, st, why);
    }
    return rc;
}

void state_sendings_adopt(struct state *state, const struct sendings *domains,
                          const struct sending_plan *plan, struct inbox *reply, sendings_fn *fn,
                          void *arg)
{
    struct errand *e = errand_new(reports_run_adopt, reply, fn, arg);
    e->plan = *plan;
    e->plan.domain = NULL;
    e->found.at = mem_grow(NULL, domains->n + 1, sizeof *e->found.at);
    for (size_t i = 0; i < domains->n; i++)
        sending_copy(&e->found.at[e->found.n++], &domains->at[i]);
    state_do(state, &e->work);
}

static enum db_result put(struct state_db *db, const struct sending *row, struct why *why)
{
    sqlite3_stmt *st = db_prepare(
        db,
        "UPDATE report SET state = ?4, by_hand = ?5, attempts = ?6, lost = ?7, next_ms = ?8,"
        " until_ms = ?9, changed_ms = ?10, message = ?11, answer = ?12, claim = ?13"
        " WHERE day = ?1 AND domain = ?2 AND rua = ?3",
        why);
    if (st) {
        sqlite3_bind_int64(st, 1, row->day);
        db_text(st, 2, row->domain);
        db_text(st, 3, row->rua);
        sqlite3_bind_int(st, 4, (int)row->state);
        sqlite3_bind_int(st, 5, row->by_hand);
        sqlite3_bind_int64(st, 6, row->attempts);
        sqlite3_bind_int64(st, 7, row->lost);
        sqlite3_bind_int64(st, 8, row->next_ms);
        sqlite3_bind_int64(st, 9, row->until_ms);
        sqlite3_bind_int64(st, 10, row->changed_ms);
        sqlite3_bind_int64(st, 11, (int64_t)row->message);
        db_text(st, 12, row->answer);
        sqlite3_bind_int64(st, 13, row->claim);
    }
    return db_finish(db, st, why);
}

static enum db_result reports_run_put(struct state_db *db, struct state_work *work, struct why *why)
{
    return put(db, &errand_of(work)->row, why);
}

static struct errand *errand_about(const struct sending *row,
                                   enum db_result (*run)(struct state_db *, struct state_work *,
                                                         struct why *),
                                   struct inbox *reply, sendings_fn *fn, void *arg)
{
    struct errand *e = errand_new(run, reply, fn, arg);
    sending_copy(&e->row, row);
    e->row.changed_ms = clock_ms();
    return e;
}

void state_sendings_put(struct state *state, const struct sending *row, struct inbox *reply,
                        sendings_fn *fn, void *arg)
{
    state_do(state, &errand_about(row, reports_run_put, reply, fn, arg)->work);
}

static enum db_result add_address(struct state_db *db, const struct sending *record,
                                  const char *rua, struct why *why)
{
    sqlite3_stmt *st =
        db_prepare(db,
                   "INSERT INTO report(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, 0, 0, ?6, 0, ?6, 0,"
                   " '') ON CONFLICT(day, domain, rua) DO UPDATE SET state = ?4, by_hand = 1,"
                   " attempts = 0, lost = 0, next_ms = ?6, until_ms = 0, changed_ms = ?6"
                   " WHERE ?5 AND state IN (?4, ?7)",
                   why);
    if (st) {
        sqlite3_bind_int64(st, 1, record->day);
        db_text(st, 2, record->domain);
        db_text(st, 3, rua);
        sqlite3_bind_int(st, 4, SENDING_WAITS);
        sqlite3_bind_int(st, 5, record->by_hand);
        sqlite3_bind_int64(st, 6, record->changed_ms);
        sqlite3_bind_int(st, 7, SENDING_FAILED);
    }
    return db_finish(db, st, why);
}

static enum db_result reports_run_expand(struct state_db *db, struct state_work *work,
                                         struct why *why)
{
    const struct errand *e = errand_of(work);
    enum db_result rc = put(db, &e->row, why);
    for (size_t i = 0; i < e->rua.n && rc == DB_DONE; i++)
        rc = add_address(db, &e->row, e->rua.at[i], why);
    return rc;
}

void state_sendings_expand(struct state *state, const struct sending *row,
                           const struct strings *rua, struct inbox *reply, sendings_fn *fn,
                           void *arg)
{
    struct errand *e = errand_about(row, reports_run_expand, reply, fn, arg);
    e->row.state = SENDING_DONE;
    e->rua.at = mem_grow(NULL, rua->n + 1, sizeof *e->rua.at);
    for (size_t i = 0; i < rua->n; i++)
        e->rua.at[e->rua.n++] = mem_dup(rua->at[i]);
    state_do(state, &e->work);
}

// --- what became of mail ---

static enum db_result reports_run_mailed(struct state_db *db, struct state_work *work,
                                         struct why *why)
{
    const struct sending *row = &errand_of(work)->row;
    sqlite3_stmt *st = db_prepare(db,
                                  "UPDATE report SET state = ?2, changed_ms = ?3, answer = ?4"
                                  " WHERE message = ?1 AND state = ?5",
                                  why);
    if (st) {
        sqlite3_bind_int64(st, 1, (int64_t)row->message);
        sqlite3_bind_int(st, 2, (int)row->state);
        sqlite3_bind_int64(st, 3, row->changed_ms);
        db_text(st, 4, row->answer);
        sqlite3_bind_int(st, 5, SENDING_QUEUED);
    }
    enum db_result rc = db_finish(db, st, why);
    return rc == DB_DONE && sqlite3_changes(db->sql) == 0 ? counts_keep_other(db, row, why) : rc;
}

void state_sendings_mailed(struct state *state, uint64_t message, enum sending_state end,
                           const char *answer)
{
    struct errand *e = errand_new(reports_run_mailed, NULL, NULL, NULL);
    e->row = (struct sending){
        .state = end, .message = message, .changed_ms = clock_ms(), .answer = mem_dup(answer)};
    state_do(state, &e->work);
}

static bool has_mail(const struct errand *e, uint64_t message)
{
    for (size_t i = 0; i < e->nmails; i++)
        if (e->mails[i] == message)
            return true;
    return false;
}

static void answer_with(struct sending *row, const char *answer)
{
    free(row->answer);
    row->answer = mem_dup(answer);
}

// What a stop in the middle of things left of one row. False: it stays as it is.
static bool sort_out(const struct errand *e, struct sending *row)
{
    bool mail = strncmp(row->rua, "mailto:", 7) == 0;
    if (mail && has_mail(e, row->message)) {
        bool queued = row->state == SENDING_QUEUED;
        row->state = SENDING_QUEUED;
        return !queued;
    }
    if (row->state == SENDING_QUEUED) {
        row->state = SENDING_DONE;
        answer_with(row, GONE_ANSWER);
        return true;
    }
    if (mail && e->taken) {
        row->state = SENDING_UNKNOWN;
        answer_with(row, TAKEN_ANSWER);
        return true;
    }
    row->state = SENDING_WAITS; // mail: it never reached the spool
    row->next_ms = clock_ms();
    if (!mail) {
        row->lost++;
        answer_with(row, LOST_ANSWER);
        if (row->lost > 1)
            row->state = SENDING_UNKNOWN;
    }
    return true;
}

static enum db_result reports_run_recover(struct state_db *db, struct state_work *work,
                                          struct why *why)
{
    struct errand *e = errand_of(work);
    sqlite3_stmt *st =
        db_prepare(db, "SELECT " COLUMNS ", claim FROM report WHERE state IN (?1, ?2)", why);
    if (st) {
        sqlite3_bind_int(st, 1, SENDING_CLAIMED);
        sqlite3_bind_int(st, 2, SENDING_QUEUED);
    }
    enum db_result rc = db_each(db, st, reports_read_row, &e->found, why);
    for (size_t i = 0; i < e->found.n && rc == DB_DONE; i++)
        if (sort_out(e, &e->found.at[i]))
            rc = put(db, &e->found.at[i], why);
    return rc;
}

void state_sendings_recover(struct state *state, const uint64_t *mails, size_t n, bool taken)
{
    struct errand *e = errand_new(reports_run_recover, NULL, NULL, NULL);
    e->mails = mem_new((n + 1) * sizeof *e->mails);
    e->nmails = n;
    e->taken = taken;
    if (n)
        memcpy(e->mails, mails, n * sizeof *e->mails);
    state_do(state, &e->work);
    state_settle(state);
}
