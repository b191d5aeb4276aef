// SPDX-License-Identifier: ISC
// The report of RFC 8460: field by field against the shape of its appendix B, and what hostile rows do to it.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tls/report.h"

static struct ledger_rows rows;
static int64_t day;
static const struct report_sender sender = {
    .organization = "Company-X",
    .contact = "sts-reporting@company-x.example",
    .hostname = "relay.company-x.example",
};

static int begin(void **state)
{
    (void)state;
    return ledger_day_parse("2016-04-01", &day);
}

static int end(void **state)
{
    (void)state;
    ledger_rows_free(&rows);
    return 0;
}

static struct ledger_entry *add(enum policy_type type, enum why_tls result, uint64_t count)
{
    struct ledger_entry *f = ledger_entry_new();
    f->policy_type = type;
    f->result = result;
    ledger_entry_set(&f->domain, "company-y.example");
    ledger_entry_set(&f->policy_domain, "company-y.example");
    if (type == POLICY_STS) {
        ledger_entry_set(&f->policy_string, "version: STSv1\nmode: testing\n"
                                            "mx: *.mail.company-y.example\nmax_age: 86400");
        ledger_entry_set(&f->mx_patterns, "*.mail.company-y.example");
    }
    ledger_rows_add(&rows, &(struct ledger_row){.entry = f, .day = day, .count = count});
    return f;
}

static json_t *report(void)
{
    char *text = report_json(&sender, "company-y.example", day, rows.at, rows.n);
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(j);
    free(text);
    return j;
}

static json_t *expect_policies(const char *expected)
{
    json_t *j = report(), *want = json_loads(expected, 0, NULL);
    assert_non_null(want);
    if (!json_equal(json_object_get(j, "policies"), want)) {
        char *have = json_dumps(json_object_get(j, "policies"), JSON_INDENT(1));
        print_error("%s\n", have);
        free(have);
        fail();
    }
    json_decref(want);
    return j;
}

// The numbers and names of RFC 8460's example, in the shape that interface promises.
static void case_34_the_example_of_the_rfc_comes_out_field_by_field(void **state)
{
    (void)state;
    add(POLICY_STS, WHY_TLS_NONE, 5326);
    struct ledger_entry *f = add(POLICY_STS, WHY_CERTIFICATE_EXPIRED, 100);
    ledger_entry_set(&f->local_ip, "2001:db8:abcd:0012::1");
    ledger_entry_set(&f->mx_host, "mx1.mail.company-y.example");
    f = add(POLICY_STS, WHY_STARTTLS_NOT_SUPPORTED, 200);
    ledger_entry_set(&f->local_ip, "2001:db8:abcd:0013::1");
    ledger_entry_set(&f->mx_host, "mx2.mail.company-y.example");
    ledger_entry_set(&f->mx_ip, "203.0.113.56");
    f = add(POLICY_STS, WHY_VALIDATION_FAILURE, 3);
    ledger_entry_set(&f->local_ip, "198.51.100.62");
    ledger_entry_set(&f->mx_host, "mx-backup.mail.company-y.example");
    ledger_entry_set(&f->mx_helo, "mx-backup");
    ledger_entry_set(&f->mx_ip, "203.0.113.58");
    ledger_entry_set(&f->reason, "a proxy path is too long");
    json_t *j = expect_policies(
        "[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\","
        "\"mode: testing\",\"mx: *.mail.company-y.example\",\"max_age: 86400\"],"
        "\"policy-domain\":\"company-y.example\",\"mx-host\":[\"*.mail.company-y.example\"]},"
        "\"summary\":{\"total-successful-session-count\":5326,"
        "\"total-failure-session-count\":303},\"failure-details\":["
        "{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"2001:db8:abcd:0012::1\","
        "\"receiving-mx-hostname\":\"mx1.mail.company-y.example\",\"failed-session-count\":100},"
        "{\"result-type\":\"starttls-not-supported\","
        "\"sending-mta-ip\":\"2001:db8:abcd:0013::1\","
        "\"receiving-mx-hostname\":\"mx2.mail.company-y.example\","
        "\"receiving-ip\":\"203.0.113.56\",\"failed-session-count\":200},"
        "{\"result-type\":\"validation-failure\",\"sending-mta-ip\":\"198.51.100.62\","
        "\"receiving-ip\":\"203.0.113.58\",\"receiving-mx-helo\":\"mx-backup\","
        "\"receiving-mx-hostname\":\"mx-backup.mail.company-y.example\","
        "\"failed-session-count\":3,\"failure-reason-code\":\"a proxy path is too long\"}]}]");
    json_t *head =
        json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:O}", "organization-name", "Company-X",
                  "date-range", "start-datetime", "2016-04-01T00:00:00Z", "end-datetime",
                  "2016-04-01T23:59:59Z", "contact-info", "sts-reporting@company-x.example",
                  "report-id", "2016-04-01.company-y.example@relay.company-x.example", "policies",
                  json_object_get(j, "policies"));
    assert_true(json_equal(j, head));
    json_decref(head);
    json_decref(j);
}

static void case_34_dane_rows_stand_per_mx_host(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ledger_entry *f = add(POLICY_TLSA, WHY_TLS_NONE, 2);
        ledger_entry_set(&f->policy_domain, i ? "mx2.y.example" : "mx1.y.example");
        ledger_entry_set(&f->policy_string, "3 1 1 aa\n2 0 1 bb");
        ledger_entry_set(&f->mx_host, i ? "mx2.y.example" : "mx1.y.example");
    }
    json_decref(expect_policies(
        "[{\"policy\":{\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 aa\",\"2 0 1 bb\"],"
        "\"policy-domain\":\"mx1.y.example\"},\"summary\":{\"total-successful-session-count\":2,"
        "\"total-failure-session-count\":0}},"
        "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 aa\",\"2 0 1 bb\"],"
        "\"policy-domain\":\"mx2.y.example\"},\"summary\":{\"total-successful-session-count\":2,"
        "\"total-failure-session-count\":0}}]"));
}

static void case_34_no_policy_found_has_a_policy_domain(void **state)
{
    (void)state;
    struct ledger_entry *f = add(POLICY_NONE_FOUND, WHY_TLS_NONE, 7);
    ledger_entry_set(&f->policy_domain, "");
    json_decref(expect_policies("[{\"policy\":{\"policy-type\":\"no-policy-found\","
                                "\"policy-domain\":\"company-y.example\"},"
                                "\"summary\":{\"total-successful-session-count\":7,"
                                "\"total-failure-session-count\":0}}]"));
}

// Kinds that differ in what RFC 8460 does not know (demand, proof, shadow) are one there.
static void case_33_rows_of_one_policy_are_summed(void **state)
{
    (void)state;
    add(POLICY_STS, WHY_TLS_NONE, 2);
    ledger_entry_set(&add(POLICY_STS, WHY_TLS_NONE, 3)->proof, "webpki");
    add(POLICY_STS, WHY_CERTIFICATE_EXPIRED, 4)->refused = true;
    add(POLICY_STS, WHY_CERTIFICATE_EXPIRED, 5)->shadow = true;
    json_t *j = report(), *policies = json_object_get(j, "policies");
    json_int_t good, bad, detail;
    assert_int_equal(json_array_size(policies), 1);
    assert_int_equal(json_unpack(json_array_get(policies, 0), "{s:{s:I,s:I},s:[{s:I}!]}", "summary",
                                 "total-successful-session-count", &good,
                                 "total-failure-session-count", &bad, "failure-details",
                                 "failed-session-count", &detail),
                     0);
    assert_int_equal(good, 5);
    assert_int_equal(bad, 9);
    assert_int_equal(detail, 9);
    json_decref(j);
}

static void case_36_each_cause_has_its_result_type(void **state)
{
    (void)state;
    static const char *const words[] = {"starttls-not-supported", "certificate-host-mismatch",
                                        "certificate-expired",    "certificate-not-trusted",
                                        "validation-failure",     "tlsa-invalid",
                                        "dnssec-invalid",         "dane-required",
                                        "sts-policy-fetch-error", "sts-policy-invalid",
                                        "sts-webpki-invalid"};
    for (int t = WHY_STARTTLS_NOT_SUPPORTED; t <= WHY_STS_WEBPKI_INVALID; t++)
        add(POLICY_NONE_FOUND, (enum why_tls)t, 1);
    add(POLICY_NONE_FOUND, WHY_TLS_NONE, 1)->refused = true; // no word of its own: the general one
    json_t *j = report();
    const json_t *details =
        json_object_get(json_array_get(json_object_get(j, "policies"), 0), "failure-details");
    assert_int_equal(json_array_size(details), 11);
    for (size_t i = 0; i < 11; i++)
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(details, i), "result-type")),
            words[i]);
    assert_int_equal(
        json_integer_value(json_object_get(json_array_get(details, 4), "failed-session-count")), 2);
    json_decref(j);
}

static void what_a_peer_wrote_stays_json(void **state)
{
    (void)state;
    struct ledger_entry *f = add(POLICY_NONE_FOUND, WHY_VALIDATION_FAILURE, 1);
    ledger_entry_set(&f->mx_helo, "mx\xff\"\\\x01");
    json_t *j = report();
    char *text = json_dumps(j, 0);
    assert_non_null(strstr(text, "mx\xef\xbf\xbd\\\"\\\\\\u0001"));
    free(text);
    json_decref(j);
}

static void details_are_bounded_and_nothing_is_lost(void **state)
{
    (void)state;
    char ip[32];
    for (int i = 0; i < REPORT_DETAILS + 100; i++) {
        snprintf(ip, sizeof ip, "192.0.%d.%d", i / 256, i % 256);
        ledger_entry_set(&add(POLICY_NONE_FOUND, WHY_CERTIFICATE_EXPIRED, 1)->mx_ip, ip);
    }
    json_t *j = report();
    const json_t *details =
        json_object_get(json_array_get(json_object_get(j, "policies"), 0), "failure-details");
    json_int_t total = 0;
    for (size_t i = 0; i < json_array_size(details); i++)
        total +=
            json_integer_value(json_object_get(json_array_get(details, i), "failed-session-count"));
    assert_int_equal(json_array_size(details), REPORT_DETAILS + 1);
    assert_int_equal(total, REPORT_DETAILS + 100);
    json_decref(j);
}

static void one_sender_domain_and_day_have_one_id(void **state)
{
    (void)state;
    char *a = report_id(&sender, "a.example", day), *b = report_id(&sender, "a.example", day + 1),
         *c = report_id(&sender, "c.example", day);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, c);
    // Nor have two nodes that share their host name.
    struct report_sender first = sender, second = sender;
    first.node = "node-1";
    second.node = "node-2";
    char *d = report_id(&first, "a.example", day), *e = report_id(&second, "a.example", day);
    assert_string_not_equal(d, e);
    assert_string_not_equal(a, d);
    assert_non_null(strstr(d, "a.example.node-1@"));
    free(a);
    free(b);
    free(c);
    free(d);
    free(e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(case_34_the_example_of_the_rfc_comes_out_field_by_field),
        TEST(case_34_dane_rows_stand_per_mx_host),
        TEST(case_34_no_policy_found_has_a_policy_domain),
        TEST(case_33_rows_of_one_policy_are_summed),
        TEST(case_36_each_cause_has_its_result_type),
        TEST(what_a_peer_wrote_stays_json),
        TEST(details_are_bounded_and_nothing_is_lost),
        TEST(one_sender_domain_and_day_have_one_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
