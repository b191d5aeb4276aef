// SPDX-License-Identifier: ISC
// The bounds, and which bucket a time belongs to.
#include "relay/base/histogram.h"

#include <assert.h>
#include "relay/base/clock.h"

#define MS 1000ULL
#define S  1000000ULL

static const uint64_t bounds[2][HISTOGRAM_BOUNDS] = {
    [HISTOGRAM_WORK] = {100, 250, 500, MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,
                        250 * MS, S, 5 * S, 20 * S, 60 * S},
    [HISTOGRAM_WAIT] = {100 * MS, 250 * MS, S, 5 * S / 2, 5 * S, 10 * S, 30 * S, 60 * S, 300 * S,
                        900 * S, 3600 * S, 4 * 3600 * S, 12 * 3600 * S, 86400 * S, 5 * 86400 * S},
};

uint64_t histogram_bound(enum histogram_scale scale, size_t bucket)
{
    assert(bucket < HISTOGRAM_BOUNDS);
    return bounds[scale][bucket];
}

void histogram_add(struct histogram *h, enum histogram_scale scale, uint64_t us)
{
    size_t i = 0;
    while (i < HISTOGRAM_BOUNDS && us > bounds[scale][i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

void histogram_add_since(struct histogram *h, uint64_t began_ns)
{
    uint64_t now = clock_mono_ns();
    histogram_add(h, HISTOGRAM_WORK, now > began_ns ? (now - began_ns) / 1000 : 0);
}
