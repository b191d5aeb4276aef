// SPDX-License-Identifier: ISC
// How large a message each destination domain takes, as its hosts said when they were last asked (SIZE, RFC 1870): so
// that an application can be told while it is still there. Not kept over a restart.
//
// One word a domain, read and written whole by any thread. Of two domains that share a place the later one is known.
#ifndef RELAY_WORKER_SIZES_H
#define RELAY_WORKER_SIZES_H

#include <stdatomic.h>
#include <stdint.h>

#define SIZES_SLOTS 4096

struct sizes {
    _Atomic uint64_t slots[SIZES_SLOTS]; // half a digest of the domain, and KiB; 0: nothing
};

// 0: the host names no limit.
void sizes_learn(struct sizes *sizes, const char *domain, uint64_t bytes);
// In bytes, rounded up to KiB; 0: not known, or no limit.
uint64_t sizes_of(const struct sizes *sizes, const char *domain);

#endif
