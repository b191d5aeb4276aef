// SPDX-License-Identifier: ISC
// TLS-RPT records: whose failures are reported to whom (case 35).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "tls/tlsrpt.h"

struct reading {
    int rc;
    bool found;
    struct strings rua;
    struct why why;
};

static struct reading read_records(const char *a, const char *b)
{
    struct span txts[] = {span_text(a), span_text(b)};
    struct reading r;
    r.rc = tlsrpt_record_parse(txts, b ? 2 : 1, &r.rua, &r.found, &r.why);
    return r;
}

static void each_address_is_kept(void **state)
{
    (void)state;
    struct reading r =
        read_records("v=TLSRPTv1; rua=mailto:a@x.example , https://r.example/v1;", "other");
    assert_int_equal(r.rc, 0);
    assert_true(r.found);
    assert_int_equal(r.rua.n, 2);
    assert_string_equal(r.rua.at[0], "mailto:a@x.example");
    assert_string_equal(r.rua.at[1], "https://r.example/v1");
    tlsrpt_rua_free(&r.rua);
    assert_int_equal(r.rua.n, 0);
}

static void case_35_several_records_are_none(void **state)
{
    (void)state;
    struct reading r =
        read_records("v=TLSRPTv1; rua=mailto:a@x.example", "v=TLSRPTv1;rua=mailto:b@x.example");
    assert_int_equal(r.rc, 0);
    assert_false(r.found);
    assert_true(why_is_set(&r.why));
    const char *const others[] = {"", "v=TLSRPTv10; rua=mailto:a@x.example",
                                  "v=tlsrptv1;rua=mailto:a@x", "v=TLSRPTv1 rua=mailto:a@x.example"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        r = read_records(others[i], NULL);
        assert_int_equal(r.rc, 0);
        assert_false(r.found);
        assert_false(why_is_set(&r.why));
    }
}

static void case_35_junk_is_passed_over(void **state)
{
    (void)state;
    struct reading r = read_records(
        "v=TLSRPTv1; x=y; rua=http://plain.example,mailto:nobody,,mailto:a@x.example!10m,"
        "mailto:b@x.example,ftp://x\x01; ext",
        NULL);
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.rua.n, 1);
    assert_string_equal(r.rua.at[0], "mailto:b@x.example");
    tlsrpt_rua_free(&r.rua);
    const char *const empty[] = {"v=TLSRPTv1", "v=TLSRPTv1;",
                                 "v=TLSRPTv1; rua=", "v=TLSRPTv1; rua=x"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        r = read_records(empty[i], NULL);
        assert_int_equal(r.rc, -1);
        assert_true(r.found);
        assert_int_equal(r.rua.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_kept),
        cmocka_unit_test(case_35_several_records_are_none),
        cmocka_unit_test(case_35_junk_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
