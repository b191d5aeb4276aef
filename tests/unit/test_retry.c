// SPDX-License-Identifier: ISC
// The arithmetic of trying again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/deliver/retry.h"

#define MINUTE 60000
static const uint64_t steps[] = {5 * MINUTE, 10 * MINUTE, 60 * MINUTE};

static void waits_follow_the_schedule_and_the_last_repeats(void **state)
{
    (void)state;
    const uint64_t expect[] = {5 * MINUTE, 10 * MINUTE, 60 * MINUTE, 60 * MINUTE, 60 * MINUTE};
    for (unsigned attempt = 1; attempt <= 5; attempt++)
        for (uint64_t dice = 0; dice < 5000000; dice += 77777) {
            uint64_t wait = retry_wait(steps, 3, attempt, dice), step = expect[attempt - 1];
            assert_in_range(wait, step / 10 * 9, step / 10 * 11);
        }
    assert_int_not_equal(retry_wait(steps, 3, 1, 1), retry_wait(steps, 3, 1, 5000));
}

static void very_short_steps_work(void **state)
{
    (void)state;
    const uint64_t none[] = {0};
    assert_int_equal(retry_wait(none, 1, 7, 12345), 0);
    const uint64_t tiny[] = {7};
    assert_int_equal(retry_wait(tiny, 1, 1, 12345), 7);
}

static void the_last_attempt_is_made_when_the_message_expires(void **state)
{
    (void)state;
    assert_int_equal(retry_at(1000, 500, 10000, 0), 1500);
    assert_int_equal(retry_at(1000, 50000, 10000, 0), 10000);
    assert_int_equal(retry_at(1000, 50000, 100000, 3000), 3000);               // the delay warning
    assert_int_equal(retry_at(4000, 50000, 100000, 3000), 54000);              // which is past
    assert_int_equal(retry_at(1000, 500, 900, 0), 1500);                       // expired already
    assert_int_equal(retry_at(1000, UINT64_MAX, INT64_MAX, 0), INT64_MAX - 1); // never "held"
}

static void hosts_are_left_alone_longer_and_longer_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(retry_host_wait(steps, 3, 1), RETRY_HOST_FIRST_MS);
    assert_int_equal(retry_host_wait(steps, 3, 2), 2 * RETRY_HOST_FIRST_MS);
    assert_int_equal(retry_host_wait(steps, 3, 4000000000u), RETRY_HOST_LAST_MS);
    const uint64_t quick[] = {1000, 2000};
    assert_int_equal(retry_host_wait(quick, 2, 1), 1000);
    assert_int_equal(retry_host_wait(quick, 2, 9), 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_follow_the_schedule_and_the_last_repeats),
        cmocka_unit_test(very_short_steps_work),
        cmocka_unit_test(the_last_attempt_is_made_when_the_message_expires),
        cmocka_unit_test(hosts_are_left_alone_longer_and_longer_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
