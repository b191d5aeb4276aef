// SPDX-License-Identifier: ISC
// One connection to the fleet's database: the door to libpq. Blocks its thread, but no step for longer than its time,
// and none once somebody has written to `stop`: an eventfd, or -1.
//
// After any failure a session is good for nothing but session_close, unless the server named it (session_state) and no
// transaction was begun. What a server says is kept as it came; whoever
// prints it makes it safe.
#ifndef RELAY_FLEET_SESSION_H
#define RELAY_FLEET_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "relay/base/buf.h"
#include "relay/base/why.h"
#include "relay/fleet/target.h"

#define SESSION_CONNECT_MS   5000  // for a host to answer and take the login
#define SESSION_STATEMENT_MS 15000 // for one statement, its commit on a standby included
#define SESSION_STATE        6     // bytes of an SQLSTATE
#define SESSION_NUMBER       24    // bytes of a number as a parameter

struct session;
struct rows; // what a statement gave

// NULL with why: who cannot be reached, or refuses. Waits for the name service as long as that takes.
struct session *session_open(const struct target *target, size_t host, int stop, struct why *why);
// The hosts in turn, from *host on, until one can be written to; *host is where it ended.
struct session *session_open_any(const struct target *target, size_t *host, int stop,
                                 struct why *why);
void session_close(struct session *s); // accepts NULL
// From now on `stop` counts no more, and each statement has so long.
void session_last(struct session *s, unsigned ms);

void session_number(char out[static SESSION_NUMBER], int64_t n);
// One statement with text parameters (NULL: SQL's NULL). `rows` NULL: nobody wants them. -1 with why.
int session_run(struct session *s, const char *sql, const char *const *params, size_t nparams,
                struct rows **rows, struct why *why);
// The same with bytes as its last parameter, behind the texts, as they are.
int session_run_bytes(struct session *s, const char *sql, const char *const *params, size_t nparams,
                      struct span bytes, struct rows **rows, struct why *why);
// Several statements without parameters, parted by semicolons, as one transaction.
int session_script(struct session *s, const char *sql, struct why *why);
// What the server called the last failure: "42P01"; "" where it was not the server's.
const char *session_state(const struct session *s);
// A statement's time from here on, instead of SESSION_STATEMENT_MS.
void session_patience(struct session *s, unsigned ms);
// The last statement came with a warning, as a COMMIT does whose wait for a standby was cut short.
bool session_warned(const struct session *s);
// The connection stands, and no transaction is open: what failed was undone by the server, not only not heard of.
bool session_stands(const struct session *s);
int session_fd(const struct session *s); // to be polled for what the server sends by itself
// True: a notification came since the last call. *broken: the connection is gone.
bool session_notified(struct session *s, bool *broken);
// Forgets the present transaction's failure: the session can be used again. For statements that may fail.
int session_rollback_to(struct session *s, const char *savepoint, struct why *why);

size_t rows_count(const struct rows *rows);
const char *rows_text(const struct rows *rows, size_t row, size_t column); // "" for NULL
// The number, or -1 where it is none or does not lie in 0..INT64_MAX.
int64_t rows_number(const struct rows *rows, size_t row, size_t column);
// Bytes as they were put in; false where they are none.
bool rows_bytes(const struct rows *rows, size_t row, size_t column, struct buf *out);
bool rows_true(const struct rows *rows, size_t row, size_t column);
void rows_free(struct rows *rows); // accepts NULL

#endif
