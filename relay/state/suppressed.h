// SPDX-License-Identifier: ISC
// The suppression list as the state database keeps it: a row an address. What it means is relay/suppress/suppress.h's.
#ifndef RELAY_STATE_SUPPRESSED_H
#define RELAY_STATE_SUPPRESSED_H

#include "relay/state/state.h"

struct state_suppressed {
    const char *sender;         // domain; "": mail from anybody
    const char *address;        // or a domain
    int origin;                 // enum suppress_origin
    int64_t since_ms, until_ms; // wall clock; until_ms 0: for good
    const char *reason;
};

// Keeps the rows, each in the place of one of that sender and address; copied. `forget`: takes them out instead. Any
// thread; written soon, all of them or none; a failure shows in the state's health.
void state_keep_suppressed(struct state *state, const struct state_suppressed *rows, size_t n,
                           bool forget);
// At most `limit` of those that last beyond now_ms, at start, on the caller's thread, before anything is posted.
void state_restore_suppressed(struct state *state, int64_t now_ms, size_t limit,
                              void (*fn)(void *arg, const struct state_suppressed *row), void *arg);

#endif
