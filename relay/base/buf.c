// SPDX-License-Identifier: ISC
// Growing bytes with a ceiling.
#include "relay/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->full = false;
}

// One byte more than asked is always there, for buf_text's NUL.
int buf_reserve(struct buf *b, size_t n, unsigned char **room)
{
    if (n > b->max || b->len > b->max - n) {
        b->full = true;
        return -1;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap *= 2;
        if (cap > b->max + 1)
            cap = b->max + 1;
        b->data = mem_grow(b->data, cap, 1);
        b->cap = cap;
    }
    *room = b->data + b->len;
    return 0;
}

int buf_add(struct buf *b, const void *bytes, size_t n)
{
    unsigned char *room;
    if (buf_reserve(b, n, &room) < 0)
        return -1;
    if (n)
        memcpy(room, bytes, n);
    b->len += n;
    return 0;
}

int buf_adds(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

int buf_addc(struct buf *b, char c)
{
    unsigned char *room;
    if (b->len + 1 >= b->cap || b->len >= b->max) {
        if (buf_reserve(b, 1, &room) < 0)
            return -1;
    }
    b->data[b->len++] = (unsigned char)c;
    return 0;
}

int buf_addspan(struct buf *b, struct span s)
{
    return buf_add(b, s.p, s.n);
}

// Most texts fit into the room that is there; one that does not is written once more.
int buf_addf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    unsigned char *room;
    size_t there = b->cap > b->len ? b->cap - b->len : 0;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(there ? (char *)b->data + b->len : NULL, there, format, args);
    va_end(args);
    assert(n >= 0);
    int rc = buf_reserve(b, (size_t)n, &room);
    if (rc == 0 && (size_t)n >= there)
        vsnprintf((char *)room, (size_t)n + 1, format, again);
    if (rc == 0)
        b->len += (size_t)n;
    va_end(again);
    return rc;
}

void buf_drop(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (b->len && n)
        memmove(b->data, b->data + n, b->len);
}

void buf_cut(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len = n;
}

const char *buf_text(struct buf *b)
{
    if (!b->data) {
        b->data = mem_new(1);
        b->cap = 1;
    }
    b->data[b->len] = 0;
    return (const char *)b->data;
}

struct span buf_span(const struct buf *b)
{
    return span_of(b->data, b->len);
}

char *buf_take(struct buf *b)
{
    buf_text(b);
    char *text = (char *)b->data;
    buf_init(b, b->max);
    return text;
}

void buf_move(struct buf *to, struct buf *from)
{
    free(to->data);
    *to = *from;
    buf_init(from, from->max);
}
