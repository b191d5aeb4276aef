// SPDX-License-Identifier: ISC
// The Sender Rewriting Scheme: strangers' envelope senders as addresses of a forwarder's own domain, so that SPF passes
// and bounces find their way back. As the scheme's authors wrote it down and postsrsd and libsrs2 do it, digest
// and all (HMAC-SHA-1, cut short), so that addresses of one are read by the others. Pure.
//
//     a@b.example             SRS0=DIGEST=DAY=b.example=a@own.example
//     SRS0=X=Y=b.example=a@c  SRS1=DIGEST=c==X=Y=b.example=a@own.example    the first forwarder's is kept as it is
//     SRS1=Z=c==X=...@d       SRS1=DIGEST=c==X=...@own.example              it goes back to the first, not by d
//
// Digests compare without regard to case, since some mailers fold it. A local part may pass the 64 octets of RFC 5321
// (section 4.5.3.1 lets a client try), an address not the 254 of a path.
#ifndef RELAY_RETURNS_SRS_H
#define RELAY_RETURNS_SRS_H

#include <stdint.h>
#include "relay/base/buf.h"
#include "relay/returns/secrets.h"

struct srs {
    const char *domain; // A-label
    const struct secrets *secrets;
    unsigned max_days;
    size_t hash_length; // characters written, and the least that is believed
};

// The address to send from instead of `sender`, which has a domain. -1: it would be too long.
int srs_forward(const struct srs *srs, const char *sender, int64_t now_s, struct buf *out);

// The local part looks like SRS0 or SRS1, whoever wrote it.
bool srs_is(const char *address);
// The address that it stands for. -1: it is forged, mangled or too old.
int srs_reverse(const struct srs *srs, const char *address, int64_t now_s, struct buf *out,
                struct why *why);

#endif
