// SPDX-License-Identifier: ISC
// SPF: which client may send for a domain, what costs how much, and what a broken record may not do.
#include "tests/unit/zone_story.h"
#include <arpa/inet.h>
#include "relay/base/buf.h"
#include "sign/spf.h"

struct client {
    const char *ip, *helo, *mail_from;
};

static void evaluate(struct zone *zone, const struct client *client, struct spf_result *out)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (void *)&address;
    struct sockaddr_in6 *in6 = (void *)&address;
    if (inet_pton(AF_INET, client->ip, &in->sin_addr) == 1)
        address.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, client->ip, &in6->sin6_addr) == 1)
        address.ss_family = AF_INET6;
    struct spf_input input = {.client = (const struct sockaddr *)&address,
                              .helo = client->helo,
                              .mail_from = client->mail_from,
                              .receiver = "mx.here.example",
                              .now_s = 1795292940};
    while (spf_evaluate(&input, zone->facts, out))
        zone_serve(zone);
}

static struct spf_result check(const char *json, const char *ip, const char *mail_from)
{
    struct zone zone = zone_open(json);
    struct client client = {ip, "client.example", mail_from};
    struct spf_result result;
    evaluate(&zone, &client, &result);
    zone_close(&zone);
    return result;
}

#define ZONE(record, ...) "{'records':{'example.org':{'TXT':['" record "']}" __VA_ARGS__ "}}"
#define assert_spf(want, json, ip, from)                                                           \
    assert_string_equal(auth_result_word(check(json, ip, from).result), want)

static void a_record_speaks_for_its_domain(void **state)
{
    (void)state;
    const char *zone = ZONE("v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/40 -all");
    assert_spf("pass", zone, "192.0.2.15", "a@example.org");
    assert_spf("fail", zone, "192.0.2.16", "a@example.org");
    assert_spf("pass", zone, "2001:db8:ff::1", "a@EXAMPLE.ORG");
    assert_spf("fail", zone, "2001:db9::1", "a@example.org");
    assert_spf("pass", zone, "::ffff:192.0.2.1", "a@example.org"); // RFC 7208 section 5
    assert_spf("none", zone, "192.0.2.1", "a@elsewhere.example");
    assert_spf("softfail", ZONE("v=spf1 ~all"), "192.0.2.1", "a@example.org");
    assert_spf("neutral", ZONE("v=spf1 ?all"), "192.0.2.1", "a@example.org");
    assert_spf("neutral", ZONE("v=spf1"), "192.0.2.1", "a@example.org");
}

static void the_reason_names_the_term(void **state)
{
    (void)state;
    struct spf_result r = check(ZONE("v=spf1 ip4:192.0.2.0/28 -all"), "192.0.2.1", "a@example.org");
    assert_string_equal(r.reason, "ip4:192.0.2.0/28 of example.org");
    r = check(ZONE("v=spf1 ipv4:192.0.2.1 -all"), "192.0.2.1", "a@example.org");
    assert_int_equal(r.result, AUTH_PERMERROR);
    assert_non_null(strstr(r.reason, "'ipv4:192.0.2.1'"));
}

static void the_null_sender_is_judged_by_helo(void **state)
{
    (void)state;
    struct zone zone =
        zone_open("{'records':{'mta.example':{'TXT':['v=spf1 exists:%{l}.%{o} -all']},"
                  "'postmaster.mta.example':{'A':['127.0.0.2']}}}");
    struct client client = {"192.0.2.1", "mta.example", ""};
    struct spf_result r;
    evaluate(&zone, &client, &r);
    assert_int_equal(r.result, AUTH_PASS);
    client.helo = "[192.0.2.1]";
    evaluate(&zone, &client, &r);
    assert_int_equal(r.result, AUTH_NONE);
    client.helo = "single";
    evaluate(&zone, &client, &r);
    assert_int_equal(r.result, AUTH_NONE);
    client.helo = NULL;
    client.mail_from = NULL;
    evaluate(&zone, &client, &r);
    assert_int_equal(r.result, AUTH_NONE);
    zone_close(&zone);
}

static void a_failing_dns_is_no_verdict(void **state)
{
    (void)state;
    assert_spf("temperror", "{'errors':{'example.org|TXT':'SERVFAIL'}}", "192.0.2.1",
               "a@example.org");
    assert_spf("temperror",
               "{'records':{'example.org':{'TXT':['v=spf1 a -all']}},"
               "'errors':{'example.org|A':'TIMEOUT'}}",
               "192.0.2.1", "a@example.org");
    // Behind the term that matched nothing is asked.
    assert_spf("pass",
               "{'records':{'example.org':{'TXT':['v=spf1 ip4:192.0.2.1 a -all']}},"
               "'errors':{'example.org|A':'TIMEOUT'}}",
               "192.0.2.1", "a@example.org");
}

static void several_records_are_an_error(void **state)
{
    (void)state;
    assert_spf("permerror", "{'records':{'example.org':{'TXT':['v=spf1 +all','V=SPF1 -all']}}}",
               "192.0.2.1", "a@example.org");
    assert_spf("pass", "{'records':{'example.org':{'TXT':['v=spf10 -all','x','v=spf1 +all']}}}",
               "192.0.2.1", "a@example.org");
    // Cut into strings anywhere: joined without space.
    assert_spf("pass", "{'records':{'example.org':{'TXT':[['v=sp','f1 ip4:192.','0.2.1 -all']]}}}",
               "192.0.2.1", "a@example.org");
}

static void one_wrong_character_spoils_the_record(void **state)
{
    (void)state;
    const char *const wrong[] = {
        "v=spf1 ip4:192.0.2.1 -all:x",
        "v=spf1 ip4:192.0.2.1/33 -all",
        "v=spf1 ip4:192.0.2.1/024",
        "v=spf1 a:example.org:25",
        "v=spf1 a:example",
        "v=spf1 a/24/64",
        "v=spf1 a:1.2.3.4",
        "v=spf1 include: -all",
        "v=spf1 ptr/24 -all",
        "v=spf1 exists:%{z}.example.org",
        "v=spf1 exists:%{d0}.org",
        "v=spf1 exists:%{c}.example.org",
        "v=spf1 -redirect=x.example",
        "v=spf1 redirect=a.example redirect=b.example",
        "v=spf1 exp=",
        "v=spf1 a:%{d",
        "v=spf1 a:%",
        "v=spf1 unknown=%(x)",
        "v=spf1 -",
        "v=spf1 ip6:::ffff:0:0:0:0:0:0:0:0",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *json =
            mem_printf("{'records':{'example.org':{'TXT':['ip4','%s ip4:192.0.2.1']}}}", wrong[i]);
        if (check(json, "192.0.2.1", "a@example.org").result != AUTH_PERMERROR)
            fail_msg("%s", wrong[i]);
        free(json);
    }
}

static void right_and_odd(void **state)
{
    (void)state;
    const char *const right[] = {
        "v=spf1 IP4:192.0.2.1",
        "v=spf1   +Ip4:192.0.2.1   ",
        "v=spf1 moo.cow-far_out=man:dog/cat a=b ip4:192.0.2.1",
        "v=spf1 a:%{d}%_x%%.example.org//64 ip4:192.0.2.1",
        "v=spf1 redirect=nowhere.example ip4:192.0.2.1",
        "v=spf1 a:foo:bar/baz.example.org/24//64 ip4:192.0.2.0/24",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        char *json = mem_printf("{'records':{'example.org':{'TXT':['%s -all']}}}", right[i]);
        if (check(json, "192.0.2.1", "a@example.org").result != AUTH_PASS)
            fail_msg("%s", right[i]);
        free(json);
    }
}

static void include_and_redirect_differ(void **state)
{
    (void)state;
    const char *other = ",'other.example':{'TXT':['v=spf1 ip4:192.0.2.1 -all']}";
    char *json =
        mem_printf("{'records':{'example.org':{'TXT':['v=spf1 include:other.example ?all']}"
                   ",'moved.example':{'TXT':['v=spf1 redirect=other.example']}"
                   ",'lost.example':{'TXT':['v=spf1 include:gone.example ?all']}"
                   ",'lost2.example':{'TXT':['v=spf1 redirect=gone.example']}%s}}",
                   other);
    assert_spf("pass", json, "192.0.2.1", "a@example.org");
    assert_spf("neutral", json, "192.0.2.2", "a@example.org"); // a fail inside is no match outside
    assert_spf("fail", json, "192.0.2.2", "a@moved.example");  // but it is where redirected
    assert_spf("permerror", json, "192.0.2.2", "a@lost.example");
    assert_spf("permerror", json, "192.0.2.2", "a@lost2.example");
    free(json);
}

static void ten_lookups_and_no_more(void **state)
{
    (void)state;
    struct buf ten, eleven;
    buf_init(&ten, 4096);
    buf_init(&eleven, 4096);
    for (int i = 0; i < 11; i++)
        buf_addf(i < 10 ? &ten : &eleven, " a:h%d.example", i);
    for (int pass = 0; pass < 2; pass++) {
        struct buf json;
        buf_init(&json, 8192);
        buf_addf(&json, "{'records':{'example.org':{'TXT':['v=spf1%s%s ip4:192.0.2.1 -all']}",
                 buf_text(&ten), pass ? buf_text(&eleven) : "");
        for (int i = 0; i < 11; i++)
            buf_addf(&json, ",'h%d.example':{'A':['198.51.100.1']}", i);
        buf_adds(&json, "}}");
        assert_spf(pass ? "permerror" : "pass", buf_text(&json), "192.0.2.1", "a@example.org");
        buf_free(&json);
    }
    buf_free(&ten);
    buf_free(&eleven);
    // A record that includes itself ends by the same limit.
    struct zone zone = zone_open(ZONE("v=spf1 include:example.org -all"));
    struct client client = {"192.0.2.1", "c.example", "a@example.org"};
    struct spf_result r;
    evaluate(&zone, &client, &r);
    assert_int_equal(r.result, AUTH_PERMERROR);
    assert_int_equal(zone.asked, 1);
    zone_close(&zone);
}

static void two_void_lookups_and_no_more(void **state)
{
    (void)state;
    assert_spf("pass", ZONE("v=spf1 a:x1.example a:x2.example ip4:192.0.2.1"), "192.0.2.1",
               "a@example.org");
    assert_spf("permerror", ZONE("v=spf1 a:x1.example a:x2.example mx:x3.example ip4:192.0.2.1"),
               "192.0.2.1", "a@example.org");
}

static void mx_hosts_are_bounded_and_asked_at_once(void **state)
{
    (void)state;
    for (int hosts = 10; hosts <= 11; hosts++) {
        struct buf json;
        buf_init(&json, 8192);
        buf_adds(&json, "{'records':{'example.org':{'TXT':['v=spf1 mx -all'],'MX':[");
        for (int i = 0; i < hosts; i++)
            buf_addf(&json, "%s[%d,'m%d.example']", i ? "," : "", i, i);
        buf_adds(&json, "]},'m9.example':{'A':['192.0.2.1']}}}");
        struct zone zone = zone_open(buf_text(&json));
        struct client client = {"192.0.2.1", "c.example", "a@example.org"};
        struct spf_result r;
        evaluate(&zone, &client, &r);
        assert_int_equal(r.result, hosts == 10 ? AUTH_PASS : AUTH_PERMERROR);
        assert_int_equal(zone.rounds, hosts == 10 ? 3 : 2);
        zone_close(&zone);
        buf_free(&json);
    }
}

static void ptr_believes_only_what_points_back(void **state)
{
    (void)state;
    const char *zone = "{'records':{'example.org':{'TXT':['v=spf1 ptr -all']},"
                       "'1.2.0.192.in-addr.arpa':{'PTR':['mail.example.org']},"
                       "'2.2.0.192.in-addr.arpa':{'PTR':['mail.example.org']},"
                       "'3.2.0.192.in-addr.arpa':{'PTR':['host.notexample.org']},"
                       "'host.notexample.org':{'A':['192.0.2.3']},"
                       "'mail.example.org':{'A':['192.0.2.1']}}}";
    assert_spf("pass", zone, "192.0.2.1", "a@example.org");
    assert_spf("fail", zone, "192.0.2.2", "a@example.org"); // forged PTR
    assert_spf("fail", zone, "192.0.2.3", "a@example.org"); // a suffix that is no parent
}

static void macros_make_names(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"%{s}.x.example", "strong-bad@email.example.org.x.example"},
        {"%{o4}.x.example", "email.example.org.x.example"},
        {"%{d1r}.x.example", "email.x.example"},
        {"%{dr}.x.example", "org.example.email.x.example"},
        {"%{l-}.x.example", "strong.bad.x.example"},
        {"%{l1r-}.x.example", "strong.x.example"},
        {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.org"},
        {"%{h}%-.x.example", "client.example%20.x.example"},
        {"%{p}.x.example", "unknown.x.example"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = mem_printf("{'records':{'email.example.org':{'TXT':['v=spf1 exists:%s -all']},"
                                "'%s':{'A':['127.0.0.2']}}}",
                                cases[i][0], cases[i][1]);
        if (check(json, "192.0.2.3", "strong-bad@email.example.org").result != AUTH_PASS)
            fail_msg("%s", cases[i][0]);
        free(json);
    }
}

static void a_long_name_loses_labels_on_the_left(void **state)
{
    (void)state;
    char sixty[61] = {0};
    memset(sixty, 'a', 60);
    char *json =
        mem_printf("{'records':{'example.org':{'TXT':['v=spf1 exists:left.%s.%s.%s.%s.x.example"
                   " -all']},'%s.%s.%s.%s.x.example':{'A':['127.0.0.2']}}}",
                   sixty, sixty, sixty, sixty, sixty, sixty, sixty, sixty);
    assert_spf("pass", json, "192.0.2.3", "a@example.org");
    free(json);
}

static const char *explained(const char *words)
{
    static struct spf_result r;
    char *json = mem_printf("{'records':{'example.org':{'TXT':['v=spf1 exp=why.example.org -all']},"
                            "'why.example.org':{'TXT':['%s']}}}",
                            words);
    r = check(json, "192.0.2.1", "j&k@example.org");
    assert_int_equal(r.result, AUTH_FAIL);
    free(json);
    return r.explanation;
}

static void the_domain_explains_its_refusal(void **state)
{
    (void)state;
    assert_string_equal(explained("%{S} from %{c} seen by %{r} at %{t}"),
                        "j%26k%40example.org from 192.0.2.1 seen by mx.here.example at 1795292940");
    assert_string_equal(explained("caf\u00e9"), ""); // not ASCII
    assert_string_equal(explained("a\\nb"), "");     // a line end
    assert_string_equal(explained("100 %{"), "");    // a syntax error
}

static void an_included_record_explains_nothing(void **state)
{
    (void)state;
    struct zone zone =
        zone_open("{'records':{'example.org':{'TXT':['v=spf1 include:o.example -all']},"
                  "'o.example':{'TXT':['v=spf1 exp=why.o.example -all']},"
                  "'why.o.example':{'TXT':['theirs']}}}");
    struct client client = {"192.0.2.1", "c.example", "a@example.org"};
    struct spf_result r;
    evaluate(&zone, &client, &r);
    assert_int_equal(r.result, AUTH_FAIL);
    assert_string_equal(r.explanation, "");
    assert_int_equal(zone.asked, 2); // nobody fetched it either
    zone_close(&zone);
}

// RFC 8616 section 4: the DNS knows A-labels, and a local part beyond ASCII has no place in a name.
static void case_106_u_labels_are_looked_up_as_a_labels(void **state)
{
    (void)state;
    const char *zone =
        "{'records':{'xn--grne-1ra.example':{'TXT':['v=spf1 ip4:192.0.2.1 -all']},"
        "'local.example':{'TXT':['v=spf1 exists:%{l}.local.example ip4:192.0.2.1 -all']}}}";
    assert_spf("pass", zone, "192.0.2.1", "x@gr\xc3\xbcne.example");
    assert_spf("fail", zone, "192.0.2.2", "j\xc3\xb6rg@GR\xc3\x9cNE.example");
    assert_spf("pass", zone, "192.0.2.1", "gr\xc3\xbcne.example");
    assert_spf("pass", zone, "192.0.2.1", "j\xc3\xb6rg@local.example");
    struct zone z = zone_open(zone);
    struct client client = {"192.0.2.1", "gr\xc3\xbcne.example", ""};
    struct spf_result r;
    evaluate(&z, &client, &r);
    assert_int_equal(r.result, AUTH_PASS);
    zone_close(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_speaks_for_its_domain),
        cmocka_unit_test(the_reason_names_the_term),
        cmocka_unit_test(the_null_sender_is_judged_by_helo),
        cmocka_unit_test(a_failing_dns_is_no_verdict),
        cmocka_unit_test(several_records_are_an_error),
        cmocka_unit_test(one_wrong_character_spoils_the_record),
        cmocka_unit_test(right_and_odd),
        cmocka_unit_test(include_and_redirect_differ),
        cmocka_unit_test(ten_lookups_and_no_more),
        cmocka_unit_test(two_void_lookups_and_no_more),
        cmocka_unit_test(mx_hosts_are_bounded_and_asked_at_once),
        cmocka_unit_test(ptr_believes_only_what_points_back),
        cmocka_unit_test(macros_make_names),
        cmocka_unit_test(a_long_name_loses_labels_on_the_left),
        cmocka_unit_test(the_domain_explains_its_refusal),
        cmocka_unit_test(an_included_record_explains_nothing),
        cmocka_unit_test(case_106_u_labels_are_looked_up_as_a_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
