// SPDX-License-Identifier: ISC
// Ledger facts as values: days, words, ownership.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "relay/base/clock.h"
#include "tls/ledger.h"

static void a_new_fact_has_a_time_and_no_null(void **state)
{
    (void)state;
    clock_fix(1234);
    struct ledger_entry *entry = ledger_entry_new();
    assert_int_equal(entry->time_ms, 1234);
    assert_int_equal(entry->result, WHY_TLS_NONE);
    assert_string_equal(entry->mx_patterns, "");
    assert_string_equal(entry->reason, "");
    ledger_entry_set(&entry->reason, "because");
    ledger_entry_set(&entry->reason, entry->reason + 2);
    assert_string_equal(entry->reason, "cause");
    ledger_entry_set(&entry->reason, NULL);
    assert_string_equal(entry->reason, "");
    size_t empty = ledger_entry_size(entry);
    ledger_entry_set(&entry->policy_string, "0123456789");
    assert_int_equal(ledger_entry_size(entry), empty + 10);
    ledger_entry_free(entry);
    ledger_entry_free(NULL);
    clock_release();
}

static void case_34_policy_types_have_their_words(void **state)
{
    (void)state;
    assert_string_equal(policy_type_word(POLICY_NONE_FOUND), "no-policy-found");
    assert_string_equal(policy_type_word(POLICY_STS), "sts");
    assert_string_equal(policy_type_word(POLICY_TLSA), "tlsa");
}

static void case_33_a_day_is_a_utc_day(void **state)
{
    (void)state;
    int64_t day;
    char text[16];
    assert_int_equal(ledger_day_parse("2026-11-21", &day), 0);
    assert_int_equal(ledger_day(day * LEDGER_DAY_MS), day);
    assert_int_equal(ledger_day(day * LEDGER_DAY_MS + LEDGER_DAY_MS - 1), day);
    assert_int_equal(ledger_day(day * LEDGER_DAY_MS - 1), day - 1);
    assert_int_equal(ledger_day(-1), -1);
    ledger_day_text(day, text);
    assert_string_equal(text, "2026-11-21");
    assert_int_equal(ledger_day_parse("2024-02-29", &day), 0);
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           "2026",        "2026-02-30",  "2026-2-3",
                                        "2026-13-01", "2026-11-21x", " 2026-11-21", "yesterday"};
    int64_t day;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ledger_day_parse(wrong[i], &day), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_fact_has_a_time_and_no_null),
        cmocka_unit_test(case_34_policy_types_have_their_words),
        cmocka_unit_test(case_33_a_day_is_a_utc_day),
        cmocka_unit_test(what_is_no_date_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
