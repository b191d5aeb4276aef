// SPDX-License-Identifier: ISC
// Shared by relay/dsn.c and relay/dsn_text.c alone.
#ifndef RELAY_DSN_PART_H
#define RELAY_DSN_PART_H

#include "relay/dsn.h"

// The part for people.
void dsn_text(const struct dsn *dsn, struct buf *out);
// What a peer wrote, as printable ASCII in lines of at most 76 with `indent` before each further one.
void dsn_fold(struct buf *out, const char *text, size_t column, const char *indent);

#endif
