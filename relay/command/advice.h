// SPDX-License-Identifier: ISC
// Who can mend a failure, and what to do about it, in words for people: of whatever has "why", "act" and, where there
// was a reply, "class" (relay/smtp/reply_class.h).
#ifndef RELAY_COMMAND_ADVICE_H
#define RELAY_COMMAND_ADVICE_H

#include <jansson.h>

const char *
advice_actor(const json_t *row); // "the postmaster of the receiving host"; "" where nobody is known
const char *advice_phrase(const json_t *row); // "for the postmaster of the receiving host"; ""
const char *advice_text(const json_t *row);   // "" where there is none
// What it means, by what the reply says where there is one.
const char *advice_means(const json_t *row);

#endif
