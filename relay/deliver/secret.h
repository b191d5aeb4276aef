// SPDX-License-Identifier: ISC
// The secret of a login: the first line of a password file, or of what a token command prints. Read anew for each
// login. Whoever holds one wipes it.
#ifndef RELAY_DELIVER_SECRET_H
#define RELAY_DELIVER_SECRET_H

#include <uv.h>
#include "relay/base/why.h"
#include "relay/oauth/secret_file.h"

#define SECRET_WAIT_MS 30000 // a token command's time

// Runs the command in the shell, as the relay's user. What it says on standard error is told with its failure alone, one
// line of it (relay/base/said.h). `fn` runs once, on the loop, never inside the call: with the
// secret (its own to wipe), or NULL and why. Cancelled: not at all.
struct secret_command;
typedef void secret_fn(char *secret, const struct why *why, void *arg);
struct secret_command *secret_command(uv_loop_t *loop, char *command, secret_fn *fn, void *arg,
                                      struct why *why); // NULL with why
void secret_cancel(struct secret_command *command);     // accepts NULL; kills it

#endif
