// SPDX-License-Identifier: ISC
// What a token endpoint answers (RFC 6749 sections 5.1 and 5.2). Pure: bytes in, a value or why out. What the endpoint
// wrote is hostile until it was read here.
#ifndef RELAY_OAUTH_ANSWER_H
#define RELAY_OAUTH_ANSWER_H

#include <stdint.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

#define ANSWER_MAX   65536 // bytes of an answer
#define ANSWER_TOKEN 16384 // bytes of a token: what fits into an AUTH command

struct oauth_answer {
    char *token;       // printable ASCII without blanks
    uint64_t lives_ms; // an hour where the endpoint does not say
    char *refresh;     // a new refresh token; NULL: the old one goes on
};
// 0, or -1 with why: `revoked` where the grant itself was refused, so that only a person can help.
int oauth_answer_read(long status, struct span body, struct oauth_answer *out, bool *revoked,
                      struct why *why);
void oauth_answer_free(struct oauth_answer *answer); // wipes

#endif
