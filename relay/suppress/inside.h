// SPDX-License-Identifier: ISC
// The inside of relay/suppress/: the table, which its owner locks.
#ifndef RELAY_SUPPRESS_INSIDE_H
#define RELAY_SUPPRESS_INSIDE_H

#include "relay/base/list.h"
#include "relay/base/table.h"
#include "relay/suppress/suppress.h"

#define SUPPRESS_KEY (2 * SUPPRESS_NAME)

struct suppress_entry {
    UT_hash_handle hh;
    struct list list; // oldest first
    uint64_t number;
    int64_t since_ms, until_ms;
    const char *reason; // shared (relay/base/words.h)
    enum suppress_origin origin;
    unsigned short sender_bytes;
    char key[]; // "sender\naddress"
};

struct suppress_table {
    struct suppress_entry *entries;
    struct list in_order;
    size_t n;
};
// False: there are `most` already, or the name is too long.
bool suppress_table_put(struct suppress_table *t, const struct suppressed_row *row, size_t most,
                        uint64_t number);

// file.c: all the files; false after an alarm: one could not be read.
bool suppress_read_files(struct suppress_table *out, const struct strings *files);

#endif
