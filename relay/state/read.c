// SPDX-License-Identifier: ISC
// What is read from the state database: policies and memory at start, the ledger for people and reports.
#include "relay/state/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"

struct policies {
    void (*fn)(void *arg, const struct sts_row *row);
    void *arg;
};

static void read_policy_row(sqlite3_stmt *st, void *arg)
{
    const struct policies *p = arg;
    const struct sts_row row = {.domain = db_column(st, 0),
                                .id = db_column(st, 1),
                                .text = db_column(st, 2),
                                .fetched_s = sqlite3_column_int64(st, 3),
                                .expires_s = sqlite3_column_int64(st, 4)};
    p->fn(p->arg, &row);
}

static enum db_result each_policy(struct state_db *db, void (*fn)(void *, const struct sts_row *),
                                  void *arg, struct why *why)
{
    struct policies p = {fn, arg};
    sqlite3_stmt *st = db_prepare(
        db, "SELECT domain, id, text, fetched_s, expires_s FROM policy ORDER BY domain", why);
    return db_each(db, st, read_policy_row, &p, why);
}

struct memories {
    void (*fn)(void *arg, const char *domain, const struct memory_row *row);
    void *arg;
};

static void read_memory_row(sqlite3_stmt *st, void *arg)
{
    const struct memories *m = arg;
    int owes = sqlite3_column_int(st, 3);
    char *host = mem_dup(db_column(st, 1));
    const struct memory_row row = {.host = host,
                                   .seen_s = sqlite3_column_int64(st, 2),
                                   .owes = owes >= OWES_CERTIFICATE ? OWES_CERTIFICATE
                                           : owes == OWES_TLS       ? OWES_TLS
                                                                    : OWES_NOTHING,
                                   .dane = sqlite3_column_int(st, 4) != 0};
    m->fn(m->arg, db_column(st, 0), &row);
    free(host);
}

static enum db_result each_memory(struct state_db *db,
                                  void (*fn)(void *, const char *, const struct memory_row *),
                                  void *arg, struct why *why)
{
    struct memories m = {fn, arg};
    sqlite3_stmt *st = db_prepare(
        db, "SELECT domain, host, seen_s, owes, dane FROM memory ORDER BY domain, host", why);
    return db_each(db, st, read_memory_row, &m, why);
}

// The columns that every view gives, in the order that read_ledger_row() reads them.
#define KIND_COLUMNS                                                                               \
    "kind.day, kind.domain, type, subject.domain, string, patterns, mx_host, result, refused,"     \
    " shadow, demand, source, proof"
#define FROM_KIND " FROM kind JOIN subject ON subject.id = kind.subject"
#define NO_DETAIL ", '', '', '', '', '', '', 0"
// ?1 the domain or NULL, ?2 the result or NULL, ?3 the first moment, ?4 the number before or the day, ?5 how many;
// of failures too ?6 the host or NULL, ?7 the words or NULL, ?8 the policy or NULL, ?9 the outcome, ?10 the end or 0
#define OF_NAME(column, wanted)                                                                    \
    " (" wanted " IS NULL OR " column " = " wanted " OR (substr(" wanted ", 1, 2) = '*.'"          \
    " AND length(" column ") >= length(" wanted ")"                                                \
    " AND substr(" column ", -(length(" wanted ") - 1)) = substr(" wanted ", 2)))"
#define OF_DOMAIN OF_NAME("kind.domain", "?1")
#define OF_WORDS                                                                                   \
    " AND (?7 IS NULL OR instr(lower(kind.domain || ' ' || mx_host || ' ' || mx_ip || ' ' ||"      \
    " result || ' ' || demand || ' ' || source || ' ' || reason), lower(?7)))"
#define OF_OUTCOME     " AND (?9 = 0 OR ?9 = CASE WHEN refused THEN 1 WHEN shadow THEN 2 ELSE 3 END)"
#define IS_FAILURE     " (result <> '' OR refused)"
#define FROM_COUNTED   " FROM counted AS kind JOIN subject ON subject.id = kind.subject"
#define SHARED_DETAILS "1000" // of one domain and day

static const char *const views[] = {
    [STATE_FAILURES] =
        "SELECT " KIND_COLUMNS ", 1, time_ms, detail.id, mx_ip, local_ip, mx_helo, protocol,"
        " cipher, reason, message FROM detail JOIN kind ON kind.id = detail.kind"
        " JOIN subject ON subject.id = kind.subject WHERE" OF_DOMAIN
        " AND (?2 IS NULL OR result = ?2) AND time_ms >= ?3 AND detail.id > ?4"
        " AND" OF_NAME("mx_host", "?6") OF_WORDS
    " AND (?8 IS NULL OR type = ?8)" OF_OUTCOME
    " AND (?10 = 0 OR time_ms < ?10) ORDER BY detail.id DESC LIMIT ?5",
    [STATE_SUMS] =
        "SELECT " KIND_COLUMNS ", count, last_ms, 0" NO_DETAIL FROM_KIND " WHERE" OF_DOMAIN
        " AND (?2 IS NULL OR result = ?2) AND last_ms >= ?3 AND ?4 = ?4"
        " ORDER BY kind.day DESC, kind.domain, type, mx_host, result LIMIT ?5",
    // Successes, then failures by the addresses and words of their details, then what was only counted.
    [STATE_REPORT] =
        "SELECT * FROM (SELECT " KIND_COLUMNS ", count, last_ms, 0" NO_DETAIL FROM_KIND
        " WHERE kind.day = ?4 AND NOT" IS_FAILURE " UNION ALL SELECT " KIND_COLUMNS
        ", count(*), max(time_ms), 0, mx_ip, local_ip, mx_helo,"
        " '', '', reason, 0 FROM detail JOIN kind ON kind.id = detail.kind"
        " JOIN subject ON subject.id = kind.subject WHERE kind.day = ?4"
        " GROUP BY kind.id, mx_ip, local_ip, mx_helo, reason"
        " UNION ALL SELECT " KIND_COLUMNS ", count - detailed, last_ms, 0" NO_DETAIL FROM_KIND
        " WHERE kind.day = ?4 AND" IS_FAILURE " AND count > detailed) AS kind"
        " WHERE" OF_DOMAIN " AND ?2 IS ?2 AND ?3 = ?3 ORDER BY 2, 3, 4, 7, 8 LIMIT ?5",
    // The same of one domain, where details beyond the most frequent are counted with their kinds.
    [STATE_SHARED] =
        "WITH counted AS (SELECT * FROM kind WHERE domain = ?1 AND day = ?4),"
        " told AS (SELECT kind, mx_ip, local_ip, mx_helo, reason, count(*) AS n,"
        " max(time_ms) AS last FROM detail JOIN counted ON counted.id = detail.kind"
        " GROUP BY kind, mx_ip, local_ip, mx_helo, reason ORDER BY n DESC, kind "
        "LIMIT " SHARED_DETAILS ") SELECT " KIND_COLUMNS
        ", count, last_ms, 0" NO_DETAIL FROM_COUNTED " WHERE NOT" IS_FAILURE
        " UNION ALL SELECT " KIND_COLUMNS ", n, last, 0, mx_ip, local_ip, mx_helo, '', '', reason,"
        " 0 FROM told JOIN counted AS kind ON kind.id = told.kind"
        " JOIN subject ON subject.id = kind.subject"
        " UNION ALL SELECT " KIND_COLUMNS ", count - coalesce((SELECT sum(n) FROM told"
        " WHERE told.kind = kind.id), 0) AS rest, last_ms, 0" NO_DETAIL FROM_COUNTED
        " WHERE" IS_FAILURE " AND rest > 0 AND ?2 IS ?2 AND ?3 = ?3 ORDER BY 2, 3, 4, 7, 8"
        " LIMIT ?5",
};

static void read_ledger_row(sqlite3_stmt *st, void *arg)
{
    struct ledger_entry *f = ledger_entry_new();
    f->policy_type = (enum policy_type)sqlite3_column_int(st, 2);
    f->result = why_tls_parse(db_column(st, 7));
    f->refused = sqlite3_column_int(st, 8) != 0;
    f->shadow = sqlite3_column_int(st, 9) != 0;
    f->time_ms = sqlite3_column_int64(st, 14);
    f->id = (uint64_t)sqlite3_column_int64(st, 22);
    char **const text[] = {&f->domain,
                           NULL,
                           &f->policy_domain,
                           &f->policy_string,
                           &f->mx_patterns,
                           &f->mx_host,
                           NULL,
                           NULL,
                           NULL,
                           &f->demand,
                           &f->source,
                           &f->proof,
                           NULL,
                           NULL,
                           NULL,
                           &f->mx_ip,
                           &f->local_ip,
                           &f->mx_helo,
                           &f->protocol,
                           &f->cipher,
                           &f->reason};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        if (text[i])
            ledger_entry_set(text[i], db_column(st, (int)i + 1));
    ledger_rows_add(arg, &(struct ledger_row){.entry = f,
                                              .day = sqlite3_column_int64(st, 0),
                                              .count = (uint64_t)sqlite3_column_int64(st, 13),
                                              .number = sqlite3_column_int64(st, 15)});
}

static void bind_choice(sqlite3_stmt *st, const struct state_query *query)
{
    if (query->host)
        db_text(st, 6, query->host);
    if (query->words)
        db_text(st, 7, query->words);
    if (query->policy)
        sqlite3_bind_int(st, 8, query->policy - 1);
    sqlite3_bind_int(st, 9, (int)query->outcome);
    sqlite3_bind_int64(st, 10, query->until_ms);
}

enum db_result db_rows(struct state_db *db, const struct state_query *query,
                       struct ledger_rows *rows, struct why *why)
{
    sqlite3_stmt *st = db_prepare(db, views[query->view], why);
    if (!st)
        return db_judge(db, "reading", why);
    if (query->domain)
        db_text(st, 1, query->domain);
    if (query->result >= 0)
        db_text(st, 2, why_tls_word((enum why_tls)query->result));
    sqlite3_bind_int64(st, 3, query->since_ms);
    sqlite3_bind_int64(st, 4, query->view >= STATE_REPORT ? query->day : query->after);
    sqlite3_bind_int64(st, 5, query->limit ? (int64_t)query->limit : STATE_ROWS);
    if (query->view == STATE_FAILURES)
        bind_choice(st, query);
    return db_each(db, st, read_ledger_row, rows, why);
}

struct ledger_asking {
    struct state_work work;
    struct state_query query; // its texts are those below
    char *domain, *host, *words;
    struct ledger_rows rows;
    state_rows_fn *fn;
    void *arg;
};

static enum db_result read_run_ask(struct state_db *db, struct state_work *work, struct why *why)
{
    struct ledger_asking *a = list_of(work, struct ledger_asking, work);
    enum db_result rc = db_rows(db, &a->query, &a->rows, why);
    if (rc != DB_DONE)
        ledger_rows_free(&a->rows);
    return rc;
}

static void read_on_rows(struct item *item)
{
    struct ledger_asking *a = list_of(item, struct ledger_asking, work.item);
    a->fn(&a->rows, why_is_set(&a->work.why) ? &a->work.why : NULL, a->arg);
    ledger_rows_free(&a->rows);
    free(a->domain);
    free(a->host);
    free(a->words);
    free(a);
}

void state_ask(struct state *state, const struct state_query *query, struct inbox *reply,
               state_rows_fn *fn, void *arg)
{
    struct ledger_asking *a = mem_new(sizeof *a);
    a->work = (struct state_work){
        .item.run = read_on_rows, .run = read_run_ask, .reads = true, .reply = reply};
    a->query = *query;
    a->query.domain = a->domain = mem_dup(query->domain);
    a->query.host = a->host = mem_dup(query->host);
    a->query.words = a->words = mem_dup(query->words);
    a->fn = fn;
    a->arg = arg;
    state_do(state, &a->work);
}

static void read_loss_row(sqlite3_stmt *st, void *arg)
{
    struct state_health *out = arg;
    out->lost_ms = sqlite3_column_int64(st, 0);
    snprintf(out->lost, sizeof out->lost, "%s", db_column(st, 1));
}

enum db_result db_loss(struct state_db *db, struct state_health *out, struct why *why)
{
    sqlite3_stmt *st =
        db_prepare(db, "SELECT time_ms, sentence FROM loss ORDER BY time_ms DESC LIMIT 1", why);
    return db_each(db, st, read_loss_row, out, why);
}

int state_read(const char *path, void (*policy)(void *arg, const struct sts_row *row),
               void (*memory)(void *arg, const char *domain, const struct memory_row *row),
               void *arg, struct why *why)
{
    struct state_db db;
    if (db_open_reader(&db, path, why) < 0)
        return -1;
    enum db_result rc = each_policy(&db, policy, arg, why);
    if (rc == DB_DONE)
        rc = each_memory(&db, memory, arg, why);
    db_close_reader(&db);
    return rc == DB_DONE ? 0 : -1;
}

int state_ask_file(const char *path, const struct state_query *query, struct ledger_rows *rows,
                   struct why *why)
{
    struct state_db db;
    *rows = (struct ledger_rows){0};
    if (db_open_reader(&db, path, why) < 0)
        return -1;
    enum db_result rc = db_rows(&db, query, rows, why);
    db_close_reader(&db);
    if (rc != DB_DONE)
        ledger_rows_free(rows);
    return rc == DB_DONE ? 0 : -1;
}

int state_look(const char *path, struct state_health *out, struct why *why)
{
    struct state_db db;
    char *lock = mem_printf("%s-lock", path), *lost = presence_lost(path, access(lock, F_OK) == 0);
    *out = (struct state_health){.writable = true};
    free(lock);
    if (lost) {
        out->lost_ms = clock_ms();
        snprintf(out->lost, sizeof out->lost, "%s", lost);
        free(lost);
        return 0;
    }
    if (db_open_reader(&db, path, why) < 0)
        return -1;
    enum db_result rc = db_loss(&db, out, why);
    db_close_reader(&db);
    return rc == DB_DONE ? 0 : -1;
}
