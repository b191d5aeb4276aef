// SPDX-License-Identifier: ISC
// The way from a leaf to one given anchor, through certificates that a server sent in any order and with any
// surplus. What lies behind the anchor does not count (RFC 7671 section 5.2): a cross-signed root, or the
// issuer of an intermediate that a TLSA record names, may be missing or worthless.
#ifndef TLS_ANCHOR_H
#define TLS_ANCHOR_H

#include <gnutls/x509.h>
#include "relay/base/why.h"

// How much may still be tried in one judgement: a hostile chain can hold many ways that all end badly.
struct anchor_budget {
    unsigned steps; // looks from one certificate at another
    unsigned paths; // whole paths whose signatures are verified
};
#define ANCHOR_BUDGET ((struct anchor_budget){.steps = 2000, .paths = 24})

// list[0], the leaf, leads to the anchor by signatures, dates and purpose as they stand now. The anchor may
// itself be among the list; where it is the leaf, its dates alone are looked at. The leaf's name is not this
// file's business. On -1 why->tls is certificate-expired, -not-trusted or validation-failure.
int anchor_reached(gnutls_x509_crt_t anchor, gnutls_x509_crt_t *list, size_t n,
                   struct anchor_budget *budget, struct why *why);

#endif
