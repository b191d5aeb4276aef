// SPDX-License-Identifier: ISC
// Two parts of a certificate exactly as they were signed: GnuTLS gives them only encoded anew, and a
// digest in a TLSA record or a pin is over the bytes that the server sent (RFC 6698 section 1.1.2).
#ifndef TLS_DER_H
#define TLS_DER_H

#include "relay/base/span.h"

// The SubjectPublicKeyInfo; false where the bytes are not shaped like a certificate (RFC 5280 4.1).
bool der_public_key(struct span certificate, struct span *out);
// The TBSCertificate: what the issuer signed.
bool der_signed_part(struct span certificate, struct span *out);

#endif
