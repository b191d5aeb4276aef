// SPDX-License-Identifier: ISC
// The state database as a file: opened, made, judged, moved aside when damaged. SQLite in WAL mode with a
// sync at each commit. Knows nothing of what the tables are for.
#include "relay/state/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"

#define STATE_VERSION 13
#define STATE_OWNER   0x57585731 // application_id: "WXW1"
#define BUSY_MS       5000       // waiting for another process's lock

static const char schema[] =
    "CREATE TABLE policy(domain TEXT PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL,"
    " fetched_s INTEGER NOT NULL, expires_s INTEGER NOT NULL);"
    "CREATE TABLE memory(domain TEXT NOT NULL, host TEXT NOT NULL, seen_s INTEGER NOT NULL,"
    " owes INTEGER NOT NULL, dane INTEGER NOT NULL, PRIMARY KEY(domain, host)) WITHOUT ROWID;"
    // The policy that attempts were made under, as RFC 8460 section 4.4 describes it.
    "CREATE TABLE subject(id INTEGER PRIMARY KEY, type INTEGER NOT NULL, domain TEXT NOT NULL,"
    " string TEXT NOT NULL, patterns TEXT NOT NULL, UNIQUE(type, domain, string, patterns));"
    // Attempts counted; result '' is success.
    "CREATE TABLE kind(id INTEGER PRIMARY KEY, day INTEGER NOT NULL, domain TEXT NOT NULL,"
    " subject INTEGER NOT NULL REFERENCES subject, mx_host TEXT NOT NULL, result TEXT NOT NULL,"
    " refused INTEGER NOT NULL, shadow INTEGER NOT NULL, demand TEXT NOT NULL,"
    " source TEXT NOT NULL, proof TEXT NOT NULL, count INTEGER NOT NULL,"
    " detailed INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
    " UNIQUE(day, domain, subject, mx_host, result, refused, shadow, demand, source, proof));"
    "CREATE INDEX kind_domain ON kind(domain, day);"
    // Failures in detail, the first of each kind. AUTOINCREMENT: a number is never used again.
    "CREATE TABLE detail(id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL, mx_ip TEXT NOT NULL, local_ip TEXT NOT NULL,"
    " mx_helo TEXT NOT NULL, protocol TEXT NOT NULL, cipher TEXT NOT NULL,"
    " reason TEXT NOT NULL, message INTEGER NOT NULL);"
    "CREATE INDEX detail_kind ON detail(kind);"
    "CREATE TABLE loss(time_ms INTEGER NOT NULL, sentence TEXT NOT NULL);";

// What each version added, so that an older database becomes the present one when it is opened: [v] makes
// version v of version v - 1. A new database walks the same way.
static const char *const additions[STATE_VERSION + 1] = {
    [1] = schema,
    // Daily reports (relay/state/reports.h): the days whose domains have their rows, and the rows.
    [STATE_WITH_REPORTS] =
        "CREATE TABLE report_day(day INTEGER PRIMARY KEY);"
        "CREATE TABLE report(day INTEGER NOT NULL, domain TEXT NOT NULL, rua TEXT NOT NULL,"
        " state INTEGER NOT NULL, by_hand INTEGER NOT NULL, attempts INTEGER NOT NULL,"
        " lost INTEGER NOT NULL, next_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,"
        " changed_ms INTEGER NOT NULL, message INTEGER NOT NULL, answer TEXT NOT NULL,"
        " PRIMARY KEY(day, domain, rua)) WITHOUT ROWID;"
        "CREATE INDEX report_next ON report(state, next_ms);"
        "CREATE INDEX report_message ON report(message);",
    // Who may not log in for a while (relay/state/bans.h).
    [3] = "CREATE TABLE ban(kind INTEGER NOT NULL, name TEXT NOT NULL, since_ms INTEGER NOT NULL,"
          " until_ms INTEGER NOT NULL, failures INTEGER NOT NULL, PRIMARY KEY(kind, name))"
          " WITHOUT ROWID;",
    // What was learned of sites, and pauses (relay/state/sites.h).
    [4] =
        "CREATE TABLE site(site TEXT PRIMARY KEY, window INTEGER NOT NULL, crowd INTEGER NOT NULL,"
        " pace REAL NOT NULL, fast REAL NOT NULL, taught INTEGER NOT NULL,"
        " taught_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, trouble_ms INTEGER NOT NULL,"
        " until_ms INTEGER NOT NULL, host TEXT NOT NULL, status TEXT NOT NULL,"
        " reply TEXT NOT NULL, text TEXT NOT NULL, paused_by TEXT NOT NULL,"
        " paused_why TEXT NOT NULL, paused_ms INTEGER NOT NULL,"
        " paused_until_ms INTEGER NOT NULL) WITHOUT ROWID;"
        // What is usual for a login, and why it is held (relay/state/habits.h).
        "CREATE TABLE habit(login TEXT PRIMARY KEY, since_ms INTEGER NOT NULL,"
        " used_ms INTEGER NOT NULL, hour_ms INTEGER NOT NULL, halved_ms INTEGER NOT NULL,"
        " hour INTEGER NOT NULL, fresh INTEGER NOT NULL,"
        " peak REAL NOT NULL, good REAL NOT NULL, bad REAL NOT NULL, domains BLOB NOT NULL,"
        " held_ms INTEGER NOT NULL, held_why TEXT NOT NULL) WITHOUT ROWID;",
    // The suppression list (relay/state/suppressed.h).
    [5] = "CREATE TABLE suppressed(sender TEXT NOT NULL, address TEXT NOT NULL,"
          " origin INTEGER NOT NULL, since_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,"
          " reason TEXT NOT NULL, PRIMARY KEY(sender, address)) WITHOUT ROWID;",
    // Random bytes of ours (relay/state/secret.h).
    [6] = "CREATE TABLE secret(name TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;",
    // What the last deliveries met at each host (relay/state/recent.h).
    [STATE_WITH_RECENT] =
        "CREATE TABLE recent(domain TEXT NOT NULL, host TEXT NOT NULL, used_ms INTEGER NOT NULL,"
        " good_turn INTEGER, bad_turn INTEGER, good_ms INTEGER, bad_ms INTEGER, failures INTEGER,"
        " good_ip TEXT, good_tls TEXT, good_proof TEXT, bad_ip TEXT, why TEXT, act TEXT,"
        " status TEXT, type TEXT, text TEXT, reply TEXT, chain TEXT, demand TEXT, source TEXT,"
        " leaf_ends_s INTEGER, anchor_ends_s INTEGER, matched INTEGER,"
        " mx_good TEXT, mx_now TEXT, mx_ms INTEGER,"
        " policy_good TEXT, policy_now TEXT, policy_ms INTEGER,"
        " tlsa_good TEXT, tlsa_now TEXT, tlsa_ms INTEGER,"
        " certificate_good TEXT, certificate_now TEXT, certificate_ms INTEGER,"
        " cipher_good TEXT, cipher_now TEXT, cipher_ms INTEGER,"
        " PRIMARY KEY(domain, host)) WITHOUT ROWID;"
        "CREATE INDEX recent_used ON recent(used_ms);",
    // Rows that changed since a fleet heard of them, and how far this relay has listened (relay/state/shared.h).
    [8] = "CREATE TABLE shared_mark(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,"
          " key TEXT NOT NULL, gone INTEGER NOT NULL, at_ms INTEGER NOT NULL, UNIQUE(kind, key));"
          "CREATE TABLE shared_fleet(one INTEGER PRIMARY KEY CHECK(one = 1), id TEXT NOT NULL,"
          " seq INTEGER NOT NULL);",
    // Hosts whose answers went astray (relay/state/strays.h).
    [9] = "CREATE TABLE stray(address TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;",
    // Mail that shadow mode let pass (relay/state/shadow.h).
    [STATE_WITH_SHADOW] =
        "CREATE TABLE shadow(day INTEGER NOT NULL, domain TEXT NOT NULL, host TEXT NOT NULL,"
        " why TEXT NOT NULL, type TEXT NOT NULL, text TEXT NOT NULL, sessions INTEGER NOT NULL,"
        " messages INTEGER NOT NULL, recipients INTEGER NOT NULL, bytes INTEGER NOT NULL,"
        " clear INTEGER NOT NULL, unproved INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
        " PRIMARY KEY(day, domain, host, why)) WITHOUT ROWID;",
    // What a host said of single recipients, and how mail last came there (relay/state/recent.h).
    [STATE_WITH_TOLD] =
        "ALTER TABLE recent ADD COLUMN good_resumed INTEGER;"
        "ALTER TABLE recent ADD COLUMN told_ms INTEGER; ALTER TABLE recent ADD COLUMN told_ip TEXT;"
        "ALTER TABLE recent ADD COLUMN told_why TEXT; ALTER TABLE recent ADD COLUMN told_act TEXT;"
        "ALTER TABLE recent ADD COLUMN told_status TEXT;"
        "ALTER TABLE recent ADD COLUMN told_text TEXT;"
        "ALTER TABLE recent ADD COLUMN told_reply TEXT;",
    // What became of the mail then, whose it was, and where it came from (relay/state/recent.h).
    [STATE_WITH_OUTCOMES] = "ALTER TABLE recent ADD COLUMN bad_local TEXT;"
                            "ALTER TABLE recent ADD COLUMN bad_to TEXT;"
                            "ALTER TABLE recent ADD COLUMN bad_sender TEXT;"
                            "ALTER TABLE recent ADD COLUMN bad_outcome TEXT;"
                            "ALTER TABLE recent ADD COLUMN told_local TEXT;"
                            "ALTER TABLE recent ADD COLUMN told_to TEXT;"
                            "ALTER TABLE recent ADD COLUMN told_sender TEXT;"
                            "ALTER TABLE recent ADD COLUMN told_outcome TEXT;"
                            "ALTER TABLE recent ADD COLUMN leaf_key TEXT;",
    // What of ledger and reports a fleet has yet to hear, and since when it hears (relay/state/counts.h).
    [STATE_WITH_COUNTS] =
        "CREATE TABLE count_mark(day INTEGER NOT NULL, domain TEXT NOT NULL, n INTEGER NOT NULL,"
        " PRIMARY KEY(day, domain)) WITHOUT ROWID;"
        "CREATE TABLE count_book(one INTEGER PRIMARY KEY CHECK(one = 1), generation TEXT NOT NULL,"
        " since INTEGER NOT NULL, fleet TEXT NOT NULL);"
        "CREATE TABLE report_mark(day INTEGER NOT NULL, domain TEXT NOT NULL, rua TEXT NOT NULL,"
        " n INTEGER NOT NULL, PRIMARY KEY(day, domain, rua)) WITHOUT ROWID;"
        "CREATE TABLE report_other(message INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
        " answer TEXT NOT NULL);"
        "ALTER TABLE report ADD COLUMN claim INTEGER NOT NULL DEFAULT 0;",
};

enum db_result db_judge(struct state_db *db, const char *doing, struct why *why)
{
    int code = sqlite3_errcode(db->sql) & 0xff;
    db->stale = code != SQLITE_FULL && code != SQLITE_BUSY;
    why_say(why, STATE_TROUBLE, db->path, doing, sqlite3_errmsg(db->sql));
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? DB_DAMAGED : DB_FAILED;
}

enum db_result db_do(struct state_db *db, const char *text, struct why *why)
{
    if (sqlite3_exec(db->sql, text, NULL, NULL, NULL) == SQLITE_OK)
        return DB_DONE;
    char doing[32];
    snprintf(doing, sizeof doing, "%.*s", (int)strcspn(text, " ;"), text);
    return db_judge(db, doing, why);
}

sqlite3_stmt *db_prepare(struct state_db *db, const char *text, struct why *why)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db->sql, text, -1, &st, NULL) != SQLITE_OK)
        db_judge(db, "a query", why);
    return st;
}

void db_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

const char *db_column(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    return text ? text : "";
}

enum db_result db_each(struct state_db *db, sqlite3_stmt *st, db_row_fn *row, void *arg,
                       struct why *why)
{
    int rc;
    if (!st)
        return db_judge(db, "reading", why);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        row(st, arg);
    enum db_result result = rc == SQLITE_DONE ? DB_DONE : db_judge(db, "reading", why);
    sqlite3_finalize(st);
    return result;
}

enum db_result db_step(struct state_db *db, sqlite3_stmt *st, struct why *why)
{
    enum db_result rc = sqlite3_step(st) == SQLITE_DONE ? DB_DONE : db_judge(db, "writing", why);
    sqlite3_reset(st);
    return rc;
}

enum db_result db_finish(struct state_db *db, sqlite3_stmt *st, struct why *why)
{
    enum db_result rc = st ? db_step(db, st, why) : db_judge(db, "a query", why);
    sqlite3_finalize(st);
    return rc;
}

enum db_result db_number(struct state_db *db, const char *text, int64_t *out, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db, text, why);
    if (!st)
        return db_judge(db, "a query", why);
    enum db_result rc = DB_DONE;
    *out = 0;
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else if (step != SQLITE_DONE)
        rc = db_judge(db, "a query", why);
    sqlite3_finalize(st);
    return rc;
}

// Every page is looked at, so that damage is met now and not in the middle of a delivery.
static enum db_result check_pages(struct state_db *db, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db, "PRAGMA quick_check(1)", why);
    if (!st)
        return db_judge(db, "the check", why);
    enum db_result rc = DB_DONE;
    if (sqlite3_step(st) != SQLITE_ROW) {
        rc = db_judge(db, "the check", why);
    } else if (strcmp(db_column(st, 0), "ok") != 0) {
        const char *found = db_column(st, 0), *line = strchr(found, '\n');
        why_set(why, WHY_OURS, "4.3.0", "%s is damaged: %.300s", db->path, line ? line + 1 : found);
        rc = DB_DAMAGED;
    }
    sqlite3_finalize(st);
    return rc;
}

static enum db_result refuse_foreign(struct state_db *db, bool *foreign, struct why *why)
{
    int64_t owner, tables;
    enum db_result rc = db_number(db, "PRAGMA user_version", &db->version, why);
    if (rc == DB_DONE)
        rc = db_number(db, "PRAGMA application_id", &owner, why);
    if (rc == DB_DONE)
        rc = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, why);
    if (rc != DB_DONE)
        return rc;
    *foreign = (owner != STATE_OWNER && tables > 0) || db->version > STATE_VERSION;
    if (owner != STATE_OWNER && tables > 0)
        why_set(why, WHY_OURS, "4.3.0", "%s is a database of another program", db->path);
    else if (db->version > STATE_VERSION)
        why_set(why, WHY_OURS, "4.3.0",
                "%s has version %lld, and this program knows %d: it was written by a newer one",
                db->path, (long long)db->version, STATE_VERSION);
    return *foreign ? DB_FAILED : DB_DONE;
}

// One transaction a version: a stop in between leaves a database that the next start goes on with.
static enum db_result make_version(struct state_db *db, int64_t version, struct why *why)
{
    char *text = mem_printf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; "
                            "PRAGMA user_version = %d; COMMIT",
                            additions[version], STATE_OWNER, (int)version);
    enum db_result rc = db_do(db, text, why);
    free(text);
    if (rc != DB_DONE && !sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static enum db_result remember_loss(struct state_db *db, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db, "INSERT INTO loss VALUES(?, ?)", why);
    if (!st)
        return db_judge(db, "a query", why);
    sqlite3_bind_int64(st, 1, clock_ms());
    db_text(st, 2, db->loss);
    enum db_result rc = sqlite3_step(st) == SQLITE_DONE ? DB_DONE : db_judge(db, "INSERT", why);
    sqlite3_finalize(st);
    if (rc == DB_DONE) {
        free(db->loss);
        db->loss = NULL;
    }
    return rc;
}

static enum db_result prepare_file(struct state_db *db, bool *foreign, struct why *why)
{
    enum db_result rc = refuse_foreign(db, foreign, why);
    if (rc == DB_DONE)
        rc = check_pages(db, why);
    if (rc == DB_DONE)
        rc = db_do(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", why);
    while (rc == DB_DONE && db->version < STATE_VERSION)
        rc = make_version(db, ++db->version, why);
    if (rc == DB_DONE && db->loss)
        rc = remember_loss(db, why);
    return rc;
}

enum db_result db_open(struct state_db *db, bool *foreign, struct why *why)
{
    *foreign = false;
    // Made here, so that nobody else may read who writes to whom; SQLite's side files follow its mode.
    int fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0)
        close(fd);
    int rc = sqlite3_open_v2(db->path, &db->sql, SQLITE_OPEN_READWRITE, NULL);
    enum db_result result;
    if (rc != SQLITE_OK) {
        result = db_judge(db, "opening", why);
    } else {
        sqlite3_busy_timeout(db->sql, BUSY_MS);
        sqlite3_extended_result_codes(db->sql, 1);
        result = prepare_file(db, foreign, why);
    }
    if (result != DB_DONE)
        db_close(db);
    else
        presence_note(db);
    return result;
}

static int open_reader(struct state_db *db, bool immutable, struct why *why)
{
    // A URI: of all characters only these mean something in one.
    struct buf uri;
    buf_init(&uri, 16384);
    buf_adds(&uri, "file:");
    for (const char *c = db->path; *c; c++)
        buf_addf(&uri, strchr("?#%", *c) ? "%%%02x" : "%c", *c);
    buf_adds(&uri, immutable ? "?immutable=1" : "");
    int rc =
        sqlite3_open_v2(buf_text(&uri), &db->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    buf_free(&uri);
    bool foreign = false;
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db->sql, BUSY_MS);
        if (refuse_foreign(db, &foreign, why) == DB_DONE)
            return 0;
    } else {
        db_judge(db, "opening", why);
    }
    return -1;
}

int db_open_reader(struct state_db *db, const char *path, struct why *why)
{
    *db = (struct state_db){.path = mem_dup(path)};
    if (open_reader(db, false, why) == 0)
        return 0;
    // Without rights in its directory SQLite cannot make the shared memory of WAL mode. Where no log
    // stands beside it, nobody has it open, and it can be read as it lies there.
    int code = sqlite3_errcode(db->sql) & 0xff;
    char *wal = mem_printf("%s-wal", path);
    bool lone = (code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && access(path, R_OK) == 0 &&
                access(wal, F_OK) < 0;
    free(wal);
    if (lone) {
        sqlite3_close(db->sql);
        db->sql = NULL;
        if (open_reader(db, true, why) == 0)
            return 0;
    }
    db_close_reader(db);
    return -1;
}

void db_close_reader(struct state_db *db)
{
    db_close(db);
    free(db->path);
    db->path = NULL;
}

void db_close(struct state_db *db)
{
    sqlite3_close(db->sql);
    db->sql = NULL;
}

// The side files go with it, under names by which SQLite finds them again.
static int move_aside(const char *path, char **aside, struct why *why)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char when[40];
    clock_rfc3339(clock_ms(), when);
    *aside = mem_printf("%s.damaged-%s", path, when);
    for (int i = 2; access(*aside, F_OK) == 0; i++) {
        free(*aside);
        *aside = mem_printf("%s.damaged-%s-%d", path, when, i);
    }
    for (size_t i = 0; i < 3; i++) {
        char *from = mem_printf("%s%s", path, parts[i]), *to = mem_printf("%s%s", *aside, parts[i]);
        int rc = rename(from, to), error = errno;
        free(from);
        free(to);
        if (rc < 0 && !(i > 0 && error == ENOENT))
            return why_set(why, WHY_OURS, "4.3.0", "%s is damaged and cannot be moved aside: %s",
                           path, strerror(error));
    }
    return 0;
}

enum db_result db_replace(struct state_db *db, const struct why *damage, struct why *why)
{
    char *aside, when[40], cause[sizeof damage->text];
    snprintf(cause, sizeof cause, "%s", damage->text); // damage may be *why
    db_close(db);
    if (move_aside(db->path, &aside, why) < 0) {
        free(aside);
        return DB_FAILED;
    }
    clock_rfc3339(clock_ms(), when);
    free(db->loss);
    db->loss = mem_printf("policies and memory lost at %s: %.300s; the damaged file is %s", when,
                          cause, aside);
    log_alarm("state", REASON_STATE_LOST, "%s", db->loss);
    free(aside);
    bool foreign;
    return db_open(db, &foreign, why) == DB_DONE ? DB_DONE : DB_FAILED;
}
