// SPDX-License-Identifier: ISC
// MTA-STS text: what counts as a record, what a policy says, and which hosts it covers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tls/policy.h"
#include "tls/sts.h"

static struct why why;
static char id[STS_ID_MAX + 1];
static bool found;
static struct sts_policy policy;

#define RECORDS(...)                                                                               \
    (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)

static int record(const char **texts, size_t n)
{
    struct span txts[8];
    for (size_t i = 0; i < n; i++)
        txts[i] = span_text(texts[i]);
    return sts_record_parse(txts, n, id, &found, &why);
}

static int parse(const char *text)
{
    return sts_policy_parse(span_text(text), &policy, &why);
}

static void refused(const char *text, const char *reason)
{
    assert_int_equal(parse(text), -1);
    assert_int_equal(why.tls, WHY_STS_POLICY_INVALID);
    assert_non_null(strstr(why.text, reason));
}

static void case_15_several_records_count_as_none(void **state)
{
    (void)state;
    assert_int_equal(record(RECORDS("v=STSv1; id=a", "v=STSv1; id=b")), 0);
    assert_false(found);
    assert_non_null(strstr(why.text, "several"));
    assert_int_equal(record(NULL, 0), 0);
    assert_false(found);
}

static void case_15_other_texts_beside_it_do_not_matter(void **state)
{
    (void)state;
    assert_int_equal(record(RECORDS("v=spf1 -all", "v=STSv1; id=20261121T00;", "v=STSv10; id=x",
                                    "v=STSv1x", "V=STSv1; id=y", " v=STSv1; id=z")),
                     0);
    assert_true(found);
    assert_string_equal(id, "20261121T00");
}

static void case_15_an_id_is_1_to_32_letters_and_digits(void **state)
{
    (void)state;
    assert_int_equal(record(RECORDS("v=STSv1;id=0123456789abcdefABCDEF0123456789")), 0);
    assert_int_equal(strlen(id), 32);
    static const char *const bad[] = {"v=STSv1; id=0123456789abcdefABCDEF01234567890",
                                      "v=STSv1; id=a-b",
                                      "v=STSv1; id=",
                                      "v=STSv1; id=a b",
                                      "v=STSv1; ID=a",
                                      "v=STSv1; id=\xc3\xa9",
                                      "v=STSv1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(record((const char **)&bad[i], 1), -1);
        assert_true(found);
        assert_int_equal(why.scope, WHY_DOMAIN);
    }
}

static void case_16_line_ends_and_order_are_free(void **state)
{
    (void)state;
    assert_int_equal(
        parse("max_age: 86400\r\nmx: MX1.Example.org\nmode: enforce\r\nmx:*.example.net"
              "\nversion: STSv1"),
        0);
    assert_int_equal(policy.mode, STS_ENFORCE);
    assert_int_equal(policy.max_age, 86400);
    assert_int_equal(policy.mx.n, 2);
    assert_string_equal(policy.mx.at[0], "mx1.example.org");
    assert_string_equal(policy.mx.at[1], "*.example.net");
    assert_string_equal(policy.text, "max_age: 86400\nmx: MX1.Example.org\nmode: enforce\n"
                                     "mx:*.example.net\nversion: STSv1\n");
    sts_policy_free(&policy);
}

static void case_16_the_first_of_duplicate_keys_wins(void **state)
{
    (void)state;
    assert_int_equal(parse("version: STSv1\nversion: STSv2\nmode: testing\nmode: enforce\nmx: a.b\n"
                           "max_age: 1\nmax_age: junk\n"),
                     0);
    assert_int_equal(policy.mode, STS_TESTING);
    assert_int_equal(policy.max_age, 1);
    sts_policy_free(&policy);
}

static void case_16_keys_and_modes_are_case_sensitive(void **state)
{
    (void)state;
    refused("version: STSv1\nmode: Enforce\nmx: a.b\nmax_age: 1\n", "mode");
    refused("version: STSv1\nMode: enforce\nmx: a.b\nmax_age: 1\n", "no mode");
    refused("version: stsv1\nmode: enforce\nmx: a.b\nmax_age: 1\n", "version");
}

static void case_16_unknown_keys_are_ignored_but_have_their_form(void **state)
{
    (void)state;
    assert_int_equal(parse("version: STSv1\nx-new.key_1: anything = goes\nmode: none\nmax_age: 1"),
                     0);
    assert_int_equal(policy.mode, STS_NONE);
    sts_policy_free(&policy);
    static const char nul[] = "version: STSv1\nmode: none\nmax_age: 1\nx\0y: z";
    assert_int_equal(sts_policy_parse(span_of(nul, sizeof nul - 1), &policy, &why), -1);
    refused("version: STSv1\n<html>\nmode: none\nmax_age: 1", "key: value");
}

static void case_16_max_age_has_a_ceiling(void **state)
{
    (void)state;
    assert_int_equal(parse("version: STSv1\nmode: none\nmax_age: 31557601"), 0);
    assert_int_equal(policy.max_age, STS_MAX_AGE);
    sts_policy_free(&policy);
    refused("version: STSv1\nmode: none\nmax_age: 99999999999", "max_age");
    refused("version: STSv1\nmode: none\nmax_age: -1", "max_age");
}

static void case_16_a_pattern_has_one_star_and_on_the_left(void **state)
{
    (void)state;
    static const char *const bad[] = {"*",    "*.",   "a.*.b", "*.*.b", "*a.b",
                                      "a..b", ".a.b", "-a.b",  "a b",   "m\xc3\xb8x.example"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200];
        snprintf(text, sizeof text, "version: STSv1\nmode: enforce\nmax_age: 1\nmx: %s\n", bad[i]);
        refused(text, "mx pattern");
    }
    refused("version: STSv1\nmode: testing\nmax_age: 1\n", "no mx");
}

static void policies_have_a_largest_size(void **state)
{
    (void)state;
    char *large = malloc(STS_POLICY_MAX + 2);
    memset(large, '\n', STS_POLICY_MAX + 1);
    large[STS_POLICY_MAX + 1] = 0;
    static const char end[] = "version: STSv1\nmode: none\nmax_age: 1";
    memcpy(large + STS_POLICY_MAX + 1 - strlen(end), end, strlen(end));
    refused(large, "64 KiB");
    assert_int_equal(parse(large + 1), 0);
    sts_policy_free(&policy);
    free(large);
}

static void case_17_a_star_is_exactly_one_label(void **state)
{
    (void)state;
    assert_true(sts_match("*.example.com", "mx.example.com"));
    assert_false(sts_match("*.example.com", "example.com"));
    assert_false(sts_match("*.example.com", "a.b.example.com"));
    assert_false(sts_match("*.example.com", ".example.com"));
    assert_false(sts_match("*.example.com", "mxexample.com"));
    assert_false(sts_match("mx.example.com", "*.example.com"));
    assert_false(sts_match("*.example.com", "*.example.com")); // no host is called so
}

static void case_17_names_are_compared_as_a_labels(void **state)
{
    (void)state;
    assert_true(sts_match("MX.xn--aca-6ma.com", "mx.\xc3\xb1"
                                                "aca.com"));
    assert_true(sts_match("*.xn--aca-6ma.com", "mx.\xc3\x91"
                                               "aca.com."));
    assert_false(sts_match("mx.naca.com", "mx.\xc3\xb1"
                                          "aca.com"));
    assert_false(sts_match("", ""));
    assert_false(sts_match("\xff", "\xff"));
}

static void a_policy_covers_what_one_of_its_patterns_covers(void **state)
{
    (void)state;
    assert_int_equal(
        parse("version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.example\nmx: *.b.example"), 0);
    struct sts_view view = {.mx = policy.mx.at, .nmx = policy.mx.n};
    assert_true(sts_view_covers(&view, "A.example"));
    assert_true(sts_view_covers(&view, "x.b.example"));
    assert_false(sts_view_covers(&view, "b.example"));
    view.nmx = 0;
    assert_false(sts_view_covers(&view, "a.example"));
    sts_policy_free(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_15_several_records_count_as_none),
        cmocka_unit_test(case_15_other_texts_beside_it_do_not_matter),
        cmocka_unit_test(case_15_an_id_is_1_to_32_letters_and_digits),
        cmocka_unit_test(case_16_line_ends_and_order_are_free),
        cmocka_unit_test(case_16_the_first_of_duplicate_keys_wins),
        cmocka_unit_test(case_16_keys_and_modes_are_case_sensitive),
        cmocka_unit_test(case_16_unknown_keys_are_ignored_but_have_their_form),
        cmocka_unit_test(case_16_max_age_has_a_ceiling),
        cmocka_unit_test(case_16_a_pattern_has_one_star_and_on_the_left),
        cmocka_unit_test(policies_have_a_largest_size),
        cmocka_unit_test(case_17_a_star_is_exactly_one_label),
        cmocka_unit_test(case_17_names_are_compared_as_a_labels),
        cmocka_unit_test(a_policy_covers_what_one_of_its_patterns_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
