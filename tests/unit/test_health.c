// SPDX-License-Identifier: ISC
// The health of next hops: passed over once for all, tried by one, well again.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "relay/base/clock.h"
#include "relay/route/health.h"

#define HOP "one.example:587 as app"

static struct why refused(void)
{
    struct why why;
    why_say(&why, HOST_CLOSED);
    return why;
}

static void many_that_fail_together_are_one_failure(void **state)
{
    (void)state;
    struct health *health = health_new();
    struct why why = refused(), told;
    uint64_t began = clock_mono_ms();
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_UP);
    for (int i = 0; i < 20; i++)
        health_failed(health, HOP, &why, began);
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_DOWN);
    assert_string_equal(told.text, why.text);
    assert_false(health_is_up(health, HOP));
    assert_int_equal(health_gate(health, "one.example:587", &told), HEALTH_UP); // as nobody
    json_t *list = health_describe(health);
    json_int_t next = json_integer_value(json_object_get(json_array_get(list, 0), "next"));
    assert_true(next <= HEALTH_FIRST_MS / 1000 * 5 / 4); // not doubled twenty times
    json_decref(list);
    health_worked(health, HOP);
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_UP);
    health_free(health);
}

static void one_tries_it_after_the_pause(void **state)
{
    (void)state;
    struct health *health = health_new();
    struct why why = refused(), told;
    health_failed(health, HOP, &why, clock_mono_ms());
    clock_mono_advance(HEALTH_FIRST_MS * 2);
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_PROBE);
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_DOWN); // the others wait for it
    health_left(health, HOP);                                       // it was cut short
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_PROBE);
    health_failed(health, HOP, &why, clock_mono_ms());
    clock_mono_advance(HEALTH_FIRST_MS * 5 / 4);
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_DOWN); // twice as long
    clock_mono_advance(HEALTH_FIRST_MS * 2);
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_PROBE);
    clock_mono_advance(HEALTH_PROBE_MS); // never heard of again
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_PROBE);
    health_worked(health, HOP);
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_UP);
    health_free(health);
}

static void what_worked_since_it_began_is_well(void **state)
{
    (void)state;
    struct health *health = health_new();
    struct why why = refused(), told;
    uint64_t began = clock_mono_ms();
    health_worked(health, HOP);
    health_failed(health, HOP, &why, began); // one connection too many
    assert_int_equal(health_gate(health, HOP, &told), HEALTH_UP);
    health_free(health);
}

static void nothing_is_known_without_a_name(void **state)
{
    (void)state;
    struct why why = refused(), told;
    size_t up, down;
    struct health *health = health_new();
    health_failed(health, NULL, &why, 0);
    health_failed(NULL, HOP, &why, 0);
    assert_int_equal(health_gate(health, NULL, &told), HEALTH_UP);
    assert_int_equal(health_gate(NULL, HOP, &told), HEALTH_UP);
    health_left(health, HOP);
    health_count(health, &up, &down);
    assert_int_equal(up + down, 0);
    health_free(health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_that_fail_together_are_one_failure),
        cmocka_unit_test(one_tries_it_after_the_pause),
        cmocka_unit_test(what_worked_since_it_began_is_well),
        cmocka_unit_test(nothing_is_known_without_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
