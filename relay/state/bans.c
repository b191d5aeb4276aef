// SPDX-License-Identifier: ISC
// The table of bans.
#include "relay/state/bans.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

struct kept_ban {
    struct state_work work; // first
    struct state_ban ban;
    char *name;
};

static void bans_kept(struct item *item)
{
    struct state_work *work = list_of(item, struct state_work, item);
    struct kept_ban *k = (struct kept_ban *)work;
    free(k->name); // a failure shows in the state's health; the ban holds until a restart
    free(k);
}

// `name` "": every row.
static enum db_result bans_forget_row(struct state_db *db, const struct state_ban *b,
                                      struct why *why)
{
    sqlite3_stmt *st = db_prepare(
        db, "DELETE FROM ban WHERE until_ms < ?3 OR ?2 = '' OR (kind = ?1 AND name = ?2)", why);
    if (!st)
        return db_judge(db, "a query", why);
    sqlite3_bind_int(st, 1, b->kind);
    db_text(st, 2, b->name);
    sqlite3_bind_int64(st, 3, clock_ms()); // and what is over anyway
    return db_finish(db, st, why);
}

static enum db_result bans_run(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct state_ban *b = &((struct kept_ban *)work)->ban;
    enum db_result rc = bans_forget_row(db, b, why);
    if (rc != DB_DONE || !b->until_ms)
        return rc;
    sqlite3_stmt *st = db_prepare(db, "INSERT INTO ban VALUES(?1, ?2, ?3, ?4, ?5)", why);
    if (!st)
        return db_judge(db, "a query", why);
    sqlite3_bind_int(st, 1, b->kind);
    db_text(st, 2, b->name);
    sqlite3_bind_int64(st, 3, b->since_ms);
    sqlite3_bind_int64(st, 4, b->until_ms);
    sqlite3_bind_int64(st, 5, (int64_t)b->failures);
    return db_finish(db, st, why);
}

void state_keep_ban(struct state *state, const struct state_ban *ban)
{
    struct kept_ban *k = mem_new(sizeof *k);
    k->work.item.run = bans_kept;
    k->work.run = bans_run;
    k->ban = *ban;
    k->ban.name = k->name = mem_dup(ban->name);
    state_do(state, &k->work);
}

struct bans_reader {
    void (*fn)(void *arg, const struct state_ban *ban);
    void *arg;
};

static void bans_read_row(sqlite3_stmt *st, void *arg)
{
    const struct bans_reader *reader = arg;
    const struct state_ban ban = {sqlite3_column_int(st, 0), db_column(st, 1),
                                  sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
                                  (uint64_t)sqlite3_column_int64(st, 4)};
    reader->fn(reader->arg, &ban);
}

static enum db_result read_bans(struct state_db *db, int64_t now_ms, struct bans_reader *reader,
                                struct why *why)
{
    sqlite3_stmt *st = db_prepare(db,
                                  "SELECT kind, name, since_ms, until_ms, failures FROM ban"
                                  " WHERE until_ms > ?1 ORDER BY until_ms DESC LIMIT ?2",
                                  why);
    if (st) {
        sqlite3_bind_int64(st, 1, now_ms);
        sqlite3_bind_int64(st, 2, STATE_BANS);
    }
    return db_each(db, st, bans_read_row, reader, why);
}

void state_restore_bans(struct state *state, int64_t now_ms,
                        void (*fn)(void *arg, const struct state_ban *ban), void *arg)
{
    struct bans_reader reader = {fn, arg};
    struct state_db db;
    struct why why;
    const char *path = state_path(state);
    if (db_open_reader(&db, path, &why) < 0 || read_bans(&db, now_ms, &reader, &why) != DB_DONE)
        log_alarm("state", why.reason, "bans cannot be read: %s", why.text);
    db_close_reader(&db);
}
