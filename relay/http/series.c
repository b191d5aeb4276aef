// SPDX-License-Identifier: ISC
#include "relay/http/series.h"

#include <inttypes.h>
#include <string.h>
#include "relay/base/utf8.h"

void series_describe(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void series_counter(struct buf *out, const char *name, uint64_t value, const char *help)
{
    series_describe(out, name, "counter", help);
    buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

void series_gauge(struct buf *out, const char *name, int64_t value, const char *help)
{
    series_describe(out, name, "gauge", help);
    buf_addf(out, "%s %" PRId64 "\n", name, value);
}

void series_moment(struct buf *out, const char *name, int64_t ms, const char *help)
{
    series_describe(out, name, "gauge", help);
    buf_addf(out, "%s %" PRId64 ".%03d\n", name, ms / 1000, (int)(ms % 1000));
}

void series_choice(struct buf *out, const char *name, const char *label, const char *const *words,
                   int value, const char *help)
{
    series_describe(out, name, "gauge", help);
    for (int i = 0; words[i]; i++)
        series_value(out, name, label, words[i], NULL, NULL, i == value);
}

// A collector refuses the whole page for one byte that is no UTF-8.
static void series_label(struct buf *out, const char *name, const char *value)
{
    bool valid = utf8_valid(span_text(value));
    buf_addf(out, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '\\' || byte == '"')
            buf_addc(out, '\\');
        buf_addc(out, byte < ' ' || byte == 127 || (byte > 127 && !valid) ? '?' : *c);
    }
    buf_addc(out, '"');
}

void series_value(struct buf *out, const char *name, const char *label1, const char *value,
                  const char *label2, const char *value2, uint64_t n)
{
    buf_addf(out, "%s{", name);
    series_label(out, label1, value);
    if (label2) {
        buf_addc(out, ',');
        series_label(out, label2, value2);
    }
    buf_addf(out, "} %" PRIu64 "\n", n);
}

void series_histogram(struct buf *out, const char *name, const struct histogram *h,
                      enum histogram_scale scale, const char *help)
{
    uint64_t n = 0;
    series_describe(out, name, "histogram", help);
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        n += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        buf_addf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                 (double)histogram_bound(scale, i) / 1e6, n);
    }
    n += atomic_load_explicit(&h->buckets[HISTOGRAM_BOUNDS], memory_order_relaxed);
    buf_addf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", name,
             n, name, (double)atomic_load_explicit(&h->sum_us, memory_order_relaxed) / 1e6, name,
             n);
}
