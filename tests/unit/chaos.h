// SPDX-License-Identifier: ISC
// Bad luck for a fake MX host: replies that are wrong, late, doubled, split or missing, the same for the same seed.
#ifndef TESTS_UNIT_CHAOS_H
#define TESTS_UNIT_CHAOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chaos {
    uint64_t luck;    // the state of the dice; 0: no chaos
    unsigned percent; // of the replies are struck
    bool erred;       // the reply at hand is a wrong one
    // A reply too many and one too few in one session make each other unseen: it has one kind or the other.
    bool more, fewer;
};
typedef void chaos_put_fn(void *to, const char *bytes, size_t n);

// Whether the reply is to be another; then it stands in out ("!close": none, and the session ends).
bool chaos_wrong(struct chaos *c, char *out, size_t n);
bool chaos_strikes(struct chaos *c);
// Puts a reply out unluckily; false: the session ends behind it. A verdict that nobody is told is the usual one, and a
// word too many, which could pass for the answer to anything, comes behind the end of a message (`final`) alone.
bool chaos_put(struct chaos *c, bool final, const char *text, size_t n, chaos_put_fn *put,
               void *to);

#endif
