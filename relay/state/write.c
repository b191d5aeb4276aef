// SPDX-License-Identifier: ISC
// What is written to the state database: policies, memory, and entries counted by kind (RFC 8460 section 4:
// sessions are counted, so a success is a counter, and a failure keeps its detail while there are few).
#include "relay/state/inside.h"

#include <stdlib.h>
#include <string.h>

enum statement {
    KEEP_POLICY,
    DROP_POLICY,
    KEEP_MEMORY,
    DROP_MEMORY,
    ADD_SUBJECT,
    FIND_SUBJECT,
    COUNT_FACT,
    COUNT_KINDS,
    DROP_KIND,
    ADD_DETAIL,
    COUNT_DETAIL,
    ADD_SHADOW,
    STATEMENTS
};
static const char *const texts[STATEMENTS] = {
    [KEEP_POLICY] = "INSERT OR REPLACE INTO policy VALUES(?, ?, ?, ?, ?)",
    [DROP_POLICY] = "DELETE FROM policy WHERE domain = ?",
    [KEEP_MEMORY] = "INSERT OR REPLACE INTO memory VALUES(?, ?, ?, ?, ?)",
    [DROP_MEMORY] = "DELETE FROM memory WHERE domain = ? AND host = ?",
    [ADD_SUBJECT] = "INSERT INTO subject(type, domain, string, patterns) VALUES(?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
    [FIND_SUBJECT] = "SELECT id FROM subject WHERE type = ? AND domain = ? AND string = ?"
                     " AND patterns = ?",
    [COUNT_FACT] = "INSERT INTO kind(day, domain, subject, mx_host, result, refused, shadow,"
                   " demand, source, proof, count, detailed, last_ms)"
                   " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, ?)"
                   " ON CONFLICT(day, domain, subject, mx_host, result, refused, shadow, demand,"
                   " source, proof) DO UPDATE SET count = count + 1,"
                   " last_ms = max(last_ms, excluded.last_ms) RETURNING id, count, detailed",
    [COUNT_KINDS] = "SELECT count(*) FROM kind WHERE domain = ? AND day = ?",
    [DROP_KIND] = "DELETE FROM kind WHERE id = ?",
    [ADD_DETAIL] = "INSERT INTO detail(kind, time_ms, mx_ip, local_ip, mx_helo, protocol, cipher,"
                   " reason, message) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [COUNT_DETAIL] = "UPDATE kind SET detailed = detailed + 1 WHERE id = ?",
    [ADD_SHADOW] =
        "INSERT INTO shadow(day, domain, host, why, type, text, sessions, messages, recipients, "
        "bytes,"
        " clear, unproved, last_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(day, domain, host, why) DO UPDATE SET type = excluded.type, text = "
        "excluded.text,"
        " sessions = sessions + excluded.sessions, messages = messages + excluded.messages,"
        " recipients = recipients + excluded.recipients, bytes = bytes + excluded.bytes,"
        " clear = clear + excluded.clear, unproved = unproved + excluded.unproved,"
        " last_ms = max(last_ms, excluded.last_ms)",
};

// One transaction, with each statement prepared when it is first needed.
struct writer {
    struct state_db *db;
    sqlite3_stmt *at[STATEMENTS];
    struct why *why;
    enum db_result result;
};

static sqlite3_stmt *ready(struct writer *w, enum statement which)
{
    if (!w->at[which])
        w->at[which] = db_prepare(w->db, texts[which], w->why);
    if (!w->at[which])
        w->result = db_judge(w->db, "a query", w->why);
    return w->at[which];
}

static bool write_step(struct writer *w, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        w->result = db_judge(w->db, "writing", w->why);
    return rc == SQLITE_ROW;
}

static void write_policy(struct writer *w, const struct state_write *job)
{
    const struct sts_row *row = &job->policy;
    sqlite3_stmt *st = ready(w, row->text ? KEEP_POLICY : DROP_POLICY);
    if (!st)
        return;
    db_text(st, 1, job->domain);
    if (row->text) {
        db_text(st, 2, row->id);
        db_text(st, 3, row->text);
        sqlite3_bind_int64(st, 4, row->fetched_s);
        sqlite3_bind_int64(st, 5, row->expires_s);
    }
    write_step(w, st);
    sqlite3_reset(st);
}

static void write_memory(struct writer *w, const struct state_write *job)
{
    const struct memory_row *row = &job->memory;
    bool keep = row->owes != OWES_NOTHING || row->dane;
    sqlite3_stmt *st = ready(w, keep ? KEEP_MEMORY : DROP_MEMORY);
    if (!st)
        return;
    db_text(st, 1, job->domain);
    db_text(st, 2, row->host);
    if (keep) {
        sqlite3_bind_int64(st, 3, row->seen_s);
        sqlite3_bind_int(st, 4, row->owes);
        sqlite3_bind_int(st, 5, row->dane);
    }
    write_step(w, st);
    sqlite3_reset(st);
}

struct subject {
    enum policy_type type;
    const char *domain, *string, *patterns;
};

static void bind_subject(sqlite3_stmt *st, const struct subject *s)
{
    sqlite3_bind_int(st, 1, s->type);
    db_text(st, 2, s->domain);
    db_text(st, 3, s->string);
    db_text(st, 4, s->patterns);
}

static int64_t subject_of(struct writer *w, const struct subject *s)
{
    int64_t id = 0;
    sqlite3_stmt *find = ready(w, FIND_SUBJECT);
    if (!find)
        return 0;
    bind_subject(find, s);
    if (write_step(w, find))
        id = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    sqlite3_stmt *add = id || w->result != DB_DONE ? NULL : ready(w, ADD_SUBJECT);
    if (!add)
        return id;
    bind_subject(add, s);
    write_step(w, add);
    sqlite3_reset(add);
    return w->result == DB_DONE ? sqlite3_last_insert_rowid(w->db->sql) : 0;
}

struct kind {
    int64_t id, count, detailed;
};

// Counts the entry under its kind; `other`: under the one that takes what the bound leaves over.
static struct kind count_fact(struct writer *w, const struct ledger_entry *f, bool other)
{
    struct kind kind = {0};
    struct subject subject = {f->policy_type, f->policy_domain, f->policy_string, f->mx_patterns};
    if (other)
        subject = (struct subject){POLICY_NONE_FOUND, f->domain, "", ""};
    int64_t id = subject_of(w, &subject);
    sqlite3_stmt *st = id ? ready(w, COUNT_FACT) : NULL;
    if (!st)
        return kind;
    sqlite3_bind_int64(st, 1, ledger_day(f->time_ms));
    db_text(st, 2, f->domain);
    sqlite3_bind_int64(st, 3, id);
    db_text(st, 4, other ? "" : f->mx_host);
    db_text(st, 5, why_tls_word(f->result));
    sqlite3_bind_int(st, 6, f->refused);
    sqlite3_bind_int(st, 7, f->shadow);
    db_text(st, 8, other ? "" : f->demand);
    db_text(st, 9, other ? "" : f->source);
    db_text(st, 10, other ? "" : f->proof);
    sqlite3_bind_int64(st, 11, f->time_ms);
    if (write_step(w, st))
        kind = (struct kind){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
                             sqlite3_column_int64(st, 2)};
    sqlite3_reset(st);
    return kind;
}

static bool too_many_kinds(struct writer *w, const struct ledger_entry *f)
{
    sqlite3_stmt *st = ready(w, COUNT_KINDS);
    if (!st)
        return false;
    db_text(st, 1, f->domain);
    sqlite3_bind_int64(st, 2, ledger_day(f->time_ms));
    bool many = write_step(w, st) && sqlite3_column_int64(st, 0) > STATE_KINDS;
    sqlite3_reset(st);
    return many;
}

static void run_on_kind(struct writer *w, enum statement which, int64_t kind)
{
    sqlite3_stmt *st = ready(w, which);
    if (!st)
        return;
    sqlite3_bind_int64(st, 1, kind);
    write_step(w, st);
    sqlite3_reset(st);
}

static void write_detail(struct writer *w, const struct ledger_entry *f, int64_t kind)
{
    sqlite3_stmt *st = ready(w, ADD_DETAIL);
    if (!st)
        return;
    sqlite3_bind_int64(st, 1, kind);
    sqlite3_bind_int64(st, 2, f->time_ms);
    db_text(st, 3, f->mx_ip);
    db_text(st, 4, f->local_ip);
    db_text(st, 5, f->mx_helo);
    db_text(st, 6, f->protocol);
    db_text(st, 7, f->cipher);
    db_text(st, 8, f->reason);
    sqlite3_bind_int64(st, 9, (int64_t)f->id);
    write_step(w, st);
    sqlite3_reset(st);
    run_on_kind(w, COUNT_DETAIL, kind);
}

static void write_entry(struct writer *w, const struct ledger_entry *f)
{
    struct kind kind = count_fact(w, f, false);
    if (w->result == DB_DONE && kind.count == 1 && too_many_kinds(w, f)) {
        run_on_kind(w, DROP_KIND, kind.id);
        kind = count_fact(w, f, true);
    }
    bool failure = f->result != WHY_TLS_NONE || f->refused;
    if (w->result == DB_DONE && failure && kind.detailed < STATE_DETAILS)
        write_detail(w, f, kind.id);
}

static void bind_shadow(sqlite3_stmt *st, const struct shadow_row *row)
{
    const int64_t numbers[] = {row->sessions, row->messages, row->recipients, row->bytes,
                               row->clear,    row->unproved, row->last_ms};
    sqlite3_bind_int64(st, 1, row->day);
    db_text(st, 2, row->domain);
    db_text(st, 3, row->host);
    db_text(st, 4, row->why);
    db_text(st, 5, row->type);
    db_text(st, 6, row->text);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sqlite3_bind_int64(st, (int)i + 7, numbers[i]);
}

static void write_shadow(struct writer *w, const struct shadow_row *row)
{
    sqlite3_stmt *st = ready(w, ADD_SHADOW);
    if (!st)
        return;
    bind_shadow(st, row);
    write_step(w, st);
    sqlite3_reset(st);
}

enum db_result db_write(struct state_db *db, const struct state_write *first, struct why *why)
{
    struct writer w = {.db = db, .why = why, .result = db_do(db, "BEGIN IMMEDIATE", why)};
    if (w.result != DB_DONE)
        return w.result;
    for (const struct state_write *job = first; job && w.result == DB_DONE; job = job->next) {
        if (job->entry)
            write_entry(&w, job->entry);
        else if (job->shadow)
            write_shadow(&w, job->shadow);
        else if (job->memory.host)
            write_memory(&w, job);
        else
            write_policy(&w, job);
    }
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(w.at[i]);
    if (w.result == DB_DONE)
        w.result = db_do(db, "COMMIT", why);
    if (w.result != DB_DONE && !sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return w.result;
}

void state_write_free(struct state_write *w)
{
    if (!w)
        return;
    ledger_entry_free(w->entry);
    if (w->shadow)
        shadow_row_free(w->shadow);
    free(w->shadow);
    free(w->domain);
    free(w->memory.host);
    free((char *)(uintptr_t)w->policy.id);
    free((char *)(uintptr_t)w->policy.text);
    free(w);
}

enum db_result db_prune(struct state_db *db, int64_t first_day, bool *more, struct why *why)
{
    // A bounded piece at a time: a policy that a delivery waits for may come in between. Details go
    // before their kinds, kinds before their subjects.
    static const char *const steps[] = {
        "DELETE FROM detail WHERE id IN (SELECT detail.id FROM detail JOIN kind"
        " ON kind.id = detail.kind WHERE day < ?1 LIMIT 5000)",
        "DELETE FROM kind WHERE id IN (SELECT id FROM kind WHERE day < ?1 LIMIT 5000)",
        "DELETE FROM subject WHERE id IN (SELECT id FROM subject WHERE ?1 = ?1 AND id NOT IN"
        " (SELECT subject FROM kind) LIMIT 5000)",
        "DELETE FROM report WHERE (day, domain, rua) IN (SELECT day, domain, rua FROM report"
        " WHERE day < ?1 LIMIT 5000)",
        "DELETE FROM report_day WHERE day < ?1",
        "DELETE FROM report_mark WHERE day < ?1",
        "DELETE FROM count_mark WHERE day < ?1",
        "DELETE FROM shadow WHERE (day, domain, host, why) IN (SELECT day, domain, host, why FROM"
        " shadow WHERE day < ?1 LIMIT 5000)",
        "DELETE FROM loss WHERE time_ms < ?1 * 86400000"};
    *more = false;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        sqlite3_stmt *st = db_prepare(db, steps[i], why);
        if (!st)
            return db_judge(db, "a query", why);
        sqlite3_bind_int64(st, 1, first_day);
        bool done = sqlite3_step(st) == SQLITE_DONE;
        enum db_result rc = done ? DB_DONE : db_judge(db, "DELETE", why);
        sqlite3_finalize(st);
        if (rc != DB_DONE)
            return rc;
        *more = sqlite3_changes(db->sql) >= 5000;
        if (*more)
            return DB_DONE;
    }
    return DB_DONE;
}
