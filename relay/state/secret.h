// SPDX-License-Identifier: ISC
// Random bytes that are to stay the same over restarts, by name: made when they are first asked for.
#ifndef RELAY_STATE_SECRET_H
#define RELAY_STATE_SECRET_H

#include "relay/state/state.h"

#define STATE_SECRET 32 // bytes

// At start, on the caller's thread, before anything is posted. Where the database cannot be read now, they are those
// of this process alone.
void state_secret(struct state *state, const char *name, unsigned char out[static STATE_SECRET]);

#endif
