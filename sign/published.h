// SPDX-License-Identifier: ISC
// Is the key that we sign with the key that receivers find? Compares a signing key with the DNS
// (RFC 6376 section 3.6). Pure over facts.
#ifndef SIGN_PUBLISHED_H
#define SIGN_PUBLISHED_H

#include "dns/facts.h"
#include "sign/key.h"

enum published {
    PUBLISHED_SAME,      // receivers find this very key
    PUBLISHED_ABSENT,    // no record there
    PUBLISHED_DIFFERENT, // another key
    PUBLISHED_BROKEN,    // a record that no receiver can use
    PUBLISHED_UNKNOWN    // the DNS did not say
};

// True while it wants more facts. Otherwise *out is set, and `text` is a clause for people.
bool published_check(const char *domain, const char *selector, const struct sign_key *key,
                     struct facts *facts, enum published *out, char text[static 256]);

#endif
