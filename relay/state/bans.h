// SPDX-License-Identifier: ISC
// Bans, as the state database keeps them over a restart: a row each. What they mean is relay/login/bans.h's.
#ifndef RELAY_STATE_BANS_H
#define RELAY_STATE_BANS_H

#include "relay/state/state.h"

#define STATE_BANS 100000 // rows that are read at a start, the longest first

struct state_ban {
    int kind; // enum ban_kind
    const char *name;
    int64_t since_ms, until_ms; // wall clock
    uint64_t failures;
};

// Keeps the row in the place of one of that name; `until_ms` 0: forgets it, and with the name "" all. Copied. Any thread; written soon.
void state_keep_ban(struct state *state, const struct state_ban *ban);
// Those that last beyond now_ms, at start, on the caller's thread, before anything is posted.
void state_restore_bans(struct state *state, int64_t now_ms,
                        void (*fn)(void *arg, const struct state_ban *ban), void *arg);

#endif
