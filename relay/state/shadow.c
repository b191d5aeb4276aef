// SPDX-License-Identifier: ISC
// Rows of what shadow mode let pass, in the state database.
#include "relay/state/shadow.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/state/inside.h"

void shadow_rows_free(struct shadow_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        shadow_row_free(&rows->at[i]);
    free(rows->at);
    *rows = (struct shadow_rows){0};
}

static void shadow_take_row(sqlite3_stmt *st, void *arg)
{
    struct shadow_rows *rows = arg;
    if ((rows->n & (rows->n - 1)) == 0)
        rows->at = mem_grow(rows->at, rows->n ? 2 * rows->n : 1, sizeof *rows->at);
    rows->at[rows->n++] = (struct shadow_row){
        .day = sqlite3_column_int64(st, 0),
        .domain = mem_dup(db_column(st, 1)),
        .host = mem_dup(db_column(st, 2)),
        .why = mem_dup(db_column(st, 3)),
        .type = mem_dup(db_column(st, 4)),
        .text = mem_dup(db_column(st, 5)),
        .sessions = sqlite3_column_int64(st, 6),
        .messages = sqlite3_column_int64(st, 7),
        .recipients = sqlite3_column_int64(st, 8),
        .bytes = sqlite3_column_int64(st, 9),
        .clear = sqlite3_column_int64(st, 10),
        .unproved = sqlite3_column_int64(st, 11),
        .last_ms = sqlite3_column_int64(st, 12),
    };
}

// Of the columns that are no sums SQLite takes the values of the row with the newest last_ms.
static enum db_result read_sums(struct state_db *db, int64_t since_day, struct shadow_rows *rows,
                                struct why *why)
{
    sqlite3_stmt *st =
        db_prepare(db,
                   "SELECT day, domain, host, why, type, text, sum(sessions), sum(messages) AS m,"
                   " sum(recipients), sum(bytes), sum(clear), sum(unproved), max(last_ms)"
                   " FROM shadow WHERE day >= ?1 GROUP BY domain, host, why"
                   " ORDER BY m DESC, domain, host, why LIMIT ?2",
                   why);
    if (st) {
        sqlite3_bind_int64(st, 1, since_day);
        sqlite3_bind_int64(st, 2, STATE_SHADOW_ROWS);
    }
    return db_each(db, st, shadow_take_row, rows, why);
}

int state_shadow_file(const char *path, int64_t since_day, struct shadow_rows *rows,
                      struct why *why)
{
    struct state_db db;
    if (db_open_reader(&db, path, why) < 0)
        return -1;
    enum db_result rc =
        db.version < STATE_WITH_SHADOW ? DB_DONE : read_sums(&db, since_day, rows, why);
    db_close_reader(&db);
    return rc == DB_DONE ? 0 : -1;
}

struct shadow_asking {
    struct state_work work;
    int64_t since_day;
    struct shadow_rows rows;
    state_shadow_fn *fn;
    void *arg;
};

static enum db_result shadow_run_ask(struct state_db *db, struct state_work *work, struct why *why)
{
    struct shadow_asking *a = list_of(work, struct shadow_asking, work);
    return read_sums(db, a->since_day, &a->rows, why);
}

static void shadow_on_read(struct item *item)
{
    struct shadow_asking *a = list_of(item, struct shadow_asking, work.item);
    a->fn(&a->rows, why_is_set(&a->work.why) ? &a->work.why : NULL, a->arg);
    shadow_rows_free(&a->rows);
    free(a);
}

void state_shadow_ask(struct state *state, int64_t since_day, struct inbox *reply,
                      state_shadow_fn *fn, void *arg)
{
    struct shadow_asking *a = mem_new(sizeof *a);
    a->work.item.run = shadow_on_read;
    a->work.run = shadow_run_ask;
    a->work.reads = true;
    a->work.reply = reply;
    a->since_day = since_day;
    a->fn = fn;
    a->arg = arg;
    state_do(state, &a->work);
}

void state_shadow_add(struct state *state, const struct shadow_row *row)
{
    struct state_write *write = mem_new(sizeof *write);
    write->shadow = mem_new(sizeof *write->shadow);
    *write->shadow = *row;
    write->size = sizeof *write + sizeof *row + strlen(row->domain) + strlen(row->text) + 300;
    state_post_write(state, write);
}
