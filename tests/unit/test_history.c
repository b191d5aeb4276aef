// SPDX-License-Identifier: ISC
// What the first page counts by the minute, and what of it was within the last ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/http/history.h"

static uv_loop_t loop;
static struct counters counters;
static struct history *history;

static int begin(void **state)
{
    (void)state;
    counters = (struct counters){0};
    uv_loop_init(&loop);
    history = history_start(&loop, &counters);
    return 0;
}

static int end(void **state)
{
    (void)state;
    history_stop(history);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void a_minute_passes(unsigned n)
{
    counters.accepted += n;
    counters.refused += 2 * n;
    counters.delivered += 3 * n;
    counters.deferred += 4 * n;
    counters.failed += 5 * n;
    counters.expired += 6 * n;
}

static void assert_recent(size_t minutes, unsigned n)
{
    struct history_recent r = history_recent(history, minutes);
    assert_int_equal(r.accepted, n);
    assert_int_equal(r.refused, 2 * n);
    assert_int_equal(r.delivered, 3 * n);
    assert_int_equal(r.deferred, 4 * n);
    assert_int_equal(r.failed, 11 * n);
}

static void the_minute_that_runs_counts_beside_those_that_are_asked_for(void **state)
{
    (void)state;
    assert_recent(60, 0);
    for (unsigned i = 0; i < 3; i++) {
        a_minute_passes(1);
        history_look(history);
    }
    a_minute_passes(10);
    assert_recent(60, 13);
    assert_recent(2, 12);
    assert_recent(0, 10);
}

static void what_is_older_than_a_day_is_forgotten(void **state)
{
    (void)state;
    static struct history_minute minutes[HISTORY_MINUTES];
    a_minute_passes(100);
    history_look(history);
    for (unsigned i = 0; i < HISTORY_MINUTES; i++) {
        a_minute_passes(1);
        history_look(history);
    }
    assert_recent(2 * HISTORY_MINUTES, HISTORY_MINUTES);
    assert_int_equal(history_minutes(history, minutes), HISTORY_MINUTES);
    assert_int_equal(minutes[0].accepted, 1);
    assert_int_equal(minutes[HISTORY_MINUTES - 1].refused, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_minute_that_runs_counts_beside_those_that_are_asked_for,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_is_older_than_a_day_is_forgotten, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
