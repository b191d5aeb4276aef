// SPDX-License-Identifier: ISC
// Hosts whose answers went astray (relay/deliver/strays.h), in the state database: written when one is met, read at a
// start.
#ifndef RELAY_STATE_STRAYS_H
#define RELAY_STATE_STRAYS_H

#include "relay/state/state.h"

// Until is wall clock, ms. Any thread.
void state_stray_keep(struct state *state, const char *address, int64_t until_ms);
// Those whose time is not over, the first to end first, at most max of them; the others are removed. On the caller's
// thread, at a start.
void state_strays_restore(struct state *state, size_t max,
                          void (*fn)(const char *address, int64_t until_ms, void *arg), void *arg);

#endif
