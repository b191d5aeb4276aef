// SPDX-License-Identifier: ISC
// Rows of what hosts met, in the state database. Knows nothing of what they mean.
#include "relay/state/recent.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/state/inside.h"

#define RECENT_ALARM_MS 3600000

// A column each: the member that it keeps. Traits, which may be unknown, are NULL in the database too.
#define MEMBER(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct recent_row, name)                                                   \
    }
#define PART(part, name, member)                                                                   \
    {                                                                                              \
        name, offsetof(struct recent_row, part.member)                                             \
    }
#define TRAIT(what, name, member)                                                                  \
    {                                                                                              \
        name, offsetof(struct recent_row, traits[what].member)                                     \
    }
struct column {
    const char *name;
    size_t at;
};
static const struct column texts[] = {
    MEMBER(domain),
    MEMBER(host),
    MEMBER(good_ip),
    MEMBER(good_tls),
    MEMBER(good_proof),
    PART(bad, "bad_ip", ip),
    PART(bad, "why", why),
    PART(bad, "act", act),
    PART(bad, "status", status),
    MEMBER(type),
    PART(bad, "text", text),
    PART(bad, "reply", reply),
    PART(bad, "bad_local", local),
    PART(bad, "bad_to", to),
    PART(bad, "bad_sender", sender),
    PART(bad, "bad_outcome", outcome),
    PART(told, "told_ip", ip),
    PART(told, "told_why", why),
    PART(told, "told_act", act),
    PART(told, "told_status", status),
    PART(told, "told_text", text),
    PART(told, "told_reply", reply),
    PART(told, "told_local", local),
    PART(told, "told_to", to),
    PART(told, "told_sender", sender),
    PART(told, "told_outcome", outcome),
    MEMBER(chain),
    MEMBER(leaf_key),
    MEMBER(demand),
    MEMBER(source),
    TRAIT(RECENT_MX, "mx_good", good),
    TRAIT(RECENT_MX, "mx_now", now),
    TRAIT(RECENT_POLICY, "policy_good", good),
    TRAIT(RECENT_POLICY, "policy_now", now),
    TRAIT(RECENT_TLSA, "tlsa_good", good),
    TRAIT(RECENT_TLSA, "tlsa_now", now),
    TRAIT(RECENT_CERTIFICATE, "certificate_good", good),
    TRAIT(RECENT_CERTIFICATE, "certificate_now", now),
    TRAIT(RECENT_CIPHER, "cipher_good", good),
    TRAIT(RECENT_CIPHER, "cipher_now", now),
};
static const struct column numbers[] = {
    MEMBER(used_ms),
    MEMBER(good_turn),
    MEMBER(bad_turn),
    MEMBER(good_ms),
    PART(bad, "bad_ms", ms),
    MEMBER(failures),
    MEMBER(good_resumed),
    PART(told, "told_ms", ms),
    MEMBER(leaf_ends_s),
    MEMBER(anchor_ends_s),
    MEMBER(matched),
    TRAIT(RECENT_MX, "mx_ms", since_ms),
    TRAIT(RECENT_POLICY, "policy_ms", since_ms),
    TRAIT(RECENT_TLSA, "tlsa_ms", since_ms),
    TRAIT(RECENT_CERTIFICATE, "certificate_ms", since_ms),
    TRAIT(RECENT_CIPHER, "cipher_ms", since_ms),
};
#define TEXTS   (sizeof texts / sizeof *texts)
#define NUMBERS (sizeof numbers / sizeof *numbers)

static char **text_at(const struct recent_row *row, size_t i)
{
    return (char **)(void *)((char *)(uintptr_t)row + texts[i].at);
}

static int64_t *number_at(const struct recent_row *row, size_t i)
{
    return (int64_t *)(void *)((char *)(uintptr_t)row + numbers[i].at);
}

void recent_row_free(struct recent_row *row)
{
    for (size_t i = 0; i < TEXTS; i++)
        free(*text_at(row, i));
    *row = (struct recent_row){0};
}

void recent_row_copy(struct recent_row *to, const struct recent_row *from)
{
    *to = *from;
    for (size_t i = 0; i < TEXTS; i++)
        *text_at(to, i) = mem_dup(*text_at(from, i));
}

// "domain, host, ..." with what is to stand before and between them.
static void names(struct buf *out)
{
    for (size_t i = 0; i < TEXTS + NUMBERS; i++)
        buf_addf(out, "%s%s", i ? ", " : "", i < TEXTS ? texts[i].name : numbers[i - TEXTS].name);
}

static sqlite3_stmt *prepare_keep(struct state_db *db, struct why *why)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_adds(&text, "INSERT OR REPLACE INTO recent(");
    names(&text);
    buf_adds(&text, ") VALUES(");
    for (size_t i = 0; i < TEXTS + NUMBERS; i++)
        buf_adds(&text, i ? ", ?" : "?");
    buf_adds(&text, ")");
    sqlite3_stmt *st = db_prepare(db, buf_text(&text), why);
    buf_free(&text);
    return st;
}

static void recent_bind(sqlite3_stmt *st, const struct recent_row *row)
{
    for (size_t i = 0; i < TEXTS; i++)
        sqlite3_bind_text(st, (int)i + 1, *text_at(row, i), -1, SQLITE_TRANSIENT);
    for (size_t i = 0; i < NUMBERS; i++)
        sqlite3_bind_int64(st, (int)(TEXTS + i) + 1, *number_at(row, i));
}

struct recent_work {
    struct state_work work;
    struct recent_keeping keeping;
};

static enum db_result recent_run_keep(struct state_db *db, struct state_work *work, struct why *why)
{
    const struct recent_keeping *k = &list_of(work, struct recent_work, work)->keeping;
    sqlite3_stmt *keep = prepare_keep(db, why);
    sqlite3_stmt *drop =
        keep ? db_prepare(db, "DELETE FROM recent WHERE domain = ? AND host = ?", why) : NULL;
    enum db_result rc = drop ? DB_DONE : db_judge(db, "a query", why);
    for (size_t i = 0; i < k->n && rc == DB_DONE; i++) {
        const struct recent_row *row = &k->rows[i];
        if (row->gone) {
            db_text(drop, 1, row->domain);
            db_text(drop, 2, row->host);
        } else {
            recent_bind(keep, row);
        }
        rc = db_step(db, row->gone ? drop : keep, why);
    }
    sqlite3_finalize(keep);
    sqlite3_finalize(drop);
    return rc;
}

static void recent_on_kept(struct item *item)
{
    struct recent_work *w = list_of(item, struct recent_work, work.item);
    const struct recent_keeping *k = &w->keeping;
    bool lost = why_is_set(&w->work.why);
    if (lost)
        log_alarm_once("state", w->work.why.reason, "recent", RECENT_ALARM_MS,
                       "what %zu hosts met lately could not be kept for the next start: %s", k->n,
                       w->work.why.text);
    for (size_t i = 0; i < k->n; i++) {
        if (lost)
            k->lost(k->arg, &k->rows[i]);
        recent_row_free(&k->rows[i]);
    }
    free(k->rows);
    k->done(k->arg);
    free(w);
}

void state_recent_keep(struct state *state, const struct recent_keeping *keeping)
{
    struct recent_work *w = mem_new(sizeof *w);
    w->work.item.run = recent_on_kept;
    w->work.run = recent_run_keep;
    w->keeping = *keeping;
    state_do(state, &w->work);
}

// ---- reading

struct recent_reader {
    void (*fn)(const struct recent_row *row, void *arg);
    void *arg;
};

static void recent_read_row(sqlite3_stmt *st, void *arg)
{
    const struct recent_reader *reader = arg;
    struct recent_row row = {0};
    for (size_t i = 0; i < TEXTS; i++)
        *text_at(&row, i) = mem_dup((const char *)sqlite3_column_text(st, (int)i));
    for (size_t i = 0; i < NUMBERS; i++)
        *number_at(&row, i) = sqlite3_column_int64(st, (int)(TEXTS + i));
    reader->fn(&row, reader->arg);
    recent_row_free(&row);
}

static enum db_result each_recent(struct state_db *db, const char *domain,
                                  struct recent_reader *reader, struct why *why)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_adds(&text, "SELECT ");
    names(&text);
    buf_adds(&text, " FROM recent WHERE (?1 IS NULL OR domain = ?1) AND used_ms >= ?2"
                    " ORDER BY used_ms DESC LIMIT ?3");
    sqlite3_stmt *st = db_prepare(db, buf_text(&text), why);
    buf_free(&text);
    if (st) {
        sqlite3_bind_text(st, 1, domain, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(st, 2, clock_ms() - STATE_RECENT_MS);
        sqlite3_bind_int64(st, 3, STATE_RECENT);
    }
    return db_each(db, st, recent_read_row, reader, why);
}

int state_recent_read(const char *path, const char *domain,
                      void (*fn)(const struct recent_row *row, void *arg), void *arg,
                      struct why *why)
{
    struct recent_reader reader = {fn, arg};
    struct state_db db;
    if (db_open_reader(&db, path, why) < 0)
        return -1;
    enum db_result rc =
        db.version < STATE_WITH_OUTCOMES ? DB_DONE : each_recent(&db, domain, &reader, why);
    db_close_reader(&db);
    return rc == DB_DONE ? 0 : -1;
}

static enum db_result recent_run_age(struct state_db *db, struct state_work *work, struct why *why)
{
    (void)work;
    sqlite3_stmt *st = db_prepare(db,
                                  "DELETE FROM recent WHERE used_ms < ?1 OR (domain, host) NOT IN"
                                  " (SELECT domain, host FROM recent ORDER BY used_ms DESC"
                                  " LIMIT ?2)",
                                  why);
    if (!st)
        return db_judge(db, "a query", why);
    sqlite3_bind_int64(st, 1, clock_ms() - STATE_RECENT_MS);
    sqlite3_bind_int64(st, 2, STATE_RECENT);
    enum db_result rc = db_step(db, st, why);
    sqlite3_finalize(st);
    return rc;
}

static void recent_on_aged(struct item *item)
{
    free(list_of(item, struct state_work, item));
}

void state_recent_restore(struct state *state, void (*fn)(const struct recent_row *row, void *arg),
                          void *arg)
{
    struct why why;
    if (state_recent_read(state_path(state), NULL, fn, arg, &why) < 0)
        log_alarm("state", why.reason, "what hosts met lately cannot be read: %s", why.text);
    struct state_work *work = mem_new(sizeof *work);
    work->item.run = recent_on_aged;
    work->run = recent_run_age;
    state_do(state, work);
}
