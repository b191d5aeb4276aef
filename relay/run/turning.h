// SPDX-License-Identifier: ISC
// Signing keys turn while the relay runs: `waxwing key rotate --auto` is called at the start and every half hour, in a
// process of its own, since a publish command may take its time. What it says becomes lines of the log; what people
// have to do becomes an alarm once a day. It asks for a reload through the control socket like anybody else.
#ifndef RELAY_RUN_TURNING_H
#define RELAY_RUN_TURNING_H

#include <uv.h>
#include "relay/setup/setup.h"

struct turning;

// `file` is the configuration's and outlives it. Nothing is called where no key of dkim.directory is to turn.
struct turning *turning_open(uv_loop_t *loop, const char *file, struct setup *setup);
void turning_reload(struct turning *t, struct setup *setup);
void turning_close(
    struct turning *t); // accepts NULL; a step under way is ended, and taken up by the next one

#endif
