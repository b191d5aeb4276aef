// SPDX-License-Identifier: ISC
// Shared by relay/queue/dsn.c and relay/queue/dsn_text.c alone.
#ifndef RELAY_QUEUE_DSN_INSIDE_H
#define RELAY_QUEUE_DSN_INSIDE_H

#include "relay/queue/dsn.h"

// The part for people.
void dsn_text(const struct dsn *dsn, struct buf *out);
// What a peer wrote, as printable ASCII in lines of at most 76 with `indent` before each further one.
void dsn_fold(struct buf *out, const char *text, size_t column, const char *indent);
const char *dsn_reply(const struct dsn_row *row); // all that is known of it

#endif
