// SPDX-License-Identifier: ISC
// How long something took, counted in buckets: what a dashboard makes quantiles of. Recording is two relaxed
// additions, without a lock and without memory; any thread. All zero is an empty one.
//
// A reader may see an observation in its bucket and not yet in the sum, never the other way round for longer than
// that moment: the count is the sum of the buckets, so that the two never disagree.
#ifndef RELAY_BASE_HISTOGRAM_H
#define RELAY_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 15

// WORK: what a machine does, 100 µs to a minute. WAIT: what mail waits for, a tenth of a second to five days.
enum histogram_scale { HISTOGRAM_WORK, HISTOGRAM_WAIT };

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BOUNDS + 1]; // the last: longer than every bound
    _Atomic uint64_t sum_us;
};

// The upper bound of a bucket, inclusive, in microseconds.
uint64_t histogram_bound(enum histogram_scale scale, size_t bucket);
void histogram_add(struct histogram *h, enum histogram_scale scale, uint64_t us);
void histogram_add_since(struct histogram *h, uint64_t began_ns); // of clock_mono_ns(), as WORK

#endif
