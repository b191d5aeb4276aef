// SPDX-License-Identifier: ISC
// Dates as mail writes them (RFC 5322 section 3.3).
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/base/clock.h"

#define THEN INT64_C(1795294140) // 2026-11-21 20:49:00 UTC

static void what_is_written_is_read(void **state)
{
    (void)state;
    char text[40];
    int64_t s;
    for (int64_t at = 0; at < 4 * THEN; at += 12345678) {
        clock_rfc5322(at * 1000, text);
        assert_true(clock_read_rfc5322(text, &s));
        assert_int_equal(s, at);
    }
}

static void case_437_a_clock_from_before_this_program_is_not_set(void **state)
{
    (void)state;
    clock_fix(100000); // 1970
    assert_false(clock_is_set());
    clock_fix(THEN * 1000);
    assert_true(clock_is_set());
    clock_release();
}

static void dates_of_others(void **state)
{
    (void)state;
    static const char *const same[] = {
        " Sat, 21 Nov 2026 20:49:00 +0000",      "21 nov 2026 20:49 GMT",
        "Sat, 21 Nov 2026 21:49:00 +0100 (CET)", "Sat,21 Nov 2026 15:19:00 -0530",
        "\r\n\tSat, 21 Nov 2026 20:49:00",
    };
    static const char *const none[] = {
        "",
        "x",
        "Sat, 21 Nov",
        "Sat, 41 Nov 2026 20:49:00 +0000",
        "Sat, 21 Nix 2026 20:49:00 +0000",
        "Sat, 21 Nov 26 20:49:00 +0000",
        "Sat, 21 Nov 2026 29:49:00 +0000",
        "Sat, -1 Nov 2026 20:49:00 +0000",
        "Sat, 21 Nov 2026 20",
    };
    int64_t s;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(clock_read_rfc5322(same[i], &s));
        assert_int_equal(s, THEN);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(clock_read_rfc5322(none[i], &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(case_437_a_clock_from_before_this_program_is_not_set),
        cmocka_unit_test(dates_of_others),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
