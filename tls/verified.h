// SPDX-License-Identifier: ISC
// Chains that have led to the anchors of one trust store, remembered so that the arithmetic need not be done again for
// the next connection. A chain is known byte for byte and in its order, for one purpose; only what held is kept, in
// memory, for a few minutes, and never past the moment at which any date that had a part in it comes to pass: of the
// certificates as sent (surplus ones too) and of all anchors. Until then the answer could not be another one. What a
// name, a pin or a TLSA record asks of a chain is not kept: that is looked at each time.
#ifndef TLS_VERIFIED_H
#define TLS_VERIFIED_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/span.h"

#define VERIFIED_MS     600000 // a chain is verified anew after so long
#define VERIFIED_CHAINS 2048   // of one trust store; the oldest goes

struct verified; // of one trust store, which owns it: another store knows nothing. Any thread.
struct verified *verified_new(gnutls_x509_trust_list_t anchors); // which do not change any more
void verified_free(struct verified *v);                          // accepts NULL

// One question, and when it was asked.
struct verified_key {
    unsigned char
        digest[32];  // SHA-256 of purpose and chain, each with its length; it cannot be forged
    bool good;       // false: there is none, and nothing is known or kept
    int64_t asked_s; // wall clock, before anything was verified
};
struct verified_key verified_key(const struct span *chain, size_t n, const char *purpose);
bool verified_knows(struct verified *v, const struct verified_key *key);
// The chain of the key held just now; list[n] is how it was read.
void verified_keep(struct verified *v, const struct verified_key *key, gnutls_x509_crt_t *list,
                   size_t n);

#endif
