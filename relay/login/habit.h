// SPDX-License-Identifier: ISC
// What is usual for a login, and whether it jumps: far more recipients in an hour than it ever has, many domains that it
// never wrote to, or a large share of bounces. That is what a stolen password looks like. Pure: functions of what is
// known, what happens and the time (wall clock, in milliseconds).
#ifndef RELAY_LOGIN_HABIT_H
#define RELAY_LOGIN_HABIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/config.h"

#define HABIT_BITS 8192 // of the filter of domains
#define HABIT_HOUR 3600000
#define HABIT_WEEK (INT64_C(168) * HABIT_HOUR) // in which a busiest hour and old results count half

enum habit_sign {
    HABIT_USUAL,
    HABIT_RATE,    // recipients in an hour
    HABIT_DOMAINS, // domains in an hour that it never wrote to
    HABIT_BOUNCES, // share of recipients that failed
    HABIT_SIGNS
};
const char *habit_sign_word(enum habit_sign sign); // "rate", "domains", "bounces"; ""

struct habit {
    int64_t since_ms, used_ms; // first and last seen
    int64_t hour_ms;           // when the present hour began
    unsigned hour, fresh;      // recipients in it; domains that are new
    double peak;               // its busiest hour
    double good, bad;          // recipients delivered and failed of late
    int64_t halved_ms;         // when these were last halved
    uint8_t domains[HABIT_BITS / 8];
};

// A message to these domains (one a recipient) is accepted. A login that is new is learned for a while: before, only
// bounces count.
enum habit_sign habit_sent(struct habit *habit, const struct cfg_jumps *limits,
                           const char *const *domains, size_t n, int64_t now_ms);
enum habit_sign habit_result(struct habit *habit, const struct cfg_jumps *limits, bool failed,
                             int64_t now_ms);
// An operator says that this is as it should be: the present hour is usual from now on.
void habit_forgive(struct habit *habit, int64_t now_ms);
// "1200 recipients within an hour, where its busiest had 40".
void habit_say(const struct habit *habit, enum habit_sign sign, char *out, size_t size);

#endif
