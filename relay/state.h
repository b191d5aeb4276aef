// SPDX-License-Identifier: ISC
// The state thread: SQLite (WAL) behind a mailbox. Ledger, MTA-STS policies, TLS memory. A transaction a
// second, at once for what a delivery is about to rely on.
#ifndef RELAY_STATE_H
#define RELAY_STATE_H

#include "config/config.h"
#include "relay/base/mailbox.h"
#include "tls/ledger.h"
#include "tls/memory.h"
#include "tls/sts_cache.h"

struct state;

// Opens or makes the database. A damaged file is moved aside with an alarm, never silently dropped.
// NULL with why when even that fails.
struct state *state_open(const char *path, uint64_t keep_ms, struct why *why);
void state_close(struct state *state); // writes what waits

// Records a fact; takes it over. Any thread; never blocks; drops (and counts) beyond a bound.
void state_fact(struct state *state, struct ledger_fact *fact);

// Every policy and memory row, at start, before anything is posted. On the caller's thread.
void state_restore(struct state *state, void (*policy)(void *arg, const struct sts_row *row),
                   void (*memory)(void *arg, const char *domain, const struct memory_row *row),
                   void *arg);
// The same from a database that no relay of ours holds open; read only. -1 with why.
int state_read(const char *path, void (*policy)(void *arg, const struct sts_row *row),
               void (*memory)(void *arg, const char *domain, const struct memory_row *row),
               void *arg, struct why *why);
// Keeps a policy (text NULL: forgets it); `stored` comes back on `reply` after its commit, which happens at
// once. Memory rows are written with the next transaction; owes OWES_NOTHING and no dane: forgotten.
void state_keep_policy(struct state *state, const struct sts_row *row, struct mailbox *reply,
                       void (*stored)(void *arg), void *arg);
void state_keep_memory(struct state *state, const char *domain, const struct memory_row *row);

#endif
