// SPDX-License-Identifier: ISC
// uthash with a seeded hash: peers choose many of the names that stand in tables, and must not be able to
// make them fall into one bucket. Include this instead of <uthash.h>.
#ifndef RELAY_BASE_TABLE_H
#define RELAY_BASE_TABLE_H

#include <stdlib.h>
#include <xxhash.h>
#include "relay/base/id.h"

// One seed for the process, chosen at first use; any thread.
uint64_t table_seed(void);

#define HASH_FUNCTION(key, length, value)                                                          \
    do {                                                                                           \
        (value) = (unsigned)XXH3_64bits_withSeed((key), (length), table_seed());                   \
    } while (0)
#define uthash_fatal(text) abort()
#include <uthash.h>

#endif
