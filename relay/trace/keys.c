// SPDX-License-Identifier: ISC
// The files of keys beside the ring files.
#include "relay/trace/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "relay/base/mem.h"
#include "sign/header.h"

#define KEYS_MOST  ((size_t)256 << 20) // bytes of a file that is looked at
#define KEYS_PIECE 4096                // entries read at once

static const char magic[KEYS_HEAD] = "waxwing keys 1\n"; // with its NUL

struct entry {
    uint64_t key;
    uint32_t offset;
};

uint64_t keys_of(enum trace_key kind, const char *text)
{
    static const uint64_t seeds[] = {
        [TRACE_KEY_ID] = 1, [TRACE_KEY_ADDRESS] = 2, [TRACE_KEY_MESSAGE_ID] = 3};
    struct span s = header_message_id(span_text(text));
    if (kind != TRACE_KEY_ADDRESS)
        return XXH3_64bits_withSeed(s.p, s.n, seeds[kind]);
    unsigned char lower[1024];
    size_t n = s.n < sizeof lower ? s.n : sizeof lower;
    for (size_t i = 0; i < n; i++)
        lower[i] = (unsigned char)ascii_lower(s.p[i]);
    return XXH3_64bits_withSeed(lower, n, seeds[kind]);
}

void keys_head(unsigned char out[static KEYS_HEAD])
{
    memcpy(out, magic, KEYS_HEAD);
}

static void entry_put(unsigned char out[static KEYS_ENTRY], struct entry e)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(e.key >> 8 * i);
    for (int i = 0; i < 4; i++)
        out[8 + i] = (unsigned char)(e.offset >> 8 * i);
}

static struct entry entry_get(const unsigned char *p)
{
    struct entry e = {0, 0};
    for (int i = 7; i >= 0; i--)
        e.key = e.key << 8 | p[i];
    for (int i = 3; i >= 0; i--)
        e.offset = e.offset << 8 | p[8 + i];
    return e;
}

void keys_add(struct buf *out, uint64_t key, uint32_t offset)
{
    unsigned char bytes[KEYS_ENTRY];
    entry_put(bytes, (struct entry){key, offset});
    buf_add(out, bytes, sizeof bytes);
}

static int keys_compare(const void *a, const void *b)
{
    struct entry x = entry_get(a), y = entry_get(b);
    if (x.key != y.key)
        return x.key < y.key ? -1 : 1;
    return (x.offset > y.offset) - (x.offset < y.offset);
}

// Never mapped: the relay may cut a file that another thread or process reads.
static size_t pread_all(int fd, unsigned char *out, size_t n, off_t at)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = pread(fd, out + have, n - have, at + (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

// How many entries an open file has.
static size_t keys_count(int fd)
{
    struct stat st;
    char head[KEYS_HEAD];
    if (fstat(fd, &st) < 0 || st.st_size < KEYS_HEAD || (uint64_t)st.st_size > KEYS_MOST ||
        pread_all(fd, (unsigned char *)head, KEYS_HEAD, 0) != KEYS_HEAD ||
        memcmp(head, magic, KEYS_HEAD) != 0)
        return 0;
    return ((size_t)st.st_size - KEYS_HEAD) / KEYS_ENTRY;
}

// As many of the entries from the i-th on as are there, at most n.
static size_t entries_at(int fd, size_t i, unsigned char *out, size_t n)
{
    return pread_all(fd, out, n * KEYS_ENTRY, (off_t)(KEYS_HEAD + i * KEYS_ENTRY)) / KEYS_ENTRY;
}

static void keys_take(uint32_t offset, uint32_t **offsets, size_t *n)
{
    if ((*n & (*n - 1)) == 0)
        *offsets = mem_grow(*offsets, *n ? *n * 2 : 1, sizeof **offsets);
    (*offsets)[(*n)++] = offset;
}

// The first entry of a sorted file that is not below the key.
static size_t lower_bound(int fd, size_t n, uint64_t key)
{
    unsigned char entry[KEYS_ENTRY];
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entries_at(fd, middle, entry, 1) == 1 && entry_get(entry).key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int keys_compare_offsets(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t each_once(uint32_t *offsets, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(offsets, n, sizeof *offsets, keys_compare_offsets);
    for (size_t i = 0; i < n; i++)
        if (!kept || offsets[i] != offsets[kept - 1])
            offsets[kept++] = offsets[i];
    return kept;
}

size_t keys_find(int fd, bool sorted, uint64_t key, uint32_t **offsets)
{
    unsigned char piece[KEYS_PIECE * KEYS_ENTRY];
    size_t n = keys_count(fd), found = 0, got;
    *offsets = NULL;
    for (size_t i = sorted ? lower_bound(fd, n, key) : 0; i < n; i += got) {
        got = entries_at(fd, i, piece, n - i < KEYS_PIECE ? n - i : KEYS_PIECE);
        for (size_t k = 0; k < got; k++) {
            struct entry e = entry_get(piece + k * KEYS_ENTRY);
            if (e.key == key)
                keys_take(e.offset, offsets, &found);
            else if (sorted)
                return each_once(*offsets, found);
        }
        if (!got)
            break;
    }
    return each_once(*offsets, found);
}

int keys_write_all(int fd, struct span bytes, uint64_t at)
{
    while (bytes.n) {
        ssize_t n = pwrite(fd, bytes.p, bytes.n, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return -1;
        }
        bytes = span_from(bytes, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

static int write_sorted(const char *to, const unsigned char *bytes, size_t n)
{
    char *draft = mem_printf("%s.new", to);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    int rc = fd < 0 ? -1 : keys_write_all(fd, span_of(bytes, n), 0);
    if (fd >= 0 && close(fd) < 0)
        rc = -1;
    if (rc == 0)
        rc = rename(draft, to);
    if (rc < 0) {
        int error = errno;
        unlink(draft);
        errno = error;
    }
    free(draft);
    return rc;
}

int keys_sort(const char *from, const char *to)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t n = keys_count(fd);
    unsigned char *copy = mem_new(KEYS_HEAD + n * KEYS_ENTRY);
    keys_head(copy);
    n = entries_at(fd, 0, copy + KEYS_HEAD, n);
    close(fd);
    qsort(copy + KEYS_HEAD, n, KEYS_ENTRY, keys_compare);
    int rc = write_sorted(to, copy, KEYS_HEAD + n * KEYS_ENTRY);
    free(copy);
    return rc;
}
