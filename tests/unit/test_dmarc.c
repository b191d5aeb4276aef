// SPDX-License-Identifier: ISC
// DMARC: which record applies, which domains belong together, what the owner asks for.
#include "tests/unit/zone_story.h"
#include "sign/dmarc.h"
#include "sign/dmarc_record.h"

static struct dmarc_result check(struct zone *zone, const char *from, const char *spf,
                                 const char *dkim)
{
    struct dmarc_result r;
    struct dmarc_input in = {
        .from_domain = from, .spf_domain = spf, .dkim_domains = &dkim, .ndkim = dkim ? 1 : 0};
    while (dmarc_evaluate(&in, zone->facts, &r))
        zone_serve(zone);
    return r;
}

static struct dmarc_result once(const char *json, const char *from, const char *spf,
                                const char *dkim)
{
    struct zone zone = zone_open(json);
    struct dmarc_result r = check(&zone, from, spf, dkim);
    zone_close(&zone);
    return r;
}

#define assert_dmarc(want, json, from, spf, dkim)                                                  \
    assert_string_equal(auth_result_word(once(json, from, spf, dkim).result), want)
#define RECORD(name, text) "'_dmarc." name "':{'TXT':['" text "']}"
#define ZONE(records)      "{'records':{" records "}}"

static void alignment_is_relaxed_unless_it_is_strict(void **state)
{
    (void)state;
    const char *relaxed = ZONE(RECORD("example.org", "v=DMARC1; p=reject"));
    assert_dmarc("pass", relaxed, "example.org", NULL, "Mail.Example.ORG");
    assert_dmarc("pass", relaxed, "news.example.org", "bounce.example.org", NULL);
    assert_dmarc("pass", relaxed, "a.b.example.org", NULL, "example.org");
    assert_dmarc("fail", relaxed, "example.org", "notexample.org", "elsewhere.example");
    assert_dmarc("fail", relaxed, "example.org", NULL, NULL);
    const char *strict = ZONE(RECORD("example.org", "v=DMARC1; p=reject; adkim=s; aspf=s"));
    assert_dmarc("fail", strict, "example.org", "mail.example.org", "mail.example.org");
    assert_dmarc("pass", strict, "example.org", "EXAMPLE.org.", NULL);
    const char *dkim_only = ZONE(RECORD("example.org", "v=DMARC1; p=reject; adkim=s"));
    assert_dmarc("pass", dkim_only, "example.org", "mail.example.org", NULL);
    assert_dmarc("fail", dkim_only, "example.org", NULL, "mail.example.org");
}

// RFC 9989 section 4.10: the walk of its own example.
static void the_walk_takes_eight_queries_at_most(void **state)
{
    (void)state;
    struct zone zone = zone_open(ZONE(RECORD("mail.example.com", "v=DMARC1; p=none")));
    struct dmarc_result r = check(&zone, "a.b.c.d.e.f.g.h.i.j.mail.example.com", NULL, NULL);
    assert_int_equal(r.result, AUTH_FAIL);
    assert_string_equal(r.org, "mail.example.com");
    assert_int_equal(zone.asked, 8);
    assert_int_equal(zone.rounds, 1);
    assert_non_null(facts_ask(zone.facts, "_dmarc.g.h.i.j.mail.example.com", DNS_TXT));
    assert_null(facts_ask(zone.facts, "_dmarc.f.g.h.i.j.mail.example.com", DNS_TXT));
    zone_close(&zone);
}

static void the_record_nearest_to_the_root_is_the_organization(void **state)
{
    (void)state;
    const char *zone = ZONE(RECORD("mail.example.com", "v=DMARC1; p=none") "," RECORD(
        "example.com", "v=DMARC1; p=reject; sp=quarantine"));
    struct dmarc_result r = once(zone, "a.mail.example.com", NULL, NULL);
    assert_string_equal(r.org, "example.com");
    assert_string_equal(r.policy, "quarantine"); // the organization's sp, not the record between
    r = once(zone, "mail.example.com", NULL, "example.com");
    assert_string_equal(r.policy, "none"); // its own record
    assert_int_equal(r.result, AUTH_PASS);
    assert_string_equal(r.domain, "mail.example.com");
}

static void psd_n_ends_the_walk(void **state)
{
    (void)state;
    const char *zone = ZONE(RECORD("dept.example.com", "v=DMARC1; p=reject; psd=n") "," RECORD(
        "example.com", "v=DMARC1; p=none"));
    struct dmarc_result r = once(zone, "a.dept.example.com", NULL, "example.com");
    assert_string_equal(r.org, "dept.example.com");
    assert_string_equal(r.policy, "reject");
    assert_int_equal(r.result, AUTH_FAIL); // another organization
    assert_dmarc("fail", zone, "example.com", NULL, "dept.example.com");
}

static void below_psd_y_stands_the_organization(void **state)
{
    (void)state;
    const char *zone = ZONE(RECORD(
        "bank",
        "v=DMARC1; p=reject; sp=quarantine; np=reject; psd=y") ",'one.bank':{'A':['192.0.2.1']},'"
                                                               "two.bank':{'A':['192.0.2.1']}");
    struct dmarc_result r = once(zone, "one.bank", NULL, "two.bank");
    assert_int_equal(r.result, AUTH_FAIL); // neighbours under a suffix are strangers
    assert_string_equal(r.org, "one.bank");
    assert_string_equal(r.policy, "quarantine");
    assert_dmarc("pass", zone, "one.bank", NULL, "mail.one.bank");
    r = once(zone, "none.bank", NULL, NULL);
    assert_string_equal(r.policy, "reject"); // np: it does not exist
    r = once(zone, "bank", NULL, "bank");
    assert_int_equal(r.result, AUTH_PASS);
    assert_string_equal(r.org, "bank");
}

static void a_name_that_does_not_exist_has_a_policy_of_its_own(void **state)
{
    (void)state;
    const char *records = RECORD(
        "example.org",
        "v=DMARC1; p=none; sp=quarantine; np=reject") ",'www.example.org':{'A':['192.0.2.1']},'in."
                                                      "example.org':{'MX':[[1,'m.example']]}";
    char *zone = mem_printf("{'records':{%s},'errors':{'odd.example.org|A':'NODATA',"
                            "'sick.example.org|*':'SERVFAIL'}}",
                            records);
    assert_string_equal(once(zone, "example.org", NULL, NULL).policy, "none");
    assert_string_equal(once(zone, "www.example.org", NULL, NULL).policy, "quarantine");
    assert_string_equal(once(zone, "in.example.org", NULL, NULL).policy, "quarantine");
    assert_string_equal(once(zone, "odd.example.org", NULL, NULL).policy, "quarantine");
    assert_string_equal(once(zone, "gone.example.org", NULL, NULL).policy, "reject");
    assert_dmarc("temperror", zone, "sick.example.org", NULL, NULL);
    free(zone);
    // Without np nobody asks whether it exists; then sp, then p.
    assert_string_equal(once(ZONE(RECORD("example.org", "v=DMARC1; p=reject; sp=none")),
                             "gone.example.org", NULL, NULL)
                            .policy,
                        "none");
    assert_string_equal(
        once(ZONE(RECORD("example.org", "v=DMARC1; p=reject")), "gone.example.org", NULL, NULL)
            .policy,
        "reject");
}

static void testing_lowers_the_policy_by_one(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"reject", "quarantine"}, {"quarantine", "none"}, {"none", "none"}};
    for (size_t i = 0; i < 3; i++) {
        char *zone = mem_printf(
            "{'records':{'_dmarc.example.org':{'TXT':['v=DMARC1; p=%s; t=y']}}}", cases[i][0]);
        assert_string_equal(once(zone, "example.org", NULL, NULL).policy, cases[i][1]);
        free(zone);
    }
}

static void several_records_are_none(void **state)
{
    (void)state;
    struct dmarc_result r = once("{'records':{'_dmarc.www.example.org':{'TXT':"
                                 "['v=DMARC1; p=none','v=DMARC1; p=none']},"
                                 "'_dmarc.example.org':{'TXT':['x','v=DMARC1; p=reject']}}}",
                                 "www.example.org", NULL, NULL);
    assert_string_equal(r.policy, "reject");
    assert_dmarc("none", ZONE(RECORD("example.org", "v=DMARC2; p=reject")), "example.org", NULL,
                 "example.org");
    r = once("{'records':{}}", "deep.example.org", NULL, "deep.example.org");
    assert_int_equal(r.result, AUTH_NONE);
    assert_string_equal(r.policy, "");
    assert_string_equal(r.org, "deep.example.org");
}

static void a_policy_that_cannot_be_read(void **state)
{
    (void)state;
    assert_dmarc("permerror", ZONE(RECORD("example.org", "v=DMARC1; p=rejct")), "example.org", NULL,
                 NULL);
    struct dmarc_result r =
        once(ZONE(RECORD("example.org", "v=DMARC1; p=reject; sp=x; rua=mailto:d@example.org")),
             "example.org", NULL, NULL);
    assert_string_equal(r.policy, "none"); // section 4.10.1: with rua as if p=none
    assert_int_equal(r.result, AUTH_FAIL);
    r = once(ZONE(RECORD("example.org", "v=DMARC1; rua=mailto:d@example.org")), "example.org", NULL,
             NULL);
    assert_string_equal(r.policy, "none");
}

static void a_failing_dns_is_no_verdict(void **state)
{
    (void)state;
    assert_dmarc("temperror", "{'errors':{'_dmarc.example.org|TXT':'SERVFAIL'}}", "example.org",
                 NULL, "example.org");
    const char *above = "{'records':{" RECORD(
        "www.example.org", "v=DMARC1; p=reject") "},"
                                                 "'errors':{'_dmarc.example.org|TXT':'TIMEOUT'}}";
    assert_dmarc("pass", above, "www.example.org", NULL,
                 "www.example.org"); // needs no organization
    assert_dmarc("temperror", above, "www.example.org", NULL, "example.org");
    assert_dmarc("fail", above, "www.example.org", NULL, NULL);
    // Above a record that ends the walk nothing matters.
    assert_dmarc(
        "pass",
        "{'records':{" RECORD("example.org",
                              "v=DMARC1; p=reject; psd=n") "},"
                                                           "'errors':{'_dmarc.org|TXT':'TIMEOUT'}}",
        "example.org", NULL, "mail.example.org");
}

static void records_are_read_leniently_behind_the_version(void **state)
{
    (void)state;
    struct dmarc_record r;
    assert_true(dmarc_record_parse(span_text("v=DMARC1"), &r));
    assert_true(r.usable && r.p == DMARC_NONE && r.psd == 'u');
    assert_true(dmarc_record_parse(
        span_text("V = DMARC1 ;;; rubbish ; P = Reject ; adkim=q; T=Y;psd=N; pct=0; fo=1;"), &r));
    assert_true(r.usable && r.p == DMARC_REJECT && !r.strict_dkim && r.testing && r.psd == 'n');
    const char *const others[] = {
        "",          "v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC1 p=none",
        "v=DMARC10", "version=DMARC1",   " v=DMARC1; p=none"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (dmarc_record_parse(span_text(others[i]), &r))
            fail_msg("'%s'", others[i]);
    const char *const uris[] = {"mailto:", "mailto:nobody", "dmarc@example.org", ":x", ",", ""};
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        char *text = mem_printf("v=DMARC1; p=x; rua=%s", uris[i]);
        assert_true(dmarc_record_parse(span_text(text), &r));
        if (r.reports || r.usable)
            fail_msg("%s", text);
        free(text);
    }
    assert_true(dmarc_record_parse(span_text("v=DMARC1; rua=x, https://r.example/d"), &r));
    assert_true(r.reports);
}

static void case_107_a_record_that_asks_for_nothing_is_none(void **state)
{
    (void)state;
    struct dmarc_result r =
        once(ZONE(RECORD("example.com", "v=DMARC1; adkim=s")), "example.com", NULL, NULL);
    assert_int_equal(r.result, AUTH_NONE);
    assert_string_equal(r.policy, "");
    r = once(ZONE(RECORD("sub.example.com", "v=DMARC1;") "," RECORD("example.com",
                                                                    "v=DMARC1; p=reject")),
             "sub.example.com", NULL, NULL);
    assert_int_equal(r.result, AUTH_FAIL);
    r = once(ZONE(RECORD("example.com", "v=DMARC1; psd=n")), "example.com", NULL, NULL);
    assert_int_equal(r.result, AUTH_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alignment_is_relaxed_unless_it_is_strict),
        cmocka_unit_test(the_walk_takes_eight_queries_at_most),
        cmocka_unit_test(the_record_nearest_to_the_root_is_the_organization),
        cmocka_unit_test(psd_n_ends_the_walk),
        cmocka_unit_test(below_psd_y_stands_the_organization),
        cmocka_unit_test(a_name_that_does_not_exist_has_a_policy_of_its_own),
        cmocka_unit_test(testing_lowers_the_policy_by_one),
        cmocka_unit_test(several_records_are_none),
        cmocka_unit_test(a_policy_that_cannot_be_read),
        cmocka_unit_test(a_failing_dns_is_no_verdict),
        cmocka_unit_test(records_are_read_leniently_behind_the_version),
        cmocka_unit_test(case_107_a_record_that_asks_for_nothing_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
