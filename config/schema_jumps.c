// SPDX-License-Identifier: ISC
// The table of keys: the section `jumps`, the thresholds of relay/login/habit.h in one place.
#include "config/schema.h"
#include "config/value.h"

#define MANY_MAX .min = 0, .max = 1000000000
static const struct schema_key jump_keys[] = {
    {"hold", KEY_BOOL, AT(cfg_jumps, hold), .initial = "true",
     .text = "whether the mail of a login that jumps is held until waxwing logins release"},
    {"rate", KEY_NUMBER, AT(cfg_jumps, rate), .initial = "20", MANY_MAX,
     .text = "so many times the recipients of its busiest hour of late, within an hour, are a "
             "jump; 0: never"},
    {"recipients", KEY_NUMBER, AT(cfg_jumps, recipients), .initial = "1000", MANY_MAX,
     .text = "but only where they are at least so many"},
    {"domains", KEY_NUMBER, AT(cfg_jumps, domains), .initial = "300", MANY_MAX,
     .text = "so many recipient domains within an hour that it never wrote to are a jump; 0: "
             "never"},
    {"bounces", KEY_NUMBER, AT(cfg_jumps, bounces), .initial = "30", .min = 0, .max = 100,
     .text = "more than this percentage of its recipients of late that failed is a jump; 0: never"},
    {"results", KEY_NUMBER, AT(cfg_jumps, results), .initial = "200", .min = 1, .max = 1000000000,
     .text = "but only among at least so many"},
    {"learn", KEY_DURATION, AT(cfg_jumps, learn), .initial = "3d", .min = 0, .max = 365 * DAY_MS,
     .text = "how long a new login is learned before rate and domains count"},
    END_OF_KEYS,
};
const struct schema_group schema_jumps = {jump_keys, NULL};
