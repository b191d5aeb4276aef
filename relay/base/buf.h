// SPDX-License-Identifier: ISC
// Bytes that grow, up to a ceiling named at birth. Owns its memory. Never holds a promise about text:
// buf_text() adds the NUL that C wants without counting it.
//
// An addition that would pass the ceiling adds nothing and leaves `full` set: a builder may add
// many times and look once. Running out of memory below the ceiling ends the process.
#ifndef RELAY_BASE_BUF_H
#define RELAY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include "relay/base/span.h"

struct buf {
    unsigned char *data; // NULL until the first byte
    size_t len;          // bytes held
    size_t cap;          // bytes allocated
    size_t max;          // the ceiling, bytes
    bool full;           // an addition was refused since the last reset
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);  // accepts an empty one; leaves it empty, ceiling kept
void buf_reset(struct buf *b); // length 0, not full; memory kept for reuse

// 0, or -1 when the ceiling forbids it (nothing added, `full` set).
int buf_add(struct buf *b, const void *bytes, size_t n);
int buf_adds(struct buf *b, const char *text);
int buf_addc(struct buf *b, char c);
int buf_addspan(struct buf *b, struct span s);
int buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Room for n more bytes behind the last; *room points there. The caller writes, then adds to len.
int buf_reserve(struct buf *b, size_t n, unsigned char **room);

void buf_drop(struct buf *b, size_t n);          // forgets the first n bytes (n <= len)
void buf_cut(struct buf *b, size_t n);           // keeps only the first n bytes
const char *buf_text(struct buf *b);             // NUL-terminated, valid until the next change
struct span buf_span(const struct buf *b);       // the bytes, valid until the next change
char *buf_take(struct buf *b);                   // moves the NUL-terminated text out; caller frees
void buf_move(struct buf *to, struct buf *from); // frees to's bytes, moves from's; from is empty

#endif
