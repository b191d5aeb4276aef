// SPDX-License-Identifier: ISC
// Traces read back from their ring files, by any process that may read them; the relay may write meanwhile, or be
// down. Memory is bounded by one ring file's keys, and by what one message's records take.
//
// A record comes as a JSON object (waxwing-trace(8) tells its members) with the pieces that it refers to put into
// their places: "route", "connection" (and in that "chain"), and the texts of long replies.
#ifndef RELAY_TRACE_READ_H
#define RELAY_TRACE_READ_H

#include <jansson.h>
#include "relay/base/why.h"
#include "relay/trace/keys.h"

#define READ_RECORDS 10000 // of one message that are told

// Calls `each` with the message's records, in the order in which they were written; it returns false to hear no
// more. The record is the reader's. 0: how many there were is in *n; -1 with why: the directory cannot be read.
int read_message(const char *directory, const char *id,
                 bool (*each)(const json_t *record, void *arg), void *arg, size_t *n,
                 struct why *why);

// The messages that an address (as sender or recipient) or a Message-ID is in, newest first, at most `most`: their
// ids. *more: there are others. The caller frees ids[] and what is in it. -1 as above.
struct read_found {
    char **ids;
    size_t n;
    bool more;
};
int read_find(const char *directory, enum trace_key kind, const char *text, size_t most,
              struct read_found *out, struct why *why);
void read_found_free(struct read_found *found);

#endif
