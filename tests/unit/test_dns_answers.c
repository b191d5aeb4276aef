// SPDX-License-Identifier: ISC
// The answer file: a small world is written down, and asked.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns/answers.h"
#include "dns/rdata.h"
#include "relay/base/maxima.h"

static const char world[] =
    "{'records':{"
    " 'Example.org':{'MX':[[10,'mx.example.org'],[0,'']],'TXT':['one',['two ','parts'],[]]},"
    " 'mx.example.org':{'A':['192.0.2.1','192.0.2.2'],'AAAA':['2001:db8::1']},"
    " '_25._tcp.mx.example.org':{'CNAME':['tlsa.example.net.']},"
    " 'tlsa.example.net':{'TLSA':['3 1 1 00ff']},"
    " 'out.example.org':{'CNAME':['unsigned.example']},"
    " 'unsigned.example':{'A':['192.0.2.3']},"
    " 'loop.example':{'CNAME':['loop.example']},"
    " 'dangling.example':{'CNAME':['nowhere.example']},"
    " 'timed.example':{'TXT':['here']},"
    " 'foo:bar/baz m\\u00fcn%.example':{'A':['192.0.2.4']}},"
    "'errors':{'bogus.example|MX':'BOGUS','servfail.example|*':'SERVFAIL','mx.example.org|A':'"
    "TIMEOUT',"
    " 'timed.example|*':'TIMEOUT','gone.example.org|A':'NXDOMAIN','tlsa.example.net|A':'NODATA',"
    " 'refused.example|*':'REFUSED'},"
    "'secure':['example.org','_25._tcp.mx.example.org','tlsa.example.net','out.example.org',"
    " 'absent.example.org','gone.example.org','bogus.example','half.example|MX','both.example'],"
    "'insecure':['example.org|TXT','both.example'],"
    "'https':{'mta-sts.Example.org':{'status':200,'type':'text/plain','body':'version: STSv1\\n'},"
    " 'mta-sts.late.example':{'error':'timeout'}}}";

static struct answers *parse(const char *text)
{
    char *json = strdup(text);
    for (char *p = json; *p; p++)
        if (*p == '\'')
            *p = '"';
    struct why why = {0};
    struct answers *answers = answers_parse(json, strlen(json), &why);
    if (!answers) {
        print_message("%s\n", why.text);
        assert_true(why_is_set(&why));
    }
    free(json);
    return answers;
}

static int open_world(void **state)
{
    return (*state = parse(world)) ? 0 : -1;
}

static int close_world(void **state)
{
    answers_free(*state);
    return 0;
}

static struct dns_answer *expect(struct answers *w, const char *name, uint16_t type,
                                 enum dns_outcome outcome, enum dns_proof proof)
{
    struct dns_answer *a = answers_ask(w, name, type);
    if (a->outcome != outcome || a->proof != proof)
        fail_msg("%s %s: outcome %d, %s: %s", name, dns_type_word(type), a->outcome,
                 dns_proof_word(a->proof), a->why.text);
    return a;
}

static void records_come_in_wire_format(void **state)
{
    struct dns_answer *a = expect(*state, "EXAMPLE.org.", DNS_MX, DNS_FOUND, DNS_SECURE);
    struct dns_mx mx;
    assert_int_equal(a->nrecords, 2);
    assert_true(rdata_mx(a->records[0].rdata, &mx));
    assert_string_equal(mx.host, "mx.example.org");
    assert_int_equal(a->ttl, 60);
    assert_string_equal(a->canonical, "example.org");
    assert_false(a->alias);
    dns_answer_unref(a);
    a = expect(*state, "example.org", DNS_TXT, DNS_FOUND, DNS_INSECURE); // the type beats the name
    struct buf text;
    buf_init(&text, 100);
    assert_true(rdata_txt(a->records[1].rdata, &text));
    assert_string_equal(buf_text(&text), "two parts");
    buf_reset(&text);
    assert_true(rdata_txt(a->records[2].rdata, &text));
    assert_int_equal(text.len, 0);
    buf_free(&text);
    dns_answer_unref(a);
    a = expect(*state, "mx.example.org", DNS_AAAA, DNS_FOUND, DNS_INSECURE);
    assert_int_equal(a->records[0].rdata.n, 16);
    dns_answer_unref(a);
    dns_answer_unref(
        expect(*state, "foo:bar/baz m\xc3\xbcn%.example", DNS_A, DNS_FOUND, DNS_INSECURE));
}

static void absent_and_failed_are_kept_apart(void **state)
{
    struct dns_answer *a = expect(*state, "nowhere.example", DNS_A, DNS_ABSENT, DNS_INSECURE);
    assert_true(a->nxdomain);
    dns_answer_unref(a);
    a = expect(*state, "example.org", DNS_A, DNS_ABSENT, DNS_SECURE); // NODATA
    assert_false(a->nxdomain);
    dns_answer_unref(a);
    a = expect(*state, "_tcp.mx.example.org", DNS_TLSA, DNS_ABSENT, DNS_INSECURE);
    assert_false(a->nxdomain); // an empty non-terminal
    dns_answer_unref(a);
    a = expect(*state, "absent.example.org", DNS_A, DNS_ABSENT, DNS_SECURE);
    assert_true(a->nxdomain);
    dns_answer_unref(a);
    a = expect(*state, "bogus.example", DNS_MX, DNS_FAILED, DNS_BOGUS);
    assert_true(why_is_set(&a->why));
    assert_int_equal(a->nrecords, 0);
    dns_answer_unref(a);
    dns_answer_unref(expect(*state, "bogus.example", DNS_A, DNS_ABSENT, DNS_SECURE));
    dns_answer_unref(expect(*state, "servfail.example", DNS_A, DNS_FAILED, DNS_UNPROVEN));
    dns_answer_unref(expect(*state, "refused.example", DNS_TXT, DNS_FAILED, DNS_UNPROVEN));
    dns_answer_unref(expect(*state, "mx.example.org", DNS_A, DNS_FAILED, DNS_UNPROVEN));
    a = expect(*state, "gone.example.org", DNS_A, DNS_ABSENT, DNS_SECURE);
    assert_true(a->nxdomain);
    dns_answer_unref(a);
    a = expect(*state, "a..example", DNS_A, DNS_ABSENT, DNS_INSECURE);
    assert_true(a->nxdomain);
    dns_answer_unref(a);
}

// As the SPF suite has it: an error for all types answers those without records.
static void an_error_for_all_types_stands_behind_records(void **state)
{
    dns_answer_unref(expect(*state, "timed.example", DNS_TXT, DNS_FOUND, DNS_INSECURE));
    dns_answer_unref(expect(*state, "timed.example", DNS_A, DNS_FAILED, DNS_UNPROVEN));
}

static void a_chain_is_secure_when_every_hop_is(void **state)
{
    struct dns_answer *a =
        expect(*state, "_25._tcp.mx.example.org", DNS_TLSA, DNS_FOUND, DNS_SECURE);
    assert_true(a->alias && a->alias_secure);
    assert_string_equal(a->canonical, "tlsa.example.net");
    dns_answer_unref(a);
    a = expect(*state, "out.example.org", DNS_A, DNS_FOUND, DNS_INSECURE);
    assert_true(a->alias && a->alias_secure);
    dns_answer_unref(a);
    a = expect(*state, "dangling.example", DNS_A, DNS_ABSENT, DNS_INSECURE);
    assert_true(a->nxdomain && a->alias && !a->alias_secure);
    assert_string_equal(a->canonical, "nowhere.example");
    dns_answer_unref(a);
    dns_answer_unref(expect(*state, "loop.example", DNS_A, DNS_FAILED, DNS_UNPROVEN));
    a = expect(*state, "out.example.org", DNS_CNAME, DNS_FOUND, DNS_SECURE);
    assert_false(a->alias);
    dns_answer_unref(a);
}

static void insecure_wins_where_both_say_the_same(void **state)
{
    (void)state;
    struct answers *w =
        parse("{'secure':['*','a.example|A'],'insecure':['a.example','b.example|A']}");
    dns_answer_unref(expect(w, "a.example", DNS_A, DNS_ABSENT, DNS_SECURE));
    dns_answer_unref(expect(w, "a.example", DNS_MX, DNS_ABSENT, DNS_INSECURE));
    dns_answer_unref(expect(w, "b.example", DNS_A, DNS_ABSENT, DNS_INSECURE));
    dns_answer_unref(expect(w, "c.example", DNS_A, DNS_ABSENT, DNS_SECURE));
    answers_free(w);
    dns_answer_unref(expect(*state, "both.example", DNS_A, DNS_ABSENT, DNS_INSECURE));
}

static void policy_hosts_answer_from_the_file(void **state)
{
    int status;
    const char *type, *body, *error;
    assert_true(answers_https(*state, "MTA-STS.example.org", &status, &type, &body, &error));
    assert_int_equal(status, 200);
    assert_string_equal(body, "version: STSv1\n");
    assert_string_equal(error, "");
    assert_true(answers_https(*state, "mta-sts.late.example", &status, &type, &body, &error));
    assert_string_equal(error, "timeout");
    assert_false(answers_https(*state, "mta-sts.other.example", &status, &type, &body, &error));
}

static void a_file_that_means_nothing_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{",
        "{'record':{}}",
        "{'records':{'a..b':{}}}",
        "{'records':{'a':{'A':['192.0.2.256']}}}",
        "{'records':{'a':{'A':'192.0.2.1'}}}",
        "{'records':{'a':{'MX':[[70000,'b']]}}}",
        "{'records':{'a':{'TLSA':['3 1 1 0']}}}",
        "{'records':{'a':{'NONSENSE':['b']}}}",
        "{'records':{'a':{'TXT':[7]}}}",
        "{'errors':{'a|MX':'WRONG'}}",
        "{'errors':{'a|MXX':'BOGUS'}}",
        "{'secure':[1]}",
        "{'secure':{}}",
        "{'https':{'a':{}}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (parse(wrong[i]))
            fail_msg("taken: %s", wrong[i]);
    struct why why = {0};
    assert_null(answers_load("/nonexistent/answers.json", &why));
    assert_true(why_is_set(&why));
}

static void long_strings_become_several(void **state)
{
    (void)state;
    char text[1200] = "{'records':{'a':{'TXT':['";
    size_t n = strlen(text);
    memset(text + n, 'x', 600);
    strcpy(text + n + 600, "']}}}");
    struct answers *w = parse(text);
    struct dns_answer *a = expect(w, "a", DNS_TXT, DNS_FOUND, DNS_INSECURE);
    assert_int_equal(a->records[0].rdata.n, 603);
    assert_int_equal(a->records[0].rdata.p[0], 255);
    dns_answer_unref(a);
    answers_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_wire_format),
        cmocka_unit_test(absent_and_failed_are_kept_apart),
        cmocka_unit_test(an_error_for_all_types_stands_behind_records),
        cmocka_unit_test(a_chain_is_secure_when_every_hop_is),
        cmocka_unit_test(insecure_wins_where_both_say_the_same),
        cmocka_unit_test(policy_hosts_answer_from_the_file),
        cmocka_unit_test(a_file_that_means_nothing_is_refused),
        cmocka_unit_test(long_strings_become_several),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
