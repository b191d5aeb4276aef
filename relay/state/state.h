// SPDX-License-Identifier: ISC
// The state thread: SQLite (WAL) behind an inbox. Ledger, MTA-STS policies, TLS memory. A transaction a
// second, at once for what a delivery is about to rely on.
//
// A database that cannot be written is an episode, told once: policies and memory live on with their
// owners, what was to be written waits up to a bound and is written when that works again; what passes the
// bound is dropped and counted. A damaged one is moved aside, and the new one remembers when.
#ifndef RELAY_STATE_STATE_H
#define RELAY_STATE_STATE_H

#include "config/config.h"
#include "relay/base/inbox.h"
#include "tls/ledger.h"
#include "tls/memory.h"
#include "tls/sts_cache.h"

struct state;

#define STATE_WAITING_MAX   100000   // entries and memory rows that wait to be written
#define STATE_WAITING_BYTES 67108864 // and their size
#define STATE_POLICIES_MAX  10000    // policies that wait while nothing can be written
#define STATE_DETAILS       1000 // failures of one kind and day kept in detail; then only counted
#define STATE_KINDS         1000 // kinds of one domain and day; further ones are one kind, "other"
#define STATE_ROWS          100000 // of one answer

struct state_options {
    const char *path;
    uint64_t keep_ms; // TLS entries
    bool used_before; // this relay has run before: a database that is not there has been lost
    int *exit_status; // what the program should exit with where this fails; may be NULL
};
// Opens or makes the database, for this process alone. A damaged file is moved aside with an alarm, and so is told
// that it is empty or gone: what was known is never lost without a word. One that cannot be opened or written now
// is the episode above, from the start. NULL with why for a database of a newer version or of another program, or
// that another relay is using.
struct state *state_open(const struct state_options *options, struct why *why);
void state_close(struct state *state); // writes what waits
void state_set_keep(struct state *state,
                    uint64_t keep_ms); // counts from the next UTC day on; any thread
// Returns when everything posted before has been done and its answer posted. Blocks; for a thread that is
// about to close the inbox that answers come to.
void state_settle(struct state *state);

// Records an entry; takes it over. Any thread; never blocks; drops (and counts) beyond a bound.
void state_ledger_add(struct state *state, struct ledger_entry *entry);

// Every policy and memory row, at start, before anything is posted. On the caller's thread.
void state_restore(struct state *state, void (*policy)(void *arg, const struct sts_row *row),
                   void (*memory)(void *arg, const char *domain, const struct memory_row *row),
                   void *arg);
// The same from a database that no relay of ours holds open; read only. -1 with why.
int state_read(const char *path, void (*policy)(void *arg, const struct sts_row *row),
               void (*memory)(void *arg, const char *domain, const struct memory_row *row),
               void *arg, struct why *why);
// Keeps a policy (text NULL: forgets it); `stored` comes back on `reply` after its commit, which happens at
// once, or after its failure. Memory rows are written with the next transaction; owes OWES_NOTHING and no
// dane: forgotten. Any thread.
void state_keep_policy(struct state *state, const struct sts_row *row, struct inbox *reply,
                       void (*stored)(void *arg), void *arg);
void state_keep_memory(struct state *state, const char *domain, const struct memory_row *row);

// What the ledger is asked for.
enum state_view {
    STATE_FAILURES, // one row a failure kept in detail, newest first
    STATE_SUMS,     // one row a kind and day, newest day first; addresses and reasons are ""
    STATE_REPORT,   // as RFC 8460 counts: successes a kind, failures a kind and addresses
    STATE_SHARED    // the same of one `day` and `domain`, as a fleet hears it
};
// What a failure meant for the delivery: it was stopped, shadow mode let it pass, nothing demanded more.
enum state_outcome { STATE_ANY, STATE_REFUSED, STATE_SHADOWED, STATE_WENT_ON };
#define STATE_OUTCOMES 4
const char *
state_outcome_word(enum state_outcome outcome); // "refused", "shadow", "went-on"; "" for any

// What is 0 or NULL chooses nothing; of STATE_FAILURES alone from `host` on.
struct state_query {
    enum state_view view;
    const char *domain; // borrowed, as all text here; "*.example.org": what is below it
    int result;         // enum why_tls of failures alone; -1: any
    int64_t since_ms;   // 0: from the beginning
    const char *host;   // as domain
    const char *words;  // stand somewhere in the row: its names, address, type, demand, reason
    int policy;         // 1 + enum policy_type; 0: any
    enum state_outcome outcome;
    int64_t until_ms; // before this moment
    int64_t day;      // STATE_REPORT's
    int64_t after;    // STATE_FAILURES: only rows with a greater number
    size_t limit;     // 0: STATE_ROWS
};
// On the loop of `reply`; `rows` belong to the callback until it returns, or until it moves them out. `why` is set when
// the database cannot be read. What waits is written first, so the answer is complete.
typedef void state_rows_fn(struct ledger_rows *rows, const struct why *why, void *arg);
void state_ask(struct state *state, const struct state_query *query, struct inbox *reply,
               state_rows_fn *fn, void *arg);
// The same from the file. -1 with why.
int state_ask_file(const char *path, const struct state_query *query, struct ledger_rows *rows,
                   struct why *why);

// How the database is, for status and check.
struct state_health {
    bool writable;
    uint64_t waiting, dropped; // dropped: since the start
    int64_t lost_ms;           // when a damaged database was last moved aside, or gone; 0: never
    char lost[512];            // a sentence: what was lost, why, where the file is; ""
};
void state_get_health(struct state *state, struct state_health *out); // any thread
// From the file; one that was never there is -1 with why, one that is gone has been lost.
int state_look(const char *path, struct state_health *out, struct why *why);

#endif
