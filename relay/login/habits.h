// SPDX-License-Identifier: ISC
// The logins of the relay and what is usual for each (relay/login/habit.h): one that jumps is held, told in an alarm,
// and its mail waits until an operator lets it go. One object in a process, any thread, behind one mutex that is
// touched once a message and once a result, and not at all where jumps.hold is off. Outlives a restart in the state
// database.
#ifndef RELAY_LOGIN_HABITS_H
#define RELAY_LOGIN_HABITS_H

#include "relay/login/habit.h"
#include "relay/message/message.h"

#define HABITS_LOGINS 10000 // that are remembered; the one unused for longest makes room
#define HABITS_WHY    200

struct habits;
struct state;

struct habits *habits_new(struct state *state); // NULL: nothing is kept
void habits_free(struct habits *habits);        // keeps what changed; accepts NULL

// The login sends this message. True: it is held, and `why` says so in words.
bool habits_sent(struct habits *habits, const struct cfg_jumps *limits, const struct envelope *env,
                 char why[static HABITS_WHY]);
// A recipient of its mail was delivered, or failed for good. Logins that were never seen here: nothing.
void habits_result(struct habits *habits, const struct cfg_jumps *limits, const char *login,
                   bool failed);
// Whether its mail is to be held now. Quick where nobody is held. Accepts NULL.
bool habits_held(struct habits *habits, const char *login, char why[static HABITS_WHY]);
// An operator lets it go, and what it did is usual from now on. False: it was not held.
bool habits_release(struct habits *habits, const char *login, const char *by);
void habits_keep(struct habits *habits); // what changed, to the state thread

struct habit_view {
    const char *login;
    const struct habit *habit;
    int64_t held_ms; // 0: not held
    const char *held_why;
};
void habits_each(struct habits *habits, void (*fn)(void *arg, const struct habit_view *view),
                 void *arg);

#endif
