// SPDX-License-Identifier: ISC
// The Authentication-Results that count in a message: those of hosts the operator trusts, standing where
// only these hosts can have put them.
//
// A field counts when its authserv-id is, as a whole, one of the trusted ids and it stands above the first
// Received field that none of them wrote (whose "by" is another host): what is below may be a forgery.
#ifndef SIGN_TRUSTED_H
#define SIGN_TRUSTED_H

#include "config/config.h"
#include "sign/authres.h"
#include "sign/header.h"

#define MAX_TRUSTED_FIELDS 20

struct trusted {
    struct authres *at;
    size_t n; // MAX_TRUSTED_FIELDS at most
};

// `ids` may be NULL. `everywhere`: one more id, whose fields count wherever they stand; NULL: none.
void trusted_read(struct trusted *t, const struct header *header, const struct strings *ids,
                  const char *everywhere);
void trusted_free(struct trusted *t);

// The first result of the method from the top; NULL: nobody says anything about it.
const struct authres_result *trusted_find(const struct trusted *t, const char *method);
// Host names and authserv-ids compare without case.
bool trusted_same(const char *a, const char *b);

#endif
