// SPDX-License-Identifier: ISC
// Events as they are kept, for people and for a receiver that was down: those behind a number, filtered, a piece at a
// time. Blocking, a file is read; cheap for what was written lately.
#ifndef RELAY_EVENTS_BACKLOG_H
#define RELAY_EVENTS_BACKLOG_H

#include "relay/events/events.h"
#include "relay/events/journal.h"

struct backlog {
    struct journal *journal; // a reference
    struct journal_place place;
    int type;            // enum event_type; -1: any
    const char *time;    // none that is older, as RFC 3339 text; NULL: any
    const char *id;      // of the message; NULL: any
    uint64_t limit;      // how many more at most
    struct buf *out;     // gets the JSON objects
    const char *between; // what stands between two of them
    size_t room;         // bytes of out after which it stops
};
// Reads on, about JOURNAL_BYTES at most. False: there is no more that it may give.
bool backlog_read(struct backlog *b);

#endif
