// SPDX-License-Identifier: ISC
#include "relay/worker/sizes.h"

#include <string.h>
#include <xxhash.h>

#define KIB       1024
#define LOWER     0xffffffffu
#define SLOT_BITS 12

_Static_assert(SIZES_SLOTS == 1 << SLOT_BITS, "the slot is taken from a digest");

// What stands in the upper half; the lower half of the digest chooses the slot.
static uint64_t tag_of(uint64_t digest)
{
    return digest & ~(uint64_t)LOWER;
}

void sizes_learn(struct sizes *sizes, const char *domain, uint64_t bytes)
{
    uint64_t digest = XXH3_64bits(domain, strlen(domain));
    _Atomic uint64_t *slot = &sizes->slots[digest & (SIZES_SLOTS - 1)];
    uint64_t kib = bytes / KIB + (bytes % KIB != 0);
    uint64_t word = tag_of(digest) | (kib > LOWER ? 0 : kib), old;
    old = atomic_load_explicit(slot, memory_order_relaxed);
    if (old != word && (bytes || tag_of(old) == tag_of(digest)))
        atomic_store_explicit(slot, word, memory_order_relaxed);
}

uint64_t sizes_of(const struct sizes *sizes, const char *domain)
{
    uint64_t digest = XXH3_64bits(domain, strlen(domain));
    uint64_t word =
        atomic_load_explicit(&sizes->slots[digest & (SIZES_SLOTS - 1)], memory_order_relaxed);
    return tag_of(word) == tag_of(digest) ? (word & LOWER) * KIB : 0;
}
