// SPDX-License-Identifier: ISC
// The form of ring files that writer and readers share: names, and lines with their sums.
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/mem.h"
#include "relay/trace/ring.h"

#define DIGITS 20

static void line_sum(struct span object, char out[static RING_SUM])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t sum = XXH3_64bits(object.p, object.n);
    for (int i = RING_SUM - 1; i >= 0; i--, sum >>= 4)
        out[i] = digits[sum & 15];
}

void ring_line(struct buf *out, struct span object)
{
    static const char room[] = "                 {"; // for the sum, a space and a brace
    size_t at = out->len;
    buf_add(out, room, sizeof room - 1);
    buf_addspan(out, object);
    if (buf_add(out, "}\n", 2) < 0)
        return;
    struct span whole = span_of(out->data + at + RING_SUM + 1, object.n + 2);
    line_sum(whole, (char *)out->data + at);
}

bool ring_line_read(struct span line, struct span *object)
{
    char sum[RING_SUM];
    if (line.n < RING_SUM + 3 || line.p[RING_SUM] != ' ')
        return false;
    *object = span_from(line, RING_SUM + 1);
    line_sum(*object, sum);
    return memcmp(sum, line.p, RING_SUM) == 0;
}

char *ring_path(const char *directory, uint64_t number, const char *what)
{
    return mem_printf("%s/%0*" PRIu64 ".%s", directory, DIGITS, number, what);
}

static int line_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int ring_list(const char *directory, uint64_t **numbers, size_t *n)
{
    static const char suffix[] = ".trace";
    DIR *dir = opendir(directory);
    uint64_t number;
    *numbers = NULL;
    *n = 0;
    if (!dir)
        return -1;
    for (struct dirent *e; (e = readdir(dir));) {
        struct span name = span_text(e->d_name);
        if (name.n != DIGITS + strlen(suffix) || !span_ends_nocase(name, suffix) ||
            !span_number(span_slice(name, 0, DIGITS), UINT64_MAX / 2, &number))
            continue;
        *numbers = mem_grow(*numbers, *n + 1, sizeof **numbers);
        (*numbers)[(*n)++] = number;
    }
    closedir(dir);
    if (*n)
        qsort(*numbers, *n, sizeof **numbers, line_compare);
    return 0;
}
