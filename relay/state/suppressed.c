// SPDX-License-Identifier: ISC
// The table of suppressed addresses.
#include "relay/state/suppressed.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

struct kept_rows {
    struct state_work work; // first
    struct state_suppressed *rows;
    size_t n;
    bool forget;
};

static void suppressed_kept(struct item *item)
{
    struct state_work *work = list_of(item, struct state_work, item);
    struct kept_rows *k = (struct kept_rows *)work;
    for (size_t i = 0; i < k->n; i++) {
        free((char *)(uintptr_t)k->rows[i].sender);
        free((char *)(uintptr_t)k->rows[i].address);
        free((char *)(uintptr_t)k->rows[i].reason);
    }
    free(k->rows);
    free(k);
}

static void bind_row(sqlite3_stmt *st, const struct state_suppressed *row)
{
    db_text(st, 1, row->sender);
    db_text(st, 2, row->address);
    sqlite3_bind_int(st, 3, row->origin);
    sqlite3_bind_int64(st, 4, row->since_ms);
    sqlite3_bind_int64(st, 5, row->until_ms);
    db_text(st, 6, row->reason);
}

static enum db_result suppressed_run(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct kept_rows *k = (struct kept_rows *)work;
    sqlite3_stmt *st =
        db_prepare(db,
                   k->forget ? "DELETE FROM suppressed WHERE sender = ?1 AND address = ?2"
                             : "INSERT OR REPLACE INTO suppressed VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                   why);
    if (!st)
        return db_judge(db, "a query", why);
    enum db_result rc = DB_DONE;
    for (size_t i = 0; i < k->n && rc == DB_DONE; i++) {
        if (k->forget) {
            db_text(st, 1, k->rows[i].sender);
            db_text(st, 2, k->rows[i].address);
        } else {
            bind_row(st, &k->rows[i]);
        }
        rc = db_step(db, st, why);
    }
    sqlite3_finalize(st);
    return rc;
}

void state_keep_suppressed(struct state *state, const struct state_suppressed *rows, size_t n,
                           bool forget)
{
    struct kept_rows *k = mem_new(sizeof *k);
    k->work.item.run = suppressed_kept;
    k->work.run = suppressed_run;
    k->rows = mem_new((n + 1) * sizeof *k->rows);
    k->n = n;
    k->forget = forget;
    for (size_t i = 0; i < n; i++) {
        k->rows[i] = rows[i];
        k->rows[i].sender = mem_dup(rows[i].sender);
        k->rows[i].address = mem_dup(rows[i].address);
        k->rows[i].reason = mem_dup(rows[i].reason);
    }
    state_do(state, &k->work);
}

struct suppressed_reader {
    void (*fn)(void *arg, const struct state_suppressed *row);
    void *arg;
};

static void suppressed_read_row(sqlite3_stmt *st, void *arg)
{
    const struct suppressed_reader *reader = arg;
    const struct state_suppressed row = {db_column(st, 0),
                                         db_column(st, 1),
                                         sqlite3_column_int(st, 2),
                                         sqlite3_column_int64(st, 3),
                                         sqlite3_column_int64(st, 4),
                                         db_column(st, 5)};
    reader->fn(reader->arg, &row);
}

static enum db_result read_suppressed(struct state_db *db, int64_t now_ms, size_t limit,
                                      struct suppressed_reader *reader, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db,
                                  "SELECT sender, address, origin, since_ms, until_ms, reason"
                                  " FROM suppressed WHERE until_ms = 0 OR until_ms > ?1"
                                  " ORDER BY until_ms = 0 DESC, until_ms DESC LIMIT ?2",
                                  why);
    if (st) {
        sqlite3_bind_int64(st, 1, now_ms);
        sqlite3_bind_int64(st, 2, (sqlite3_int64)limit);
    }
    return db_each(db, st, suppressed_read_row, reader, why);
}

void state_restore_suppressed(struct state *state, int64_t now_ms, size_t limit,
                              void (*fn)(void *arg, const struct state_suppressed *row), void *arg)
{
    struct suppressed_reader reader = {fn, arg};
    struct state_db db;
    struct why why;
    const char *path = state_path(state);
    if (db_open_reader(&db, path, &why) < 0 ||
        read_suppressed(&db, now_ms, limit, &reader, &why) != DB_DONE)
        log_alarm("state", why.reason, "the suppression list cannot be read: %s", why.text);
    db_close_reader(&db);
}
