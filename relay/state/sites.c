// SPDX-License-Identifier: ISC
// Rows of sites in the state database. Knows nothing of what the numbers mean.
#include "relay/state/sites.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

#define SITES_ALARM_MS 3600000
#define SITES_COLUMNS                                                                              \
    "site, window, crowd, pace, fast, taught, taught_ms, used_ms, trouble_ms, until_ms, host,"     \
    " status, reply, text, paused_by, paused_why, paused_ms, paused_until_ms"

struct sites_work {
    struct state_work work;
    struct site_row *rows;
    size_t n;
};

void site_row_free(struct site_row *row)
{
    char *const texts[] = {row->site, row->host,     row->status,      row->reply,
                           row->text, row->pause.by, row->pause.reason};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
}

static void sites_bind(sqlite3_stmt *st, const struct site_row *row)
{
    db_text(st, 1, row->site);
    sqlite3_bind_int64(st, 2, row->window);
    sqlite3_bind_int64(st, 3, row->crowd);
    sqlite3_bind_double(st, 4, row->pace);
    sqlite3_bind_double(st, 5, row->fast);
    sqlite3_bind_int(st, 6, row->taught);
    sqlite3_bind_int64(st, 7, row->taught_ms);
    sqlite3_bind_int64(st, 8, row->used_ms);
    sqlite3_bind_int64(st, 9, row->trouble_ms);
    sqlite3_bind_int64(st, 10, row->until_ms);
    db_text(st, 11, row->host);
    db_text(st, 12, row->status);
    db_text(st, 13, row->reply);
    db_text(st, 14, row->text);
    db_text(st, 15, row->pause.by);
    db_text(st, 16, row->pause.reason);
    sqlite3_bind_int64(st, 17, row->pause.since_ms);
    sqlite3_bind_int64(st, 18, row->pause.until_ms);
}

static enum db_result sites_run_keep(struct state_db *db, struct state_work *work, struct why *why)
{
    struct sites_work *w = list_of(work, struct sites_work, work);
    sqlite3_stmt *keep =
        db_prepare(db,
                   "INSERT OR REPLACE INTO site(" SITES_COLUMNS
                   ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   why);
    sqlite3_stmt *drop = keep ? db_prepare(db, "DELETE FROM site WHERE site = ?", why) : NULL;
    enum db_result rc = drop ? DB_DONE : db_judge(db, "a query", why);
    for (size_t i = 0; i < w->n && rc == DB_DONE; i++) {
        bool tells = w->rows[i].taught || w->rows[i].pause.by;
        if (tells)
            sites_bind(keep, &w->rows[i]);
        else
            db_text(drop, 1, w->rows[i].site);
        rc = db_step(db, tells ? keep : drop, why);
    }
    sqlite3_finalize(keep);
    sqlite3_finalize(drop);
    return rc;
}

static void sites_on_kept(struct item *item)
{
    struct sites_work *w = list_of(item, struct sites_work, work.item);
    if (why_is_set(&w->work.why))
        log_alarm_once("state", w->work.why.reason, "sites", SITES_ALARM_MS,
                       "what was learned of %zu sites, and pauses among them, could not be kept "
                       "for the next start: %s",
                       w->n, w->work.why.text);
    for (size_t i = 0; i < w->n; i++)
        site_row_free(&w->rows[i]);
    free(w->rows);
    free(w);
}

void state_sites_keep(struct state *state, struct site_row *rows, size_t n)
{
    struct sites_work *w = mem_new(sizeof *w);
    w->work.item.run = sites_on_kept;
    w->work.run = sites_run_keep;
    w->rows = rows;
    w->n = n;
    state_do(state, &w->work);
}

struct sites_aging {
    struct state_work work;
    int64_t before_ms;
};

static enum db_result sites_run_age(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct sites_aging *a = list_of(work, struct sites_aging, work);
    sqlite3_stmt *st = db_prepare(db,
                                  "DELETE FROM site WHERE paused_by = '' AND (used_ms < ?1 OR site"
                                  " NOT IN (SELECT site FROM site ORDER BY used_ms DESC LIMIT ?2))",
                                  why);
    if (!st)
        return db_judge(db, "a query", why);
    sqlite3_bind_int64(st, 1, a->before_ms);
    sqlite3_bind_int64(st, 2, STATE_SITES);
    enum db_result rc = db_step(db, st, why);
    sqlite3_finalize(st);
    return rc;
}

static void sites_on_aged(struct item *item)
{
    free(list_of(item, struct sites_aging, work.item));
}

struct sites_reader {
    void (*fn)(const struct site_row *row, void *arg);
    void *arg;
};

static void sites_read_row(sqlite3_stmt *st, void *arg)
{
    const struct sites_reader *reader = arg;
    struct site_row row = {
        .site = mem_dup(db_column(st, 0)),
        .window = (unsigned)sqlite3_column_int64(st, 1),
        .crowd = (unsigned)sqlite3_column_int64(st, 2),
        .pace = sqlite3_column_double(st, 3),
        .fast = sqlite3_column_double(st, 4),
        .taught = sqlite3_column_int(st, 5),
        .taught_ms = sqlite3_column_int64(st, 6),
        .used_ms = sqlite3_column_int64(st, 7),
        .trouble_ms = sqlite3_column_int64(st, 8),
        .until_ms = sqlite3_column_int64(st, 9),
        .host = mem_dup(db_column(st, 10)),
        .status = mem_dup(db_column(st, 11)),
        .reply = mem_dup(db_column(st, 12)),
        .text = mem_dup(db_column(st, 13)),
        .pause = {.by = db_column(st, 14)[0] ? mem_dup(db_column(st, 14)) : NULL,
                  .reason = mem_dup(db_column(st, 15)),
                  .since_ms = sqlite3_column_int64(st, 16),
                  .until_ms = sqlite3_column_int64(st, 17)},
    };
    reader->fn(&row, reader->arg);
    site_row_free(&row);
}

static enum db_result each_site(struct state_db *db, int64_t before_ms, struct sites_reader *reader,
                                struct why *why)
{
    sqlite3_stmt *st = db_prepare(db,
                                  "SELECT " SITES_COLUMNS " FROM site WHERE paused_by <> '' OR"
                                  " used_ms >= ?1 ORDER BY paused_by <> '' DESC, used_ms DESC"
                                  " LIMIT ?2",
                                  why);
    if (st) {
        sqlite3_bind_int64(st, 1, before_ms);
        sqlite3_bind_int64(st, 2, STATE_SITES);
    }
    return db_each(db, st, sites_read_row, reader, why);
}

void state_sites_restore(struct state *state, uint64_t keep_ms,
                         void (*fn)(const struct site_row *row, void *arg), void *arg)
{
    struct sites_reader reader = {fn, arg};
    struct state_db db;
    struct why why;
    int64_t before_ms = clock_ms() - (int64_t)keep_ms;
    if (db_open_reader(&db, state_path(state), &why) < 0) {
        log_alarm("state", why.reason, "what was learned of sites cannot be read: %s", why.text);
        return;
    }
    if (each_site(&db, before_ms, &reader, &why) != DB_DONE)
        log_alarm("state", why.reason, "what was learned of sites cannot be read: %s", why.text);
    db_close_reader(&db);
    struct sites_aging *a = mem_new(sizeof *a);
    a->work.item.run = sites_on_aged;
    a->work.run = sites_run_age;
    a->before_ms = before_ms;
    state_do(state, &a->work);
}
