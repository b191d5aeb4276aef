// SPDX-License-Identifier: ISC
// Authentication-Results read and written (RFC 8601).
#include "tests/unit/sign_story.h"

#include "sign/authres.h"

// "id|method=result reason type.name=value …|…", or "-".
static void assert_parsed(const char *value, const char *want)
{
    struct authres a;
    struct buf got;
    buf_init(&got, 4096);
    if (authres_parse(span_text(value), &a) < 0) {
        buf_addc(&got, '-');
    } else {
        buf_adds(&got, a.id);
        for (size_t i = 0; i < a.n; i++) {
            const struct authres_result *r = &a.results[i];
            buf_addf(&got, "|%s=%s", r->method, r->result);
            if (r->reason)
                buf_addf(&got, " (%s)", r->reason);
            for (size_t k = 0; k < r->nproperties; k++)
                buf_addf(&got, " %s.%s=%s", r->properties[k].type, r->properties[k].name,
                         r->properties[k].value);
        }
        authres_free(&a);
    }
    assert_string_equal(buf_text(&got), want);
    buf_free(&got);
}

static void what_the_rfc_shows(void **state)
{
    (void)state;
    assert_parsed(" example.org; none", "example.org");
    assert_parsed("example.org 1; none;", "example.org");
    assert_parsed("example.com;\r\n spf=pass smtp.mailfrom=example.net",
                  "example.com|spf=pass smtp.mailfrom=example.net");
    assert_parsed(" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = "
                  "(wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n "
                  "(this surprised me) = (as I wasn't expecting it) 1362471462",
                  "foo.example.net|dkim=fail policy.expired=1362471462");
    assert_parsed(
        "example.com; dkim=pass reason=\"good \\\"signature\\\"\" "
        "header.i=@mail-router.example.net; DKIM=Fail header.d=x.example header.b=ab/cd==",
        "example.com|dkim=pass (good \"signature\") header.i=@mail-router.example.net"
        "|dkim=fail header.d=x.example header.b=ab/cd==");
    assert_parsed("\"a.example\"; auth=pass (cram-md5) smtp.auth=sender@example.net",
                  "a.example|auth=pass smtp.auth=sender@example.net");
}

static void what_is_none(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         ";",
                         "; spf=pass",
                         "a.example spf=pass",
                         "a.example; spf",
                         "a.example; spf=",
                         "a.example; =pass",
                         "a.example; spf=pass smtp",
                         "a.example; spf=pass smtp.",
                         "a.example; spf=pass smtp.x",
                         "a.example; spf=pass (open",
                         "a.example; spf=pass smtp.x=\"open",
                         "a.example; none; spf=pass",
                         "a.example; spf=pass reason",
                         "a.example; spf/=pass"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_parsed(bad[i], "-");
}

static void case_96_an_odd_property_costs_itself(void **state)
{
    (void)state;
    assert_parsed("a.example; dkim=pass (2048-bit rsa key sha256) header.d=b.example x-bits=2048; "
                  "dmarc=pass header.from=b.example",
                  "a.example|dkim=pass header.d=b.example|dmarc=pass header.from=b.example");
    assert_parsed(
        "a.example; dmarc=pass action=none header.from=b.example;compauth=pass reason=100",
        "a.example|dmarc=pass header.from=b.example|compauth=pass (100)");
    assert_parsed("a.example; spf=pass smtp.x=", "a.example|spf=pass");
    assert_parsed("a.example; spf=pass x=\"a; auth=pass\" smtp.helo=h",
                  "a.example|spf=pass smtp.helo=h");
    assert_parsed("a.example; spf=pass smtp.mailfrom=\"a b\"@c.example",
                  "a.example|spf=pass smtp.mailfrom=a b@c.example");
}

static void case_96_only_version_1_is_read(void **state)
{
    (void)state;
    assert_parsed("a.example 1; spf=pass", "a.example|spf=pass");
    assert_parsed("a.example 2; spf=pass", "-");
    assert_parsed("a.example (x) 11; spf=pass", "-");
    assert_false(authres_version_known(span_text("a.example 2; spf=pass")));
    assert_true(authres_version_known(span_text("a.example; spf")));
}

// Whoever can put a quotation mark into a comment may have ended it too.
static void case_93_a_comment_with_a_quotation_mark(void **state)
{
    (void)state;
    assert_parsed("a.example; spf=pass (domain of \"x); auth=pass (y\"@b.example)", "-");
    assert_parsed("a.example; spf=pass (domain of x\") smtp.helo=h", "-");
    assert_parsed("a.example; spf=pass smtp.x=\"(\" smtp.helo=h",
                  "a.example|spf=pass smtp.x=( smtp.helo=h");
}

static void no_more_than_may_be(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, STORY_MAX);
    buf_adds(&text, "a.example");
    for (int i = 0; i <= MAX_AUTHRES_RESULTS; i++)
        buf_adds(&text, "; x=pass");
    assert_parsed(buf_text(&text), "-");
    buf_reset(&text);
    buf_adds(&text, "a.example; x=pass");
    for (int i = 0; i <= MAX_AUTHRES_PROPERTIES; i++)
        buf_adds(&text, " a.b=c");
    assert_parsed(buf_text(&text), "-");
    buf_free(&text);
}

static void assert_id(const char *value, const char *want)
{
    char *id = authres_id(span_text(value));
    if (want)
        assert_string_equal(id, want);
    else
        assert_null(id);
    free(id);
}

static void case_12_who_claims_to_speak(void **state)
{
    (void)state;
    assert_id(" mx.example.org; spf=", "mx.example.org"); // even where the rest is broken
    assert_id("(comment (nested)) mx.example.org (x); none", "mx.example.org");
    assert_id("\"mx.example.org\"", "mx.example.org");
    assert_id("mx.example.org.evil.example; none", "mx.example.org.evil.example");
    assert_id("\r\n mx.example.org/1", "mx.example.org");
    assert_id("", NULL);
    assert_id("; none", NULL);
    assert_id("(open", NULL);
}

static void what_others_chose_is_made_harmless(void **state)
{
    (void)state;
    struct buf out;
    struct authres_writer w;
    buf_init(&out, STORY_MAX);
    authres_begin(&w, &out, "relay.example.org", false);
    authres_result(&w, "spf", "fail");
    authres_comment(&w, "a) \r\nX-Injected: yes (");
    authres_reason(&w, "b\"\\\r\n\x80");
    authres_property(&w, "smtp.mailfrom", "joe; dkim=pass header.d=bank.example");
    authres_property(&w, "smtp.helo", "");
    authres_text(&w, "x=pass y.z=\xff");
    authres_end(&w);
    struct authres a;
    assert_int_equal(authres_parse(buf_span(&out), &a), 0);
    assert_int_equal(a.n, 2);
    assert_string_equal(a.results[0].method, "spf");
    assert_string_equal(authres_get(&a.results[0], "smtp", "mailfrom"),
                        "joe; dkim=pass header.d=bank.example");
    assert_string_equal(authres_get(&a.results[0], "smtp", "helo"), "");
    assert_null(authres_get(&a.results[0], "smtp", "rcptto"));
    authres_free(&a);
    // Not one line that does not belong to the field.
    for (const char *at = buf_text(&out); (at = strstr(at, "\r\n")); at += 2)
        assert_int_equal(at[2], ' ');
    buf_free(&out);
}

// RFC 8601 section 2.2, RFC 8616 section 5.
static void case_109_utf8_stands_in_internationalized_mail_alone(void **state)
{
    (void)state;
    for (int utf8 = 0; utf8 < 2; utf8++) {
        struct buf out;
        struct authres_writer w;
        buf_init(&out, STORY_MAX);
        authres_begin(&w, &out, "relay.example.org", utf8);
        authres_result(&w, "spf", "pass");
        authres_reason(&w, "gr\xc3\xbc\xc3\x9f \xff");
        authres_domain(&w, "smtp.mailfrom", "j\xc3\xb6rg@gr\xc3\xbcne.example");
        authres_domain(&w, "header.d", "gr\xc3\xbcne.example");
        authres_end(&w);
        assert_non_null(strstr(buf_text(&out),
                               utf8 ? "reason=\"gr\xc3\xbc\xc3\x9f ?\"" : "reason=\"gr???? ?\""));
        assert_non_null(
            strstr(buf_text(&out), utf8 ? "smtp.mailfrom=j\xc3\xb6rg@gr\xc3\xbcne.example"
                                        : "@xn--grne-1ra.example\""));
        assert_non_null(strstr(buf_text(&out), utf8 ? "header.d=gr\xc3\xbcne.example"
                                                    : "header.d=xn--grne-1ra.example"));
        buf_free(&out);
    }
}

static void nothing_said_is_none(void **state)
{
    (void)state;
    struct buf out;
    struct authres_writer w;
    buf_init(&out, 100);
    authres_begin(&w, &out, "relay.example.org", false);
    authres_end(&w);
    assert_string_equal(buf_text(&out), "relay.example.org; none");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_rfc_shows),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(case_96_an_odd_property_costs_itself),
        cmocka_unit_test(case_96_only_version_1_is_read),
        cmocka_unit_test(case_93_a_comment_with_a_quotation_mark),
        cmocka_unit_test(no_more_than_may_be),
        cmocka_unit_test(case_12_who_claims_to_speak),
        cmocka_unit_test(what_others_chose_is_made_harmless),
        cmocka_unit_test(case_109_utf8_stands_in_internationalized_mail_alone),
        cmocka_unit_test(nothing_said_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
