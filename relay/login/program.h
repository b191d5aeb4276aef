// SPDX-License-Identifier: ISC
// Logins proved by a program of the site's own. It gets the name and the password as two lines on standard input,
// never as arguments; exit 0 says that they are right, 1 that they are not, and anything else that it cannot say. In
// its environment are PATH, LANG and WAXWING_CLIENT (the client's address) and nothing of the relay's; its directory is
// /, its standard output goes nowhere, and of what it says on standard error the last line is told with a no or with what
// it cannot say (relay/base/said.h).
#ifndef RELAY_LOGIN_PROGRAM_H
#define RELAY_LOGIN_PROGRAM_H

#include <uv.h>
#include "config/network.h"
#include "relay/sasl/words.h"
#include "relay/worker/login_result.h"

struct program;

// `result` is OK, FAILED (perhaps with its words) or DEFERRED, with a reason and, once an hour, an alarm. Never inside
// program_run.
typedef void program_fn(enum login_result result, const char *reason, void *arg);
// Starts it from libuv's pool; `argv` lives until the call. What has not ended after timeout_ms is killed, with its
// process group.
struct program *program_run(uv_loop_t *loop, const struct strings *argv,
                            const struct sasl_words *words, const char *client, uint64_t timeout_ms,
                            program_fn *fn, void *arg);
// Kills it; no callback comes.
void program_cancel(struct program *program);

#endif
