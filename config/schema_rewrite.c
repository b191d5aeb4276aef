// SPDX-License-Identifier: ISC
// The table of keys: what rows of `senders` say about rewriting and return addresses.
#include "config/schema.h"
#include "config/value.h"

static const struct schema_key rewrite_keys[] = {
    {"from", KEY_SENDER, AT(cfg_rewrite, from), .flags = KEY_REQUIRED,
     .text = "what is replaced: root@printer is one address, printer each one of that domain, "
             "*.lan of what is below it, * any"},
    {"to", KEY_SENDER, AT(cfg_rewrite, to), .flags = KEY_REQUIRED,
     .text = "an address, or a domain, which takes the local part over; the row must be allowed to "
             "send as it"},
    END_OF_KEYS,
};
const struct schema_group schema_rewrite = {rewrite_keys, NULL};

#define SECRETS                                                                                    \
    "file of secrets, one a line: the first writes addresses, all read them; waxwing srs key "     \
    "makes one; read again when it changes"
#define LIFE .min = DAY_MS, .max = 365 * DAY_MS

static const struct schema_key srs_keys[] = {
    {"domain", KEY_DOMAIN, AT(cfg_return, domain), .flags = KEY_REQUIRED,
     .text = "the domain of the addresses, one of the row's or below; its mail server hands what "
             "comes back to a row with returns"},
    {"key_file", KEY_FILE, AT(cfg_return, key_file), .flags = KEY_REQUIRED,
     .text = SECRETS ". One of postsrsd will do, and either understands what the other wrote"},
    {"max_age", KEY_DURATION, AT(cfg_return, max_age), .initial = "21d", LIFE,
     .text = "how long mail may come back to an address, in whole days"},
    {"hash_length", KEY_NUMBER, AT(cfg_return, hash_length), .initial = "4", .min = 4, .max = 27,
     .text = "characters of the digest in an address; shorter ones are not believed. Whoever "
             "guesses one may send a message to one address"},
    END_OF_KEYS,
};
const struct schema_group schema_srs = {srs_keys, NULL};

static const struct schema_key verp_keys[] = {
    {"domain", KEY_DOMAIN, AT(cfg_return, domain), .flags = KEY_REQUIRED,
     .text = "the domain of the addresses, one of the row's or below; its mail server hands what "
             "comes back to a row with returns"},
    {"key_file", KEY_FILE, AT(cfg_return, key_file), .flags = KEY_REQUIRED, .text = SECRETS},
    {"max_age", KEY_DURATION, AT(cfg_return, max_age), .initial = "30d", LIFE,
     .text = "how long what comes back to an address is believed"},
    {"to", KEY_MAILBOX, AT(cfg_return, to), .flags = KEY_EMPTY,
     .text = "gets what comes back and is no report that a program can read, answers of people "
             "and of their machines; empty: it is dropped and logged"},
    END_OF_KEYS,
};
const struct schema_group schema_verp = {verp_keys, NULL};
