// SPDX-License-Identifier: ISC
// Message ids and random bytes.
#include "relay/base/id.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static _Atomic uint64_t last;
static _Atomic unsigned node;

void id_node(unsigned number)
{
    atomic_store(&node, number & 255);
}

// Atomically: the larger of now and the moment behind the last.
uint64_t id_new(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t own = atomic_load(&node);
    uint64_t now = ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000) << 8 | own;
    uint64_t seen = atomic_load(&last), id;
    do
        id = now > seen ? now : ((seen >> 8) + 1) << 8 | own;
    while (!atomic_compare_exchange_weak(&last, &seen, id));
    return id;
}

void id_floor(uint64_t id)
{
    uint64_t seen = atomic_load(&last);
    while (id > seen && !atomic_compare_exchange_weak(&last, &seen, id))
        ;
}

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_text(uint64_t id, char out[static ID_TEXT])
{
    for (int i = ID_TEXT - 2; i >= 0; i--) {
        out[i] = digits[id & 31];
        id >>= 5;
    }
    out[ID_TEXT - 1] = 0;
}

bool id_parse(const char *text, uint64_t *id)
{
    if (strlen(text) != ID_TEXT - 1 || text[0] > 'f') // 13 digits of 5 bits: the first has 4
        return false;
    uint64_t v = 0;
    for (; *text; text++) {
        const char *d = strchr(digits, *text);
        if (!d)
            return false;
        v = v << 5 | (uint64_t)(d - digits);
    }
    *id = v;
    return true;
}

void random_bytes(void *out, size_t n)
{
    unsigned char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno != EINTR) {
            perror("waxwing: getrandom");
            abort();
        }
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

void random_digits(char *out, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    random_bytes(out, n);
    for (size_t i = 0; i + 1 < n; i++)
        out[i] = hex[out[i] & 15];
    out[n - 1] = 0;
}

uint64_t random_below(uint64_t limit)
{
    uint64_t r, bias = UINT64_MAX % limit;
    do
        random_bytes(&r, sizeof r);
    while (r >= UINT64_MAX - bias);
    return r % limit;
}
