// SPDX-License-Identifier: ISC
// The words of SASL PLAIN (RFC 4616) and LOGIN. Pure.
#ifndef RELAY_SASL_WORDS_H
#define RELAY_SASL_WORDS_H

#include "relay/base/span.h"
#include "relay/base/why.h"

#define SASL_NAME     255 // bytes, the longest name
#define SASL_PASSWORD 511 // bytes, the longest password: what crypt takes

struct sasl_words {
    char *user, *password; // of this struct; sasl_words_free wipes the password
};
void sasl_words_free(struct sasl_words *words);
// The decoded message of PLAIN: [authzid] NUL authcid NUL password. An authzid other than the
// authcid, control bytes, empty or overlong parts: -1 with 5.5.2.
int sasl_plain(struct span message, struct sasl_words *out, struct why *why);
// One decoded answer of LOGIN; `max` bytes at most.
int sasl_login(struct span answer, size_t max, char **out, struct why *why);

#endif
