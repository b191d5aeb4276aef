// SPDX-License-Identifier: ISC
// Base64 (RFC 4648 section 4) as tags carry it: white space anywhere between the characters.
#ifndef SIGN_BASE64_H
#define SIGN_BASE64_H

#include "relay/base/buf.h"

int base64_encode(const void *bytes, size_t n, struct buf *out); // -1: over out's ceiling
// False: another character, wrong padding, or over out's ceiling. Empty text gives no bytes.
bool base64_decode(struct span text, struct buf *out);

#endif
