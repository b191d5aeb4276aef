// SPDX-License-Identifier: ISC
// What is usual for each login (relay/login/habit.h), as the state database keeps it over a restart: a row each.
#ifndef RELAY_STATE_HABITS_H
#define RELAY_STATE_HABITS_H

#include "relay/state/state.h"

#define STATE_HABITS 10000 // rows that are read at a start, those last used

struct state_habit {
    char *login;
    int64_t since_ms, used_ms, hour_ms, halved_ms; // wall clock
    unsigned hour, fresh;
    double peak, good, bad;
    void *domains;
    size_t ndomains; // bytes
    int64_t held_ms; // 0: not held
    char *held_why;
};
void state_habit_free(struct state_habit *habit);

// Takes over the rows and their array. Any thread.
void state_habits_keep(struct state *state, struct state_habit *rows, size_t n);
// At a start, on the caller's thread.
void state_habits_restore(struct state *state, void (*fn)(const struct state_habit *row, void *arg),
                          void *arg);

#endif
