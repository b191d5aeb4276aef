// SPDX-License-Identifier: ISC
// What a row of `senders` puts in place of addresses that a device or program cannot be told to change: in the
// envelope sender, in From, and in the fields beside it that name the sender (what Postfix calls header_sender
// addresses). Pure: the row and the header in, new fields out. Whether the row is allowed to send as what it
// writes was checked with the configuration.
#ifndef RELAY_INGEST_REWRITE_H
#define RELAY_INGEST_REWRITE_H

#include "config/config.h"
#include "relay/base/buf.h"
#include "sign/header.h"

#define REWRITE_FIELDS 16 // changes of one header that are told of

bool rewrite_wanted(const struct cfg_sender *row);

// What stands in MAIL FROM instead of this address; NULL: it stays. The null sender always does. Caller frees.
char *rewrite_sender(const struct cfg_sender *row, const char *address);

struct rewrite_change {
    const char *field;
    char *from, *to; // addresses; from "" where there was none
};

struct rewritten {
    struct buf fields; // whole, with CRLF: they go in front
    bool *gone;        // beside the header's fields: not sent
    struct rewrite_change changes[REWRITE_FIELDS];
    size_t nchanges;
};
// True: something changes. -1 by fields.full: they have no room. rewritten_free is due in any case.
bool rewrite_header(const struct cfg_sender *row, const struct header *header,
                    struct rewritten *out);
void rewritten_free(struct rewritten *r);

#endif
