// SPDX-License-Identifier: ISC
// Canonicalisation (RFC 6376 section 3.4) and the hashes over it.
//
// A body is hashed once, while it passes, for every combination somebody needs: register them in a
// `struct body_hashes`, feed the pieces as they come (cut anywhere, even between CR and LF), finish, ask.
#ifndef SIGN_CANON_H
#define SIGN_CANON_H

#include <stdbool.h>
#include <stdint.h>
#include "relay/base/buf.h"
#include "sign/header.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };
#define CANON_NO_LIMIT  UINT64_MAX
#define MAX_BODY_HASHES 24 // combinations for one message

struct body_hashes;
struct body_hashes *body_hashes_new(void);
void body_hashes_free(struct body_hashes *h); // accepts NULL
// Before the first byte. The same combination twice is one. -1: more than MAX_BODY_HASHES.
// `limit`: l= of the signature, canonical bytes hashed at most; CANON_NO_LIMIT: all. SHA-256 always;
// sha1 also for old signatures is not offered (RFC 8301).
int body_hashes_want(struct body_hashes *h, enum canon canon, uint64_t limit);
// A message line may end in CRLF or in LF alone, which counts as CRLF (files on the command line).
void body_hashes_feed(struct body_hashes *h, const void *bytes, size_t n);
void body_hashes_finish(struct body_hashes *h);
// After finish: the digest; false: never asked for. *canonical: canonical bytes there were in all.
bool body_hashes_get(const struct body_hashes *h, enum canon canon, uint64_t limit,
                     unsigned char digest[static 32], uint64_t *canonical);

// One header field in canonical form, CRLF included, added to out. -1: over out's ceiling.
int canon_field(enum canon canon, const struct field *field, struct buf *out);

#endif
