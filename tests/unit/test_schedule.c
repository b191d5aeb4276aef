// SPDX-License-Identifier: ISC
// When reports go out: the morning after, spread; what a relay that was down still owes; and for how long.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/report/schedule.h"
#include "tls/ledger.h"

#define DAY      20000
#define MIDNIGHT ((DAY + 1) * LEDGER_DAY_MS) // after that day
#define HOUR     INT64_C(3600000)

static void a_day_is_planned_when_it_has_settled(void **state)
{
    (void)state;
    assert_true(schedule_day(DAY - 1, MIDNIGHT - 1) == SCHEDULE_NEVER);
    assert_true(schedule_day(DAY - 1, MIDNIGHT + SCHEDULE_SETTLE_MS - 1) == SCHEDULE_NEVER);
    assert_int_equal(schedule_day(DAY - 1, MIDNIGHT + SCHEDULE_SETTLE_MS), DAY);
    assert_true(schedule_day(DAY, MIDNIGHT + 20 * HOUR) == SCHEDULE_NEVER);
    assert_int_equal(schedule_day(DAY, MIDNIGHT + 25 * HOUR), DAY + 1);
}

static void what_a_relay_was_down_for_is_caught_up_within_bounds(void **state)
{
    (void)state;
    int64_t now = MIDNIGHT + 12 * HOUR;
    assert_int_equal(schedule_day(SCHEDULE_NEVER, now), DAY + 1 - SCHEDULE_CATCH_UP);
    assert_int_equal(schedule_day(DAY - 50, now), DAY + 1 - SCHEDULE_CATCH_UP);
    assert_int_equal(schedule_day(DAY - 1, now), DAY);
    assert_true(schedule_day(DAY + 5, now) == SCHEDULE_NEVER); // the clock was set back
}

static void check_window(int64_t now, uint64_t spread, int64_t start, uint64_t width)
{
    int64_t from;
    uint64_t wide;
    schedule_window(DAY, spread, now, &from, &wide);
    assert_int_equal(from, start);
    assert_int_equal(wide, width);
}

static void reports_are_spread_over_the_morning(void **state)
{
    (void)state;
    uint64_t six = 6 * (uint64_t)HOUR;
    check_window(MIDNIGHT + SCHEDULE_SETTLE_MS, six, MIDNIGHT + HOUR, six);
    check_window(MIDNIGHT + 3 * HOUR, six, MIDNIGHT + 3 * HOUR, 4 * (uint64_t)HOUR); // started late
    check_window(MIDNIGHT + 9 * HOUR, six, MIDNIGHT + 9 * HOUR, SCHEDULE_LATE_MS);
    check_window(MIDNIGHT + 30 * HOUR, six, MIDNIGHT + 30 * HOUR, SCHEDULE_LATE_MS);
    check_window(MIDNIGHT + 9 * HOUR, 0, MIDNIGHT + 9 * HOUR, 0);
    check_window(MIDNIGHT, 0, MIDNIGHT + HOUR, 0);
}

static void a_report_is_tried_for_a_day(void **state)
{
    (void)state;
    static const uint64_t steps[] = {1000, 60000};
    int64_t now = MIDNIGHT, until = now + SCHEDULE_TRY_MS;
    int64_t first = schedule_again(steps, 2, 1, 50, now, until);
    assert_true(first >= now + 900 && first <= now + 1100);
    int64_t later = schedule_again(steps, 2, 9, 50, now, until);
    assert_true(later >= now + 54000 && later <= now + 66000);
    assert_int_equal(schedule_again(steps, 2, 9, 50, until - 1, until), until); // a last time then
    assert_true(schedule_again(steps, 2, 9, 50, until, until) == SCHEDULE_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_is_planned_when_it_has_settled),
        cmocka_unit_test(what_a_relay_was_down_for_is_caught_up_within_bounds),
        cmocka_unit_test(reports_are_spread_over_the_morning),
        cmocka_unit_test(a_report_is_tried_for_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
