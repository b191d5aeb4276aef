// SPDX-License-Identifier: ISC
// The inside of relay/state/. The state thread owns the one connection that writes; commands read the file with
// one of their own (db_open_reader).
//
// - What is to be written waits in memory up to a bound and is written in order, one transaction at a time; after a
//   failure nothing of it was written, and it waits again.
// - A damaged file is moved aside, and the new one remembers when and why.
#ifndef RELAY_STATE_INSIDE_H
#define RELAY_STATE_INSIDE_H

#include <sqlite3.h>
#include <sys/types.h>
#include "relay/state/reports.h"
#include "relay/state/shadow.h"
#include "relay/state/state.h"

struct state_db {
    char *path;
    sqlite3 *sql;    // NULL: not open
    int64_t version; // of its tables, once it is open
    int64_t pruned;  // the UTC day whose removal of old entries is complete
    bool stale;      // the last failure may be the connection's: open it anew
    char *loss;      // a sentence that the next database to be opened is to remember
    dev_t dev;       // of the open file, by which it is known again
    ino_t ino;
};

enum db_result {
    DB_DONE,
    DB_DAMAGED, // the file is not a sound database (any more)
    DB_FAILED   // it cannot be read or written now
};

#define STATE_WITH_REPORTS  2  // the version since which daily reports have their tables
#define STATE_WITH_RECENT   7  // and what hosts met lately
#define STATE_WITH_SHADOW   10 // and mail that shadow mode let pass
#define STATE_WITH_TOLD     11 // and what hosts said of single recipients
#define STATE_WITH_OUTCOMES 12 // and what became of the mail then
#define STATE_WITH_COUNTS   13 // and what of the ledger a fleet has yet to hear

// relay/state/presence.c: whether the file is there, and whose it is.
// A lock beside the database, for as long as the descriptor is open; it stays there and so tells that there was a
// database. *fd -1: nothing can be locked there now. -1 with why: another process has it.
int presence_lock(const char *path, int *fd, bool *used_before, struct why *why);
// A sentence, for the caller to free, where a database that was there is empty or gone; NULL: all is well.
char *presence_lost(const char *path, bool used_before);
// The file behind the open database is no longer the one of this name.
bool presence_changed(const struct state_db *db);
void presence_note(struct state_db *db);

// relay/state/db.c
// Opens for writing and makes the tables. DB_FAILED also for a version or an owner that is not ours, then with
// *foreign set.
enum db_result db_open(struct state_db *db, bool *foreign, struct why *why);
// A connection of one's own that only reads, for any thread or process: -1 with why; closing is right then, too. A
// database of an older version lacks the tables of later ones (STATE_WITH_…).
int db_open_reader(struct state_db *db, const char *path, struct why *why);
void db_close_reader(struct state_db *db);
void db_close(struct state_db *db);
// Moves a damaged file aside, opens a new one that remembers it, raises the alarm.
enum db_result db_replace(struct state_db *db, const struct why *damage, struct why *why);
// What the return code of the last call means; fills why.
enum db_result db_judge(struct state_db *db, const char *doing, struct why *why);
enum db_result db_do(struct state_db *db, const char *text, struct why *why); // no rows
// A prepared statement without rows. db_step: ready for its next values. db_finish: the last time, or (NULL) it could not
// be prepared; finalized.
enum db_result db_step(struct state_db *db, sqlite3_stmt *st, struct why *why);
enum db_result db_finish(struct state_db *db, sqlite3_stmt *st, struct why *why);
// The one number that a query gives.
enum db_result db_number(struct state_db *db, const char *text, int64_t *out, struct why *why);
// NULL with why; bind and step it, then sqlite3_finalize.
sqlite3_stmt *db_prepare(struct state_db *db, const char *text, struct why *why);
void db_text(sqlite3_stmt *st, int at, const char *text); // NULL counts as ""; copied by sqlite
const char *db_column(sqlite3_stmt *st, int at);          // never NULL
// Runs a prepared query to its end, a call a row, and finalizes it. `st` may be what db_prepare gave: NULL.
typedef void db_row_fn(sqlite3_stmt *st, void *arg);
enum db_result db_each(struct state_db *db, sqlite3_stmt *st, db_row_fn *row, void *arg,
                       struct why *why);

// relay/state/state.c: something else that the thread does with the database, behind all that waits; what writes is one
// transaction. The item is posted to `reply`, or without one run on the state thread; `why` is set where
// nothing was done. Any thread.
struct state_work {
    struct item item;
    enum db_result (*run)(struct state_db *db, struct state_work *work, struct why *why);
    bool reads; // and writes nothing: answered also where the database cannot be written now
    struct inbox *reply;
    uv_sem_t *done; // state_do_now's
    struct why why;
};
void state_do(struct state *state, struct state_work *work);
// For a thread that waits for it, `run` alone given. -1 with why: nothing was done. Blocks.
int state_do_now(struct state *state, struct state_work *work, struct why *why);
const char *state_path(const struct state *state); // of the database

// relay/state/write.c: what waits, in one transaction. After anything but DB_DONE nothing was written.
struct state_write {
    struct state_write *next;
    size_t size;
    struct ledger_entry *entry; // one of four: an entry,
    struct shadow_row *shadow;  // mail that shadow mode let pass,
    char *domain;               // a memory row or a policy of this domain
    struct memory_row memory;   // host NULL: a policy
    struct sts_row policy;
};
void state_write_free(struct state_write *w);
enum db_result db_write(struct state_db *db, const struct state_write *first, struct why *why);
// Removes some of what is older; *more: there is more of it.
enum db_result db_prune(struct state_db *db, int64_t first_day, bool *more, struct why *why);

// relay/state/state.c: one more that waits to be written, or is dropped and counted.
void state_post_write(struct state *state, struct state_write *write);

// relay/state/counts.c: what became of a report's mail that is no row of ours; kept where a fleet wants to hear it.
enum db_result counts_keep_other(struct state_db *db, const struct sending *row, struct why *why);

// relay/state/read.c
enum db_result db_rows(struct state_db *db, const struct state_query *query,
                       struct ledger_rows *rows, struct why *why);
enum db_result db_loss(struct state_db *db, struct state_health *out, struct why *why);

#endif
