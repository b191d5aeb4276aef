// SPDX-License-Identifier: ISC
// Variable envelope return paths under a key: an envelope sender of its own for each recipient of a message, so that
// whatever comes back is known to be about that message and that recipient, and nobody else can write one. Pure.
//
//     verp=MESSAGE-ID=DIGEST=b.example=a@bounces.example.org
//
// The digest is HMAC-SHA-256, cut to 50 bits, over id and recipient; it, and the id, compare without regard to case.
#ifndef RELAY_RETURNS_VERP_H
#define RELAY_RETURNS_VERP_H

#include <stdint.h>
#include "relay/base/buf.h"
#include "relay/returns/secrets.h"

struct verp {
    const char *domain; // A-label
    const struct secrets *secrets;
    int64_t max_age_s; // by the time that is in the id
};

// -1: the address would be too long, or the recipient's domain is none that can stand in one.
int verp_make(const struct verp *verp, uint64_t id, const char *recipient, struct buf *out);
// The local part looks like one, whoever wrote it.
bool verp_is(const char *address);
// -1: it is forged, mangled or too old.
int verp_read(const struct verp *verp, const char *address, int64_t now_s, uint64_t *id,
              struct buf *recipient, struct why *why);

#endif
