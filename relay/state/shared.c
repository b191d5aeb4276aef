// SPDX-License-Identifier: ISC
// Marks of changed rows. The triggers stand in the database itself, so that a program that writes while no relay runs
// marks as well.
#include "relay/state/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

#define NOW  "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
#define MARK "INSERT OR REPLACE INTO shared_mark(kind, key, gone, at_ms) "

// Of sites what they said of connections and rates (relay/queue/shape.h): whether one answers is each relay's to see.
// A ban that is over ends by itself everywhere, and where somebody works (kind 2) is each relay's own.
static const char triggers[] =
    "CREATE TRIGGER IF NOT EXISTS shared_policy AFTER INSERT ON policy BEGIN " MARK
    "VALUES(1, new.domain, 0, " NOW "); END;"
    "CREATE TRIGGER IF NOT EXISTS shared_memory AFTER INSERT ON memory BEGIN " MARK
    "VALUES(2, new.domain || char(10) || new.host, 0, " NOW "); END;"
    "CREATE TRIGGER IF NOT EXISTS shared_memory_gone AFTER DELETE ON memory BEGIN " MARK
    "VALUES(2, old.domain || char(10) || old.host, 1, " NOW "); END;"
    "CREATE TRIGGER IF NOT EXISTS shared_suppressed AFTER INSERT ON suppressed BEGIN " MARK
    "VALUES(3, new.sender || char(10) || new.address, 0, " NOW "); END;"
    "CREATE TRIGGER IF NOT EXISTS shared_suppressed_gone AFTER DELETE ON suppressed BEGIN " MARK
    "VALUES(3, old.sender || char(10) || old.address, 1, " NOW "); END;"
    "CREATE TRIGGER IF NOT EXISTS shared_ban AFTER INSERT ON ban WHEN new.kind < 2 BEGIN " MARK
    "VALUES(4, new.kind || char(10) || new.name, 0, " NOW "); END;"
    "CREATE TRIGGER IF NOT EXISTS shared_ban_gone AFTER DELETE ON ban WHEN old.kind < 2 AND "
    "old.until_ms > " NOW " BEGIN " MARK "VALUES(4, old.kind || char(10) || old.name, 1, " NOW
    "); END;"
    "CREATE TRIGGER IF NOT EXISTS shared_site AFTER INSERT ON site WHEN new.taught IN (2, 3)"
    " BEGIN " MARK "VALUES(5, new.site, 0, " NOW "); END;";

static const char no_triggers[] =
    "DROP TRIGGER IF EXISTS shared_policy; DROP TRIGGER IF EXISTS shared_memory;"
    "DROP TRIGGER IF EXISTS shared_memory_gone; DROP TRIGGER IF EXISTS shared_suppressed;"
    "DROP TRIGGER IF EXISTS shared_suppressed_gone; DROP TRIGGER IF EXISTS shared_ban;"
    "DROP TRIGGER IF EXISTS shared_ban_gone; DROP TRIGGER IF EXISTS shared_site; DELETE FROM "
    "shared_mark; DELETE FROM shared_fleet;";

static const char mark_all[] = // a mark that stands says more
    "INSERT OR IGNORE INTO shared_mark(kind, key, gone, at_ms)"
    " SELECT 1, domain, 0, " NOW " FROM policy UNION ALL"
    " SELECT 2, domain || char(10) || host, 0, " NOW " FROM memory UNION ALL"
    " SELECT 3, sender || char(10) || address, 0, " NOW " FROM suppressed UNION ALL"
    " SELECT 4, kind || char(10) || name, 0, " NOW " FROM ban WHERE kind < 2 UNION ALL"
    " SELECT 5, site, 0, " NOW " FROM site WHERE taught IN (2, 3);";

static const char is_marking[] =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = 'shared_site'";

#define HEAD "substr(key, 1, instr(key, char(10)) - 1)"
#define TAIL "substr(key, instr(key, char(10)) + 1)"
static const char look[] =
    "SELECT seq, kind, key, at_ms, gone, CASE kind"
    " WHEN 1 THEN (SELECT json_array(id, text, fetched_s, expires_s) FROM policy"
    "  WHERE domain = key)"
    " WHEN 2 THEN (SELECT json_array(owes, dane, seen_s) FROM memory"
    "  WHERE domain = " HEAD " AND host = " TAIL ")"
    " WHEN 3 THEN (SELECT json_array(origin, since_ms, until_ms, reason) FROM suppressed"
    "  WHERE sender = " HEAD " AND address = " TAIL ")"
    " WHEN 4 THEN (SELECT json_array(since_ms, until_ms, failures) FROM ban"
    "  WHERE ban.kind = CAST(" HEAD " AS INTEGER) AND name = " TAIL ")"
    " WHEN 5 THEN (SELECT json_array(window, pace, fast, taught, taught_ms, host, status, reply,"
    "  text) FROM site WHERE site = key AND taught IN (2, 3)) END"
    " FROM shared_mark ORDER BY seq LIMIT ?1";

struct shared_work {
    struct state_work work; // first
    size_t limit, n;
    const int64_t *marks;
    const char *fleet;
    int64_t seq;
    struct shared_list *out;
};

// ---- marking

static enum db_result shared_run_begin(struct state_db *db, struct state_work *work,
                                       struct why *why)
{
    (void)work;
    int64_t marking;
    enum db_result rc = db_number(db, is_marking, &marking, why);
    if (rc == DB_DONE && !marking)
        rc = db_do(db, triggers, why);
    return rc == DB_DONE && !marking ? db_do(db, mark_all, why) : rc;
}

static enum db_result shared_run_end(struct state_db *db, struct state_work *work, struct why *why)
{
    (void)work;
    int64_t marking;
    enum db_result rc = db_number(db, is_marking, &marking, why);
    return rc == DB_DONE && marking ? db_do(db, no_triggers, why) : rc;
}

static void shared_ended(struct item *item)
{
    free(list_of(item, struct state_work, item)); // a failure shows in the state's health
}

void state_shared_end(struct state *state)
{
    struct state_work *work = mem_new(sizeof *work);
    work->run = shared_run_end;
    work->item.run = shared_ended;
    state_do(state, work);
}

// ---- looking

static enum db_result find_place(struct state_db *db, struct shared_list *out, struct why *why)
{
    int64_t waiting;
    enum db_result rc = db_number(db, "SELECT count(*) FROM shared_mark", &waiting, why);
    sqlite3_stmt *st =
        rc == DB_DONE ? db_prepare(db, "SELECT id, seq FROM shared_fleet", why) : NULL;
    if (!st)
        return rc == DB_DONE ? db_judge(db, "a query", why) : rc;
    out->waiting = (uint64_t)waiting;
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW) {
        snprintf(out->fleet, sizeof out->fleet, "%s", db_column(st, 0));
        out->taken = sqlite3_column_int64(st, 1);
    }
    rc = step == SQLITE_ROW || step == SQLITE_DONE ? DB_DONE : db_judge(db, "reading", why);
    sqlite3_finalize(st);
    return rc;
}

static void shared_take_row(struct shared_list *out, sqlite3_stmt *st)
{
    bool there = sqlite3_column_type(st, 5) != SQLITE_NULL;
    // Neither there nor taken out by anybody: it has gone by its own time, and key "" says that its mark is idle.
    bool idle = !there && !sqlite3_column_int(st, 4);
    out->rows[out->n++] = (struct shared_row){.mark = sqlite3_column_int64(st, 0),
                                              .kind = (enum shared_kind)sqlite3_column_int(st, 1),
                                              .key = mem_dup(idle ? "" : db_column(st, 2)),
                                              .body = there ? mem_dup(db_column(st, 5)) : NULL,
                                              .at_ms = sqlite3_column_int64(st, 3)};
}

static enum db_result shared_run_look(struct state_db *db, struct state_work *work, struct why *why)
{
    struct shared_work *w = (struct shared_work *)work;
    enum db_result rc = shared_run_begin(db, work, why); // another file may stand there by now
    if (rc == DB_DONE)
        rc = find_place(db, w->out, why);
    sqlite3_stmt *st = rc == DB_DONE ? db_prepare(db, look, why) : NULL;
    if (!st)
        return rc == DB_DONE ? db_judge(db, "a query", why) : rc;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)w->limit);
    int step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW && w->out->n < w->limit)
        shared_take_row(w->out, st);
    rc = step == SQLITE_ROW || step == SQLITE_DONE ? DB_DONE : db_judge(db, "reading", why);
    sqlite3_finalize(st);
    return rc;
}

int state_shared_look(struct state *state, size_t limit, struct shared_list *out, struct why *why)
{
    *out = (struct shared_list){.rows = mem_new((limit + 1) * sizeof *out->rows)};
    struct shared_work w = {.work.run = shared_run_look, .limit = limit, .out = out};
    int rc = state_do_now(state, &w.work, why);
    if (rc < 0)
        shared_list_free(out);
    return rc;
}

void shared_list_free(struct shared_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->rows[i].key);
        free(list->rows[i].body);
    }
    free(list->rows);
    *list = (struct shared_list){0};
}

// ---- what was done

static enum db_result shared_run_sent(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct shared_work *w = (struct shared_work *)work;
    sqlite3_stmt *st = db_prepare(db, "DELETE FROM shared_mark WHERE seq = ?1", why);
    if (!st)
        return db_judge(db, "a query", why);
    enum db_result rc = DB_DONE;
    for (size_t i = 0; i < w->n && rc == DB_DONE; i++) {
        sqlite3_bind_int64(st, 1, w->marks[i]);
        rc = db_step(db, st, why);
    }
    sqlite3_finalize(st);
    return rc;
}

int state_shared_sent(struct state *state, const int64_t *marks, size_t n, struct why *why)
{
    struct shared_work w = {.work.run = shared_run_sent, .marks = marks, .n = n};
    return n ? state_do_now(state, &w.work, why) : 0;
}

static enum db_result shared_run_taken(struct state_db *db, struct state_work *work,
                                       struct why *why)
{
    const struct shared_work *w = (struct shared_work *)work;
    struct shared_list before = {.n = 0};
    enum db_result rc = find_place(db, &before, why);
    bool same = strcmp(before.fleet, w->fleet) == 0 && before.taken <= w->seq;
    if (rc == DB_DONE && !same)
        rc = db_do(db, mark_all, why);
    sqlite3_stmt *st =
        rc == DB_DONE ? db_prepare(db, "INSERT OR REPLACE INTO shared_fleet VALUES(1, ?1, ?2)", why)
                      : NULL;
    if (!st)
        return rc == DB_DONE ? db_judge(db, "a query", why) : rc;
    db_text(st, 1, w->fleet);
    sqlite3_bind_int64(st, 2, w->seq);
    return db_finish(db, st, why);
}

int state_shared_taken(struct state *state, const char *fleet, int64_t seq, struct why *why)
{
    struct shared_work w = {.work.run = shared_run_taken, .fleet = fleet, .seq = seq};
    return state_do_now(state, &w.work, why);
}
