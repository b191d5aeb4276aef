// SPDX-License-Identifier: ISC
// The seed of the hash tables.
#include "relay/base/table.h"

#include <pthread.h>

static uint64_t seed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void base_table_choose(void)
{
    random_bytes(&seed, sizeof seed);
}

uint64_t table_seed(void)
{
    pthread_once(&once, base_table_choose);
    return seed;
}
