// SPDX-License-Identifier: ISC
// The Authentication-Results that count in a message: those of hosts the operator trusts, standing where
// only these hosts can have put them.
//
// A field counts when its authserv-id is, as a whole, one of the trusted ids and at most `hops` Received
// fields stand above it. What a Received field says proves nothing: a stranger can write any "by". Where a
// milter writes below the Received field of its own host, that host has to remove what came in under its id.
#ifndef SIGN_TRUSTED_H
#define SIGN_TRUSTED_H

#include "config/config.h"
#include "sign/authres.h"
#include "sign/header.h"

#define MAX_TRUSTED_FIELDS 20

struct trusted {
    struct authres *at;
    size_t n;        // MAX_TRUSTED_FIELDS at most
    bool unreadable; // a field that would count cannot be read
    // A stranger's own words (HELO, envelope sender, i= of a signature) hold characters that end a result
    // or a comment where a host copies them raw: then only failures are believed.
    bool doubtful;
};

struct trust {
    const struct strings *ids;    // may be NULL: nobody
    uint64_t hops;                // Received fields that may stand above
    const char *everywhere;       // one more id, whose fields count wherever they stand; NULL: none
    const char *helo, *mail_from; // as the session told them; NULL: not told
};
void trusted_read(struct trusted *t, const struct header *header, const struct trust *trust);
void trusted_free(struct trusted *t);

// The first result of the method from the top that is believed; NULL: nobody says anything about it.
const struct authres_result *trusted_find(const struct trusted *t, const char *method);
// The next of the method behind `last` (NULL: the first).
const struct authres_result *trusted_next(const struct trusted *t, const char *method,
                                          const struct authres_result *last);
// dmarc=fail or spf=fail stands among them, or a field that cannot be read. `from_domain`: only a failure
// of that From domain counts, or one that names none; NULL: any.
bool trusted_vetoes(const struct trusted *t, const char *from_domain);
// The domain of a property, as an A-label: of "x@d", "@d" or "d"; false: there is none.
bool trusted_domain(const struct authres_result *r, const char *type, const char *name,
                    char out[static 256]);
// Host names and authserv-ids compare without case.
bool trusted_same(const char *a, const char *b);

#endif
