// SPDX-License-Identifier: ISC
// What an earlier start as root, or another user, left behind: spool and state that the relay's user cannot
// use. Looks only; the command that mends it is the operator's to run.
#ifndef RELAY_SETUP_OWNERSHIP_H
#define RELAY_SETUP_OWNERSHIP_H

#include "config/config.h"
#include "relay/base/buf.h"

// As the user that the relay runs as (its effective user counts): adds one line a path of spool and state
// that is there and may not be used, each with what mends it. Nothing is added where all is well. A state that is
// mounted read-only is not among them: the relay works without writing it, and goes on when it is writable again.
void ownership_look(const struct config *config, struct buf *lines);
// The path lies on a disk that the kernel mounted read-only after an error, or the operator: nobody's rights help. False:
// it does not, and nothing is added. `what`: the key that names the path.
bool ownership_tell_read_only(const char *what, const char *path, struct buf *lines);

#endif
