// SPDX-License-Identifier: ISC
// Marks of what was counted and of claimed reports. A mark counts its changes, so that one that changed while it was
// told stays.
#include "relay/state/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/state/inside.h"

#define MARK_KIND                                                                                  \
    " BEGIN INSERT INTO count_mark VALUES(new.day, new.domain, 1)"                                 \
    " ON CONFLICT(day, domain) DO UPDATE SET n = n + 1; END;"
#define MARK_REPORT                                                                                \
    "INSERT INTO report_mark SELECT day, domain, rua, 1 FROM report WHERE claim > 0"               \
    " ON CONFLICT(day, domain, rua) DO UPDATE SET n = n + 1;"

static const char counts_triggers[] =
    "CREATE TRIGGER IF NOT EXISTS count_first AFTER INSERT ON kind" MARK_KIND
    "CREATE TRIGGER IF NOT EXISTS count_more AFTER UPDATE OF count ON kind" MARK_KIND
    "CREATE TRIGGER IF NOT EXISTS count_report AFTER UPDATE ON report WHEN new.claim > 0 BEGIN"
    " INSERT INTO report_mark VALUES(new.day, new.domain, new.rua, 1)"
    " ON CONFLICT(day, domain, rua) DO UPDATE SET n = n + 1; END;";

static const char no_counts_triggers[] =
    "DROP TRIGGER IF EXISTS count_first; DROP TRIGGER IF EXISTS count_more;"
    "DROP TRIGGER IF EXISTS count_report; DELETE FROM count_mark; DELETE FROM report_mark;"
    "DELETE FROM report_other; UPDATE report SET claim = 0 WHERE claim > 0;";

static const char is_counting[] =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = 'count_first'";

static const char mark_since[] = "INSERT INTO count_mark SELECT DISTINCT day, domain, 1 FROM kind"
                                 " WHERE day >= (SELECT since FROM count_book)"
                                 " ON CONFLICT(day, domain) DO UPDATE SET n = n + 1;" MARK_REPORT;

struct counts_work {
    struct state_work work; // first
    const char *fleet;
    size_t limit;
    struct counts *out;
    const struct counts *told;
};

// ---- the book

// Its generation stays, where there was one: what was told is replaced, not told beside it.
static enum db_result begin_book(struct state_db *db, struct why *why)
{
    char generation[COUNTS_GENERATION];
    random_digits(generation, sizeof generation);
    enum db_result rc = db_do(db, counts_triggers, why);
    sqlite3_stmt *st = rc == DB_DONE
                           ? db_prepare(db,
                                        "INSERT INTO count_book VALUES(1, ?1, ?2, '')"
                                        " ON CONFLICT(one) DO UPDATE SET since = ?2, fleet = ''",
                                        why)
                           : NULL;
    if (st) {
        db_text(st, 1, generation);
        sqlite3_bind_int64(st, 2, ledger_day(clock_ms()));
    }
    return rc == DB_DONE ? db_finish(db, st, why) : rc;
}

static void counts_read_book(sqlite3_stmt *st, void *arg)
{
    struct counts *out = arg;
    snprintf(out->generation, sizeof out->generation, "%s", db_column(st, 0));
    out->since = sqlite3_column_int64(st, 1);
}

// Whoever is told now: all of it, where another was told before.
static enum db_result tell_whom(struct state_db *db, const char *fleet, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db, "UPDATE count_book SET fleet = ?1 WHERE fleet <> ?1", why);
    if (st)
        db_text(st, 1, fleet);
    enum db_result rc = db_finish(db, st, why);
    return rc == DB_DONE && sqlite3_changes(db->sql) ? db_do(db, mark_since, why) : rc;
}

static enum db_result find_book(struct state_db *db, const char *fleet, struct counts *out,
                                struct why *why)
{
    int64_t counting;
    enum db_result rc = db_number(db, is_counting, &counting, why);
    if (rc == DB_DONE && !counting)
        rc = begin_book(db, why);
    if (rc == DB_DONE && fleet[0])
        rc = tell_whom(db, fleet, why);
    if (rc != DB_DONE)
        return rc;
    return db_each(db, db_prepare(db, "SELECT generation, since FROM count_book", why),
                   counts_read_book, out, why);
}

// ---- looking

static void counts_read_mark(sqlite3_stmt *st, void *arg)
{
    struct counts *out = arg;
    out->pages[out->npages++] = (struct counts_page){.day = sqlite3_column_int64(st, 0),
                                                     .domain = mem_dup(db_column(st, 1)),
                                                     .n = sqlite3_column_int64(st, 2)};
}

static void counts_read_report(sqlite3_stmt *st, void *arg)
{
    struct counts *out = arg;
    out->report_marks[out->reports.n] = sqlite3_column_int64(st, 9);
    out->reports.at[out->reports.n++] =
        (struct sending){.day = sqlite3_column_int64(st, 0),
                         .domain = mem_dup(db_column(st, 1)),
                         .rua = mem_dup(db_column(st, 2)),
                         .state = (enum sending_state)sqlite3_column_int(st, 3),
                         .lost = (unsigned)sqlite3_column_int(st, 4),
                         .next_ms = sqlite3_column_int64(st, 5),
                         .message = (uint64_t)sqlite3_column_int64(st, 6),
                         .claim = sqlite3_column_int64(st, 7),
                         .answer = mem_dup(db_column(st, 8))};
}

static void counts_read_other(sqlite3_stmt *st, void *arg)
{
    struct counts *out = arg;
    out->others[out->nothers++] =
        (struct counts_other){.message = (uint64_t)sqlite3_column_int64(st, 0),
                              .state = (enum sending_state)sqlite3_column_int(st, 1),
                              .answer = mem_dup(db_column(st, 2))};
}

static enum db_result each_limited(struct state_db *db, const char *text, struct counts_work *w,
                                   db_row_fn *row, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db, text, why);
    if (st)
        sqlite3_bind_int64(st, 1, (sqlite3_int64)w->limit);
    return db_each(db, st, row, w->out, why);
}

static enum db_result read_marks(struct state_db *db, struct counts_work *w, struct why *why)
{
    int64_t waiting;
    enum db_result rc = db_number(db, "SELECT count(*) FROM count_mark", &waiting, why);
    if (rc == DB_DONE)
        rc = db_number(db, "SELECT coalesce(min(day), 9223372036854775807) FROM count_mark",
                       &w->out->oldest, why);
    w->out->waiting = rc == DB_DONE ? (uint64_t)waiting : 0;
    if (rc == DB_DONE)
        rc = each_limited(db, "SELECT day, domain, n FROM count_mark ORDER BY day LIMIT ?1", w,
                          counts_read_mark, why);
    if (rc == DB_DONE)
        rc = each_limited(db,
                          "SELECT day, domain, rua, state, lost, next_ms, message, claim, answer, n"
                          " FROM report_mark JOIN report USING(day, domain, rua) LIMIT ?1",
                          w, counts_read_report, why);
    if (rc == DB_DONE)
        rc = each_limited(db, "SELECT message, state, answer FROM report_other LIMIT ?1", w,
                          counts_read_other, why);
    return rc;
}

static enum db_result counts_run_look(struct state_db *db, struct state_work *work, struct why *why)
{
    struct counts_work *w = (struct counts_work *)work;
    enum db_result rc = find_book(db, w->fleet, w->out, why);
    if (rc == DB_DONE && w->limit)
        rc = read_marks(db, w, why);
    for (size_t i = 0; i < w->out->npages && rc == DB_DONE; i++) {
        struct counts_page *page = &w->out->pages[i];
        const struct state_query query = {
            .view = STATE_SHARED, .domain = page->domain, .result = -1, .day = page->day};
        rc = db_rows(db, &query, &page->rows, why);
    }
    return rc;
}

int state_counts_look(struct state *state, const char *fleet, size_t limit, struct counts *out,
                      struct why *why)
{
    *out = (struct counts){.oldest = INT64_MAX,
                           .pages = mem_new((limit + 1) * sizeof *out->pages),
                           .reports.at = mem_new((limit + 1) * sizeof *out->reports.at),
                           .report_marks = mem_new((limit + 1) * sizeof *out->report_marks),
                           .others = mem_new((limit + 1) * sizeof *out->others)};
    struct counts_work w = {
        .work.run = counts_run_look, .fleet = fleet, .limit = limit, .out = out};
    int rc = state_do_now(state, &w.work, why);
    if (rc < 0)
        counts_free(out);
    return rc;
}

void counts_free(struct counts *c)
{
    for (size_t i = 0; i < c->npages; i++) {
        free(c->pages[i].domain);
        ledger_rows_free(&c->pages[i].rows);
    }
    for (size_t i = 0; i < c->nothers; i++)
        free(c->others[i].answer);
    free(c->pages);
    free(c->others);
    free(c->report_marks);
    sendings_free(&c->reports);
    *c = (struct counts){.oldest = INT64_MAX};
}

// ---- what was done

static enum db_result drop_mark(struct state_db *db, const char *text, int64_t day,
                                const char *domain, const char *rua, int64_t n, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db, text, why);
    if (st) {
        sqlite3_bind_int64(st, 1, day);
        db_text(st, 2, domain);
        sqlite3_bind_int64(st, 3, n);
        if (rua)
            db_text(st, 4, rua);
    }
    return db_finish(db, st, why);
}

static enum db_result counts_run_told(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct counts *c = ((struct counts_work *)work)->told;
    enum db_result rc = DB_DONE;
    for (size_t i = 0; i < c->npages && rc == DB_DONE; i++)
        rc = drop_mark(db, "DELETE FROM count_mark WHERE day = ?1 AND domain = ?2 AND n = ?3",
                       c->pages[i].day, c->pages[i].domain, NULL, c->pages[i].n, why);
    for (size_t i = 0; i < c->reports.n && rc == DB_DONE; i++)
        rc = drop_mark(db,
                       "DELETE FROM report_mark WHERE day = ?1 AND domain = ?2 AND n = ?3"
                       " AND rua = ?4",
                       c->reports.at[i].day, c->reports.at[i].domain, c->reports.at[i].rua,
                       c->report_marks[i], why);
    for (size_t i = 0; i < c->nothers && rc == DB_DONE; i++) {
        sqlite3_stmt *st =
            db_prepare(db, "DELETE FROM report_other WHERE message = ?1 AND state = ?2", why);
        if (st) {
            sqlite3_bind_int64(st, 1, (int64_t)c->others[i].message);
            sqlite3_bind_int(st, 2, (int)c->others[i].state);
        }
        rc = db_finish(db, st, why);
    }
    return rc;
}

int state_counts_told(struct state *state, const struct counts *counts, struct why *why)
{
    struct counts_work w = {.work.run = counts_run_told, .told = counts};
    bool any = counts->npages || counts->reports.n || counts->nothers;
    return any ? state_do_now(state, &w.work, why) : 0;
}

static enum db_result counts_run_anew(struct state_db *db, struct state_work *work, struct why *why)
{
    (void)work;
    enum db_result rc = db_do(db, no_counts_triggers, why);
    if (rc == DB_DONE)
        rc = db_do(db, "DELETE FROM count_book", why);
    return rc == DB_DONE ? begin_book(db, why) : rc;
}

int state_counts_anew(struct state *state, struct why *why)
{
    struct counts_work w = {.work.run = counts_run_anew};
    return state_do_now(state, &w.work, why);
}

enum db_result counts_keep_other(struct state_db *db, const struct sending *row, struct why *why)
{
    int64_t counting;
    enum db_result rc = db_number(db, is_counting, &counting, why);
    if (rc != DB_DONE || !counting || row->state == SENDING_QUEUED)
        return rc;
    sqlite3_stmt *st =
        db_prepare(db, "INSERT OR REPLACE INTO report_other VALUES(?1, ?2, ?3)", why);
    if (st) {
        sqlite3_bind_int64(st, 1, (int64_t)row->message);
        sqlite3_bind_int(st, 2, (int)row->state);
        db_text(st, 3, row->answer);
    }
    return db_finish(db, st, why);
}

// ---- the end

static enum db_result counts_run_end(struct state_db *db, struct state_work *work, struct why *why)
{
    (void)work;
    int64_t counting;
    enum db_result rc = db_number(db, is_counting, &counting, why);
    return rc == DB_DONE && counting ? db_do(db, no_counts_triggers, why) : rc;
}

static void counts_ended(struct item *item)
{
    free(list_of(item, struct state_work, item)); // a failure shows in the state's health
}

void state_counts_end(struct state *state)
{
    struct state_work *work = mem_new(sizeof *work);
    work->run = counts_run_end;
    work->item.run = counts_ended;
    state_do(state, work);
}
