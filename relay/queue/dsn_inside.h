// SPDX-License-Identifier: ISC
// Shared by the files of relay/queue/dsn.h alone; each calls only those that stand behind it here: dsn.c, dsn_text.c,
// dsn_advice.c, dsn_fold.c.
#ifndef RELAY_QUEUE_DSN_INSIDE_H
#define RELAY_QUEUE_DSN_INSIDE_H

#include "relay/queue/dsn.h"

// The part for people.
void dsn_text(const struct dsn *dsn, struct buf *out);
// What a peer wrote, as printable ASCII in lines of at most 76 with `indent` before each further one.
void dsn_fold(struct buf *out, const char *text, size_t column, const char *indent);
// A sentence of ours without the paths that it names: they are for whoever runs the relay, who has the log.
void dsn_sentence(const char *text, char *out, size_t n);

// relay/queue/dsn_advice.c: who can mend it and what it means; and what to do, with an empty line behind it.
void dsn_mender(const struct dsn *dsn, const struct dsn_row *row, struct buf *out);
void dsn_advice(const struct dsn *dsn, const struct dsn_row *row, struct buf *out);
bool dsn_waiting_is_not_enough(const struct why *why);

const char *dsn_reply(const struct dsn_row *row); // all that is known of it

#endif
