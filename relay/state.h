// SPDX-License-Identifier: ISC
// The state thread: SQLite (WAL) behind a mailbox. Ledger, MTA-STS policies, TLS memory. A transaction a
// second, at once for what a delivery is about to rely on.
#ifndef RELAY_STATE_H
#define RELAY_STATE_H

#include "config/config.h"
#include "relay/base/mailbox.h"
#include "tls/ledger.h"

struct state;

// Opens or makes the database. A damaged file is moved aside with an alarm, never silently dropped.
// NULL with why when even that fails.
struct state *state_open(const char *path, uint64_t keep_ms, struct why *why);
void state_close(struct state *state); // writes what waits

// Records a fact; takes it over. Any thread; never blocks; drops (and counts) beyond a bound.
void state_fact(struct state *state, struct ledger_fact *fact);

// TLS memory: what (domain, host) proved in a finished handshake. Any thread.
enum proved { PROVED_NOTHING, PROVED_TLS, PROVED_CERTIFICATE };
void state_learn(struct state *state, const char *domain, const char *host, enum proved proved,
                 bool dane);

#endif
