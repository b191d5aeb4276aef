// SPDX-License-Identifier: ISC
// Verifying the DKIM signatures of a message (RFC 6376 section 6, RFC 8301, RFC 8463). Pure: keys come from
// facts, body hashes from whoever reads the body.
//
//     dkim_checks_new(header) → dkim_checks_want(hashes) → feed the body → dkim_checks_evaluate(facts)
#ifndef SIGN_DKIM_VERIFY_H
#define SIGN_DKIM_VERIFY_H

#include "sign/signature.h"

#define DKIM_MAX_SIGNATURES 10 // looked at, from the top; the rest are "policy"
#define DKIM_MAX_LISTED     50 // shown at all

struct dkim_checks;

// The header lives as long as the checks. min_rsa_bits 0: 1024.
struct dkim_checks *dkim_checks_new(const struct header *header, unsigned min_rsa_bits,
                                    int64_t now_s);
void dkim_checks_free(struct dkim_checks *c); // accepts NULL
void dkim_checks_want(struct dkim_checks *c, struct body_hashes *hashes);
// True: wants more facts. `hashes` are finished.
bool dkim_checks_evaluate(struct dkim_checks *c, const struct body_hashes *hashes,
                          struct facts *facts);
void dkim_checks_give_up(struct dkim_checks *c); // what is undecided becomes temperror

size_t dkim_checks_count(const struct dkim_checks *c);
// The i-th from the top.
const struct signature *dkim_checks_at(const struct dkim_checks *c, size_t i);

#endif
