// SPDX-License-Identifier: ISC
// What rules of this relay do to mail for one address, before and beside where its domain leads: for `waxwing explain
// ADDRESS`.
#ifndef RELAY_CONTROL_ADDRESS_H
#define RELAY_CONTROL_ADDRESS_H

#include <jansson.h>
#include "config/config.h"

struct habits;
struct suppress;

struct address_question {
    const struct config *config;
    struct suppress *suppress; // NULL: the list is not known
    struct habits *habits;     // NULL: not known
    const char *address, *domain;
    const char *sender; // a row of senders, as `explain --sender` has it; NULL: any
};
// [{"what":"postmaster|suppression|returns|destination|sender|login", "effect":"refused|dropped|redirected|held|limited|
// changed|none", "text":""}]: effect is what becomes of mail to the address, text says it in words.
json_t *address_rules(const struct address_question *question);

#endif
