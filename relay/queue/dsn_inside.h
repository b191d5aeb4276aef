// SPDX-License-Identifier: ISC
// Shared by the files of relay/queue/dsn.h alone; each calls only those that stand behind it here: dsn.c, dsn_text.c,
// dsn_advice.c, dsn_who.c, dsn_fold.c.
#ifndef RELAY_QUEUE_DSN_INSIDE_H
#define RELAY_QUEUE_DSN_INSIDE_H

#include "relay/queue/dsn.h"

#define DSN_OWN    320  // bytes of an address of ours
#define DSN_ADVICE 8192 // and of a paragraph

// The part for people.
void dsn_text(const struct dsn *dsn, struct buf *out);
// What a peer wrote, as printable ASCII in lines of at most 76 with `indent` before each further one.
void dsn_fold(struct buf *out, const char *text, size_t column, const char *indent);
// A sentence of ours without the paths that it names: they are for whoever runs the relay, who has the log.
void dsn_sentence(const char *text, char *out, size_t n);

// relay/queue/dsn_advice.c: what to do, with an empty line behind it.
void dsn_advice(const struct dsn *dsn, const struct dsn_row *row, struct buf *out);

// relay/queue/dsn_who.c: who can fix it, in the order in which all of a report names them. Texts have words in capitals
// that dsn_fill knows (relay/base/advice.h); "" where there is nothing to say.
struct dsn_who {
    enum act first;
    const char *by;
    enum act other;
    const char *other_by;
    const char *sender; // what the sender can do
};
struct dsn_who dsn_who_of(const struct why *why);
const char *dsn_actor(enum act act);
const char *dsn_operator_advice(const struct why *why); // for whoever runs the relay
const char *dsn_demand(const struct why *why); // who demanded what TLS failed; NULL: nobody
bool dsn_waiting_is_not_enough(const struct why *why);
void dsn_fill(const struct dsn *dsn, const struct dsn_row *row, const char *text, struct buf *out);
// What it means and who can fix it, for people.
void dsn_who_text(const struct dsn *dsn, const struct dsn_row *row, struct buf *out);
// Whoever runs this relay, as its users reach them.
const char *dsn_own_postmaster(const struct dsn *dsn, char out[static DSN_OWN]);

const char *dsn_reply(const struct dsn_row *row); // all that is known of it

#endif
