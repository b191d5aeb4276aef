// SPDX-License-Identifier: ISC
// A certificate that vouches for itself, so that a relay can speak TLS before a real one is there.
#ifndef TLS_SELFSIGNED_H
#define TLS_SELFSIGNED_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

// An ECDSA P-256 key and a certificate for the host name, valid from yesterday for `days`; both as PEM. -1 with
// why: GnuTLS refused.
int selfsigned_make(const char *host, unsigned days, struct buf *chain, struct buf *key,
                    struct why *why);

#endif
