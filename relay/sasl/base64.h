// SPDX-License-Identifier: ISC
// Base64 as AUTH and its tokens carry it: RFC 4648 section 4 to the letter. Writing it is sign/base64.h's.
#ifndef RELAY_SASL_BASE64_H
#define RELAY_SASL_BASE64_H

#include "relay/base/buf.h"

// Strict: padding right, no blanks, no bits left over. -1: not base64 or over out's ceiling.
int sasl_base64(struct span text, struct buf *out);

#endif
