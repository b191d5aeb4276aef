// SPDX-License-Identifier: ISC
// The keys of the section `auth`: who proves a login, and what follows where that fails.
#include "config/schema.h"

static const struct schema_key auth_keys[] = {
    {"failures", KEY_NUMBER, AT(cfg_auth, failures), .initial = "5", .min = 1, .max = 100000000,
     .text = "failed logins of an address (IPv6: a /64) or user before it is banned"},
    {"ban", KEY_DURATION, AT(cfg_auth, ban), .initial = "15m", .min = 0, .max = 31536000000,
     .text = "how long a ban lasts; see waxwing-bans(8)"},
    {"exempt", KEY_NETWORK, .list = true, MANY(cfg_auth, exempt.at, exempt.n),
     .text = "networks whose clients are never banned, and whose failures count against no user: "
             "an application that tries an old password, a monitoring system"},
    END_OF_KEYS,
};
const struct schema_group schema_auth = {auth_keys, NULL};
