// SPDX-License-Identifier: ISC
// What an earlier start as root, or another user, left behind: spool and state that the relay's user cannot
// use. Looks only; the command that mends it is the operator's to run.
#ifndef RELAY_SETUP_OWNERSHIP_H
#define RELAY_SETUP_OWNERSHIP_H

#include "config/config.h"
#include "relay/base/buf.h"

// As the user that the relay runs as (its effective user counts): adds one line a path of spool and state
// that is there and may not be used, each with what mends it. Nothing is added where all is well.
void ownership_look(const struct config *config, struct buf *lines);

#endif
