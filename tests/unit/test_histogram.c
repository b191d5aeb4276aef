// SPDX-License-Identifier: ISC
// Times fall into the bucket whose bound they do not pass, and the page adds buckets up as Prometheus wants them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/histogram.h"
#include "relay/http/series.h"

static uint64_t count(const struct histogram *h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += h->buckets[i];
    return n;
}

static void bounds_rise(void **state)
{
    (void)state;
    for (int scale = HISTOGRAM_WORK; scale <= HISTOGRAM_WAIT; scale++)
        for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
            assert_true(histogram_bound((enum histogram_scale)scale, i - 1) <
                        histogram_bound((enum histogram_scale)scale, i));
}

static void a_bound_belongs_to_its_bucket(void **state)
{
    (void)state;
    for (int s = HISTOGRAM_WORK; s <= HISTOGRAM_WAIT; s++)
        for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
            enum histogram_scale scale = (enum histogram_scale)s;
            struct histogram h = {0};
            histogram_add(&h, scale, histogram_bound(scale, i));
            histogram_add(&h, scale, histogram_bound(scale, i) + 1);
            assert_int_equal(h.buckets[i], 1);
            assert_int_equal(h.buckets[i + 1], 1);
            assert_int_equal(h.sum_us, 2 * histogram_bound(scale, i) + 1);
        }
}

static void the_shortest_and_the_longest_are_counted(void **state)
{
    (void)state;
    struct histogram h = {0};
    histogram_add(&h, HISTOGRAM_WAIT, 0);
    histogram_add(&h, HISTOGRAM_WAIT, UINT64_MAX / 2);
    assert_int_equal(h.buckets[0], 1);
    assert_int_equal(h.buckets[HISTOGRAM_BOUNDS], 1);
}

static void a_time_that_has_not_come_is_none(void **state)
{
    (void)state;
    struct histogram h = {0};
    histogram_add_since(&h, UINT64_MAX);
    histogram_add_since(&h, clock_mono_ns());
    assert_int_equal(count(&h), 2);
    assert_true(h.sum_us < 60000000);
}

static void the_page_adds_up(void **state)
{
    (void)state;
    struct histogram h = {0};
    struct buf out;
    buf_init(&out, 65536);
    histogram_add(&h, HISTOGRAM_WORK, 100);
    histogram_add(&h, HISTOGRAM_WORK, 2000);
    histogram_add(&h, HISTOGRAM_WORK, 61000000);
    series_histogram(&out, "x_seconds", &h, HISTOGRAM_WORK, "Help.");
    const char *text = buf_text(&out);
    assert_memory_equal(text, "# HELP x_seconds Help.\n# TYPE x_seconds histogram\n", 50);
    assert_non_null(strstr(text, "\nx_seconds_bucket{le=\"0.0001\"} 1\n"));
    assert_non_null(strstr(text, "\nx_seconds_bucket{le=\"0.0025\"} 2\n"));
    assert_non_null(strstr(text, "\nx_seconds_bucket{le=\"60\"} 2\n"));
    assert_non_null(strstr(text, "\nx_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "\nx_seconds_sum 61.002100\nx_seconds_count 3\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_rise),
        cmocka_unit_test(a_bound_belongs_to_its_bucket),
        cmocka_unit_test(the_shortest_and_the_longest_are_counted),
        cmocka_unit_test(a_time_that_has_not_come_is_none),
        cmocka_unit_test(the_page_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
