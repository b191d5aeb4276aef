// SPDX-License-Identifier: ISC
// DANE for SMTP (RFC 6698, 7671, 7672): which TLSA records count, and whether a chain matches them.
// Our own, since libdane ties neither the match nor the path to one anchor. Pure but for the clock.
#ifndef TLS_DANE_H
#define TLS_DANE_H

#include "dns/rdata.h"
#include "tls/verify.h"

// RFC 7672 section 3.1.3: usage 2 or 3, selector 0 or 1, matching 0, 1 or 2, digest of the right length.
bool dane_usable(const struct dns_tlsa *tlsa);
// This usable record is about these bytes, a certificate in DER; what that is worth is dane_verify's to say.
bool dane_matches(const struct dns_tlsa *tlsa, struct span der);
// Matches with digest agility (RFC 7671 section 9). *proof says by which usage, *depth at which
// certificate (0 the leaf). On -1 why->tls is tlsa-invalid, certificate-expired, -host-mismatch,
// -not-trusted or validation-failure. Unusable records are passed over; no usable one is our bug.
int dane_verify(const struct span *chain, size_t nchain, const struct dns_tlsa *tlsa, size_t ntlsa,
                const char *const *names, size_t nnames, enum tls_proof *proof, size_t *depth,
                struct why *why);

#endif
