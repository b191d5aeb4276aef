// SPDX-License-Identifier: ISC
// The table of hosts whose answers went astray.
#include "relay/state/strays.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

#define STRAYS_ALARM_MS 3600000

struct new_stray {
    struct state_work work;
    char *address; // NULL: those whose time is over go
    int64_t until_ms;
};

static enum db_result strays_run(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct new_stray *s = list_of(work, struct new_stray, work);
    sqlite3_stmt *st = db_prepare(db,
                                  s->address ? "INSERT OR REPLACE INTO stray VALUES(?2, ?1)"
                                             : "DELETE FROM stray WHERE until_ms <= ?1",
                                  why);
    if (!st)
        return db_judge(db, "a query", why);
    sqlite3_bind_int64(st, 1, s->until_ms);
    if (s->address)
        db_text(st, 2, s->address);
    return db_finish(db, st, why);
}

static void strays_on_kept(struct item *item)
{
    struct new_stray *s = list_of(item, struct new_stray, work.item);
    if (why_is_set(&s->work.why))
        log_alarm_once("state", s->work.why.reason, "strays", STRAYS_ALARM_MS,
                       "that a host answers out of step could not be kept for the next start: %s",
                       s->work.why.text);
    free(s->address);
    free(s);
}

static void strays_do(struct state *state, const char *address, int64_t until_ms)
{
    struct new_stray *s = mem_new(sizeof *s);
    s->work.item.run = strays_on_kept;
    s->work.run = strays_run;
    s->address = address ? mem_dup(address) : NULL;
    s->until_ms = until_ms;
    state_do(state, &s->work);
}

void state_stray_keep(struct state *state, const char *address, int64_t until_ms)
{
    strays_do(state, address, until_ms);
}

struct strays_reader {
    void (*fn)(const char *address, int64_t until_ms, void *arg);
    void *arg;
};

static void strays_read_row(sqlite3_stmt *st, void *arg)
{
    const struct strays_reader *reader = arg;
    reader->fn(db_column(st, 0), sqlite3_column_int64(st, 1), reader->arg);
}

static enum db_result each_stray(struct state_db *db, size_t max, struct strays_reader *reader,
                                 struct why *why)
{
    sqlite3_stmt *st = db_prepare(db,
                                  "SELECT address, until_ms FROM (SELECT * FROM stray WHERE"
                                  " until_ms > ?1 ORDER BY until_ms DESC LIMIT ?2)"
                                  " ORDER BY until_ms",
                                  why);
    if (st) {
        sqlite3_bind_int64(st, 1, clock_ms());
        sqlite3_bind_int64(st, 2, (int64_t)max);
    }
    return db_each(db, st, strays_read_row, reader, why);
}

void state_strays_restore(struct state *state, size_t max,
                          void (*fn)(const char *address, int64_t until_ms, void *arg), void *arg)
{
    struct strays_reader reader = {fn, arg};
    struct state_db db;
    struct why why;
    if (db_open_reader(&db, state_path(state), &why) < 0 ||
        each_stray(&db, max, &reader, &why) != DB_DONE)
        log_alarm("state", why.reason, "which hosts answer out of step cannot be read: %s",
                  why.text);
    db_close_reader(&db);
    strays_do(state, NULL, clock_ms());
}
