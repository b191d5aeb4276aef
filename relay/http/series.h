// SPDX-License-Identifier: ISC
// The text exposition format of Prometheus, version 0.0.4, piece by piece: a name is described once, then its series
// follow. Names are whole ("waxwing_delivered_total").
#ifndef RELAY_HTTP_SERIES_H
#define RELAY_HTTP_SERIES_H

#include <stdint.h>
#include "relay/base/buf.h"
#include "relay/base/histogram.h"

void series_describe(struct buf *out, const char *name, const char *type, const char *help);
// A description and its one series.
void series_counter(struct buf *out, const char *name, uint64_t value, const char *help);
void series_gauge(struct buf *out, const char *name, int64_t value, const char *help);
void series_moment(struct buf *out, const char *name, int64_t ms, const char *help); // as seconds
// One of several words: a series for each, 1 at the one that holds.
void series_choice(struct buf *out, const char *name, const char *label, const char *const *words,
                   int value, const char *help);
void series_histogram(struct buf *out, const char *name, const struct histogram *h,
                      enum histogram_scale scale, const char *help);
// A series of a name that is described already. The second label may be NULL, then it has one.
void series_value(struct buf *out, const char *name, const char *label, const char *value,
                  const char *label2, const char *value2, uint64_t n);

#endif
