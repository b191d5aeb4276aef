// SPDX-License-Identifier: ISC
// Rows of logins' habits in the state database. Knows nothing of what the numbers mean.
#include "relay/state/habits.h"

#include <stdlib.h>
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

#define HABITS_ALARM_MS 3600000
#define HABITS_COLUMNS                                                                             \
    "login, since_ms, used_ms, hour_ms, halved_ms, hour, fresh, peak, good, bad, domains,"         \
    " held_ms, held_why"

struct habits_work {
    struct state_work work;
    struct state_habit *rows;
    size_t n;
};

void state_habit_free(struct state_habit *habit)
{
    free(habit->login);
    free(habit->domains);
    free(habit->held_why);
}

static void habits_bind(sqlite3_stmt *st, const struct state_habit *h)
{
    db_text(st, 1, h->login);
    sqlite3_bind_int64(st, 2, h->since_ms);
    sqlite3_bind_int64(st, 3, h->used_ms);
    sqlite3_bind_int64(st, 4, h->hour_ms);
    sqlite3_bind_int64(st, 5, h->halved_ms);
    sqlite3_bind_int64(st, 6, h->hour);
    sqlite3_bind_int64(st, 7, h->fresh);
    sqlite3_bind_double(st, 8, h->peak);
    sqlite3_bind_double(st, 9, h->good);
    sqlite3_bind_double(st, 10, h->bad);
    sqlite3_bind_blob(st, 11, h->domains, (int)h->ndomains, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 12, h->held_ms);
    db_text(st, 13, h->held_why);
}

static enum db_result habits_run_keep(struct state_db *db, struct state_work *work, struct why *why)
{
    struct habits_work *w = list_of(work, struct habits_work, work);
    sqlite3_stmt *st = db_prepare(db,
                                  "INSERT OR REPLACE INTO habit(" HABITS_COLUMNS
                                  ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                  why);
    enum db_result rc = st ? DB_DONE : db_judge(db, "a query", why);
    for (size_t i = 0; i < w->n && rc == DB_DONE; i++) {
        habits_bind(st, &w->rows[i]);
        rc = db_step(db, st, why);
    }
    sqlite3_finalize(st);
    return rc;
}

static void habits_on_kept(struct item *item)
{
    struct habits_work *w = list_of(item, struct habits_work, work.item);
    if (why_is_set(&w->work.why))
        log_alarm_once("state", w->work.why.reason, "habits", HABITS_ALARM_MS,
                       "what is usual for %zu logins, and holds among them, could not be kept for "
                       "the next start: %s",
                       w->n, w->work.why.text);
    for (size_t i = 0; i < w->n; i++)
        state_habit_free(&w->rows[i]);
    free(w->rows);
    free(w);
}

void state_habits_keep(struct state *state, struct state_habit *rows, size_t n)
{
    struct habits_work *w = mem_new(sizeof *w);
    w->work.item.run = habits_on_kept;
    w->work.run = habits_run_keep;
    w->rows = rows;
    w->n = n;
    state_do(state, &w->work);
}

static void read_habit(sqlite3_stmt *st, struct state_habit *h)
{
    *h = (struct state_habit){
        .login = mem_dup(db_column(st, 0)),
        .since_ms = sqlite3_column_int64(st, 1),
        .used_ms = sqlite3_column_int64(st, 2),
        .hour_ms = sqlite3_column_int64(st, 3),
        .halved_ms = sqlite3_column_int64(st, 4),
        .hour = (unsigned)sqlite3_column_int64(st, 5),
        .fresh = (unsigned)sqlite3_column_int64(st, 6),
        .peak = sqlite3_column_double(st, 7),
        .good = sqlite3_column_double(st, 8),
        .bad = sqlite3_column_double(st, 9),
        .held_ms = sqlite3_column_int64(st, 11),
        .held_why = mem_dup(db_column(st, 12)),
    };
    const void *domains = sqlite3_column_blob(st, 10);
    h->ndomains = (size_t)sqlite3_column_bytes(st, 10);
    h->domains = mem_new(h->ndomains + 1);
    for (size_t i = 0; domains && i < h->ndomains; i++)
        ((uint8_t *)h->domains)[i] = ((const uint8_t *)domains)[i];
}

struct habits_reader {
    void (*fn)(const struct state_habit *row, void *arg);
    void *arg;
};

static void habits_read_row(sqlite3_stmt *st, void *arg)
{
    const struct habits_reader *reader = arg;
    struct state_habit row;
    read_habit(st, &row);
    reader->fn(&row, reader->arg);
    state_habit_free(&row);
}

static enum db_result each_habit(struct state_db *db, struct habits_reader *reader, struct why *why)
{
    sqlite3_stmt *st = db_prepare(
        db, "SELECT " HABITS_COLUMNS " FROM habit ORDER BY held_ms > 0 DESC, used_ms DESC LIMIT ?1",
        why);
    if (st)
        sqlite3_bind_int64(st, 1, STATE_HABITS);
    return db_each(db, st, habits_read_row, reader, why);
}

void state_habits_restore(struct state *state, void (*fn)(const struct state_habit *row, void *arg),
                          void *arg)
{
    struct habits_reader reader = {fn, arg};
    struct state_db db;
    struct why why;
    if (db_open_reader(&db, state_path(state), &why) < 0 ||
        each_habit(&db, &reader, &why) != DB_DONE)
        log_alarm("state", why.reason, "what is usual for logins cannot be read: %s", why.text);
    db_close_reader(&db);
}
