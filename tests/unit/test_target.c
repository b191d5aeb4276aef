// SPDX-License-Identifier: ISC
// Report addresses as strangers write them: what is taken, in which spelling, and what is passed over.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/report/target.h"

static struct report_target target;
static struct why why;

static const char *spelled(const char *rua)
{
    report_target_free(&target);
    if (report_target_parse(span_text(rua), &target, &why) < 0)
        fail_msg("'%s': %s", rua, why.text);
    struct report_target again;
    assert_int_equal(report_target_parse(span_text(target.text), &again, &why), 0);
    assert_string_equal(again.text, target.text); // the one spelling is one
    report_target_free(&again);
    return target.text;
}

static void refused(const char *rua, const char *because)
{
    report_target_free(&target);
    if (report_target_parse(span_text(rua), &target, &why) == 0)
        fail_msg("'%s' was taken as %s", rua, target.text);
    if (!strstr(why.text, because))
        fail_msg("'%s': %s", rua, why.text);
}

static void mail_is_decoded_and_keeps_its_case(void **state)
{
    (void)state;
    assert_string_equal(spelled("mailto:TLS@Example.NET"), "mailto:TLS@example.net");
    assert_int_equal(target.way, REPORT_MAIL);
    assert_string_equal(target.address, "TLS@example.net");
    assert_string_equal(target.host, "example.net");
    assert_string_equal(spelled("MailTo:tls%2breports%40example.net?subject=x&body=y"),
                        "mailto:tls+reports@example.net");
    assert_string_equal(spelled("mailto:a%25b%21@example.net"), "mailto:a%25b%21@example.net");
    assert_string_equal(target.address, "a%b!@example.net");
    assert_string_equal(spelled("mailto:%22a%20b%22@example.net"),
                        "mailto:%22a%20b%22@example.net");
    assert_string_equal(spelled("mailto:x@b%C3%BCcher.example"), "mailto:x@xn--bcher-kva.example");
    assert_string_equal(spelled(" mailto:x@example.net\t"), "mailto:x@example.net");
}

static void what_is_no_mail_address_is_passed_over(void **state)
{
    (void)state;
    refused("mailto:", "not one mail address");
    refused("mailto:@example.net", "not one mail address");
    refused("mailto:a@b.example%2Cc@d.example", "not one mail address");
    refused("mailto:a@b.example,c@d.example", "not one mail address");
    refused("mailto:a%0D%0ABcc:x@example.net", "percent-encoded");
    refused("mailto:a%00@example.net", "percent-encoded");
    refused("mailto:a%zz@example.net", "percent-encoded");
    refused("mailto:a@example.net%", "percent-encoded");
    refused("mailto:a@example.net%4", "percent-encoded");
    refused("mailto:a%20b@example.net", "not one mail address");
    refused("mailto:%3Ca@example.net%3E", "not one mail address");
    refused("mailto:a@%5B192.0.2.1%5D", "not one mail address");
    refused("mailto:%C3%BC@example.net", "not ASCII");
}

static void urls_have_a_host_a_port_and_a_path(void **state)
{
    (void)state;
    assert_string_equal(spelled("https://Reports.Example.NET"), "https://reports.example.net/");
    assert_int_equal(target.way, REPORT_HTTPS);
    assert_int_equal(target.port, 443);
    assert_string_equal(target.host, "reports.example.net");
    assert_string_equal(target.path, "/");
    assert_string_equal(spelled("HTTPS://r.example:443/V1?a=%2f&b=c#top"),
                        "https://r.example/V1?a=%2f&b=c");
    assert_string_equal(spelled("https://r.example:8443?x"), "https://r.example:8443/?x");
    assert_int_equal(target.port, 8443);
    assert_string_equal(target.path, "/?x");
}

static void what_is_no_url_for_us_is_passed_over(void **state)
{
    (void)state;
    refused("https://", "host name");
    refused("https:///x", "host name");
    refused("https://localhost/", "host name");
    refused("https://192.0.2.1/", "host name");
    refused("https://[2001:db8::1]/", "host name");
    refused("https://0x7f.1/", "host name");
    refused("https://r.example:0/", "host name");
    refused("https://r.example:65536/", "host name");
    refused("https://r.example:/", "host name");
    refused("https://user:secret@r.example/", "credentials");
    refused("https://r.example/a b", "percent-encoded");
    refused("https://r.example/\"x", "percent-encoded");
    refused("https://r..example/", "host name");
    refused("http://r.example/", "neither");
    refused("ftp://r.example/", "neither");
    refused("", "neither");
    char *text = mem_printf("https://r.example/%0*d", TARGET_MAX, 0);
    refused(text, "too long");
    free(text);
}

static void a_nul_hides_nothing(void **state)
{
    (void)state;
    static const char url[] = "https://r.example/a\0b", host[] = "https://r.example\0.evil/",
                      mail[] = "mailto:a@b.example\0@c.example";
    report_target_free(&target);
    assert_int_equal(report_target_parse(span_of(url, sizeof url - 1), &target, &why), -1);
    assert_int_equal(report_target_parse(span_of(host, sizeof host - 1), &target, &why), -1);
    assert_int_equal(report_target_parse(span_of(mail, sizeof mail - 1), &target, &why), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_is_decoded_and_keeps_its_case),
        cmocka_unit_test(what_is_no_mail_address_is_passed_over),
        cmocka_unit_test(urls_have_a_host_a_port_and_a_path),
        cmocka_unit_test(what_is_no_url_for_us_is_passed_over),
        cmocka_unit_test(a_nul_hides_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    report_target_free(&target);
    return failed;
}
