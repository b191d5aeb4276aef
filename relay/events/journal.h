// SPDX-License-Identifier: ISC
// Events on disk: files of lines, each a checksum and a JSON object with its number. One writes; what is on disk can be
// read from any thread meanwhile.
//
//     DIRECTORY/00000000000000000001.events: "CHECKSUM {"seq":1,…}\n"…
//
// A file is called after the number of its first line, and none of its lines counts from the first number of the next
// file on. After a write or a sync that failed a new file begins. Numbers rise by one and are never used twice for
// what anybody was told.
#ifndef RELAY_EVENTS_JOURNAL_H
#define RELAY_EVENTS_JOURNAL_H

#include <stdbool.h>
#include "relay/base/buf.h"
#include "relay/base/why.h"

#define JOURNAL_LINE  65536   // bytes of one line at most
#define JOURNAL_FILE  8388608 // bytes after which a new file begins
#define JOURNAL_BYTES 262144  // read at once

struct journal;
// The directory is made where it is not there. A torn end, which nobody was told of, is cut.
struct journal *journal_open(const char *directory, struct why *why);
struct journal *journal_ref(struct journal *j);
void journal_unref(struct journal *j); // the last one closes it; accepts NULL
const char *journal_directory(const struct journal *j);

// What is to be written: a JSON object without its first brace, which the number comes before.
struct journal_entry {
    struct journal_entry *next;
    size_t n;
    char text[];
};
// Writes and syncs them all; one thread at a time. -1 with why: none of them counts as written, and the caller keeps them.
int journal_append(struct journal *j, const struct journal_entry *first, struct why *why);

uint64_t
journal_last(struct journal *j); // the number of the newest line on disk; 0: there was never one
uint64_t journal_first(struct journal *j); // of the oldest; last + 1 where there is none

// Where somebody reads: behind the line `seq`.
struct journal_place {
    uint64_t seq;
    uint64_t file, offset; // where that is; file 0: it is looked for
};
// Calls `each` with lines behind the place, in their order, from about JOURNAL_BYTES at most, and moves on; `each`
// returns false for a line that it does not take, where the place stays. False: there is nothing behind it.
typedef bool journal_fn(uint64_t seq, struct span object, void *arg);
bool journal_read(struct journal *j, struct journal_place *place, journal_fn *each, void *arg);

// Removes the oldest files: those last written before `before_ms` (wall clock) and what passes `size` bytes in all.
// The newest stays. Returns the number up to which everything is gone.
uint64_t journal_trim(struct journal *j, int64_t before_ms, uint64_t size);
uint64_t journal_damaged(struct journal *j); // lines that made no sense, since the start

#endif
