// SPDX-License-Identifier: ISC
// Writing DKIM-Signature fields (RFC 6376, 8301, 8463).
#ifndef SIGN_DKIM_SIGN_H
#define SIGN_DKIM_SIGN_H

#include "sign/canon.h"
#include "sign/header.h"
#include "sign/key.h"

struct dkim_sign {
    const char *domain, *selector;
    const struct sign_key *key;
    enum canon header_canon, body_canon;
    const char *headers;  // "from:to:…" to sign where present; NULL: the default list (case 9)
    const char *oversign; // to list once more than present; NULL: the default list
    int64_t time;         // t=, Unix seconds; 0: none
    int64_t expire;       // x=; 0: none
};

// Adds one whole field ("DKIM-Signature: …" with folding and CRLF) to out. `hashes` must hold
// (body_canon, CANON_NO_LIMIT). Tags in a fixed order, lines of at most 76 octets.
int dkim_sign(const struct dkim_sign *how, const struct header *header,
              const struct body_hashes *hashes, struct buf *out, struct why *why);

// The default list; with the signatures already there, as ARC signs it.
const char *dkim_default_headers(bool with_signatures);

#endif
