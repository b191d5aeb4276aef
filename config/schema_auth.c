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
    {"mechanisms", KEY_WORD, .list = true, MANY(cfg_auth, mechanisms.at, mechanisms.n),
     .choices = "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL",
     .initial = "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL",
     .text =
         "what AUTH may offer; each is offered only where somebody can log in with it: SCRAM "
         "where a user has a verifier, -PLUS where the TLS version is 1.3 besides, EXTERNAL to a "
         "client whose certificate a row names"},
    {"dovecot", KEY_PATH, AT(cfg_auth, dovecot), .flags = KEY_EMPTY,
     .text =
         "the client socket of Dovecot's auth service, which proves whoever is not in the users "
         "file; the user may be called there what `senders' calls it"},
    {"command", KEY_TEXT, .list = true, MANY(cfg_auth, command.at, command.n),
     .text = "a program with its arguments that proves whoever is not in the users file: it reads "
             "name and password, a line each, and ends with 0 (right), 1 (wrong) or another number "
             "(cannot say); see waxwing-logins(7)"},
    {"timeout", KEY_DURATION, AT(cfg_auth, timeout), .initial = "30s", .min = 1000, .max = 300000,
     .text = "how long Dovecot may take for an answer and the program to end"},
    {"concurrent", KEY_NUMBER, AT(cfg_auth, concurrent), .initial = "8", .min = 1, .max = 256,
     .text = "how many of the program run at once; a hundred more wait"},
    END_OF_KEYS,
};
const struct schema_group schema_auth = {auth_keys, NULL};
