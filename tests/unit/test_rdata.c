// SPDX-License-Identifier: ISC
// Rdata parsers: what they take, and above all what they refuse.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns/name.h"
#include "dns/rdata.h"

#define WIRE(text) span_of("" text, sizeof text - 1)

static void a_name_is_read_in_lower_case(void **state)
{
    (void)state;
    char name[256];
    assert_true(rdata_name(WIRE("\4Mail\7EXAMPLE\3org\0"), name));
    assert_string_equal(name, "mail.example.org");
    assert_true(rdata_name(WIRE("\0"), name));
    assert_string_equal(name, "");
}

static void hostile_names_are_refused(void **state)
{
    (void)state;
    char name[256];
    assert_false(rdata_name(WIRE(""), name));
    assert_false(rdata_name(WIRE("\4mail"), name));         // no root label
    assert_false(rdata_name(WIRE("\5mail\0"), name));       // a label behind the end
    assert_false(rdata_name(WIRE("\4mail\0x"), name));      // bytes behind the name
    assert_false(rdata_name(WIRE("\xc0\x0c"), name));       // a compression pointer
    assert_false(rdata_name(WIRE("\3a.b\0"), name));        // a dot inside a label
    assert_false(rdata_name(WIRE("\3a\\b\0"), name));       // an escape
    assert_false(rdata_name(span_of("\3a\0b\0", 5), name)); // a NUL inside a label
    unsigned char longest[257];
    memset(longest, 'a', sizeof longest);
    longest[0] = longest[64] = longest[128] = 63;
    longest[192] = 61;
    longest[254] = 0;
    assert_true(rdata_name(span_of(longest, 255), name));
    assert_int_equal(strlen(name), 253);
    longest[192] = 62;
    longest[255] = 0;
    assert_false(rdata_name(span_of(longest, 256), name));
}

static void a_name_goes_to_wire_and_back(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "example.org",
                                       "_25._tcp.mx.example",
                                       "foo:bar/baz.example",
                                       "sp ace%.example",
                                       "m\xc3\xbcnchen.example"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct buf wire;
        char back[256];
        buf_init(&wire, 300);
        assert_true(rdata_name_wire(good[i], &wire));
        assert_true(rdata_name(buf_span(&wire), back));
        assert_string_equal(back, good[i]);
        buf_free(&wire);
    }
    static const char *const wrong[] = {
        "a..b", ".a", "a..", "a\\.b",
        "0123456789012345678901234567890123456789012345678901234567890123.example"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct buf wire;
        buf_init(&wire, 300);
        assert_false(rdata_name_wire(wrong[i], &wire));
        assert_int_equal(wire.len, 0);
        buf_free(&wire);
    }
}

static void an_mx_has_a_preference_and_a_host(void **state)
{
    (void)state;
    struct dns_mx mx;
    assert_true(rdata_mx(WIRE("\1\2\2MX\0"), &mx));
    assert_int_equal(mx.preference, 258);
    assert_string_equal(mx.host, "mx");
    assert_true(rdata_mx(WIRE("\0\0\0"), &mx)); // null MX, RFC 7505
    assert_string_equal(mx.host, "");
    assert_false(rdata_mx(WIRE("\0\1"), &mx));
    assert_false(rdata_mx(WIRE("\0"), &mx));
}

static void a_tlsa_goes_to_text_and_back(void **state)
{
    (void)state;
    struct buf wire, text;
    buf_init(&wire, 100);
    buf_init(&text, 100);
    assert_true(rdata_tlsa_text("3 1 1 00FF\t a5", &wire));
    struct dns_tlsa tlsa;
    assert_true(rdata_tlsa(buf_span(&wire), &tlsa));
    assert_int_equal(tlsa.usage, 3);
    assert_int_equal(tlsa.data.n, 3);
    rdata_tlsa_print(buf_span(&wire), &text);
    assert_string_equal(buf_text(&text), "3 1 1 00ffa5");
    buf_reset(&wire);
    static const char *const wrong[] = {"",           "3 1 1",  "3 1 1 0", "3 1 1 0g",
                                        "3 1 256 00", "3 1 00", "x 1 1 00"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(rdata_tlsa_text(wrong[i], &wire));
        assert_int_equal(wire.len, 0);
    }
    assert_false(rdata_tlsa(WIRE("\3\1"), &tlsa));
    buf_free(&wire);
    buf_free(&text);
}

static void txt_strings_are_joined_as_they_are(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 8);
    assert_true(rdata_txt(WIRE("\2v=\0\3SP "), &text));
    assert_string_equal(buf_text(&text), "v=SP ");
    assert_false(rdata_txt(WIRE("\4over"), &text)); // the ceiling: nothing is added
    assert_int_equal(text.len, 5);
    assert_false(rdata_txt(WIRE("\2a"), &text));
    assert_false(rdata_txt(WIRE(""), &text));
    assert_int_equal(text.len, 5);
    buf_free(&text);
}

static void names_compare_below_label_by_label(void **state)
{
    (void)state;
    assert_true(name_below("a.example.org", "example.org"));
    assert_true(name_below("example.org", "example.org"));
    assert_true(name_below("example.org", ""));
    assert_false(name_below("notexample.org", "example.org"));
    assert_false(name_below("org", "example.org"));
    char out[NAME_TEXT];
    assert_true(name_normal("Example.ORG.", out));
    assert_string_equal(out, "example.org");
    assert_true(name_normal(".", out));
    assert_string_equal(out, "");
    assert_false(name_normal("..", out));
}

static void type_words_are_read_back(void **state)
{
    (void)state;
    assert_int_equal(dns_type_parse("mx"), DNS_MX);
    assert_int_equal(dns_type_parse("TYPE99"), 99);
    assert_int_equal(dns_type_parse("TYPE65536"), 0);
    assert_int_equal(dns_type_parse("MXX"), 0);
    assert_string_equal(dns_type_word(DNS_TLSA), "TLSA");
    assert_string_equal(dns_type_word(99), "TYPE99");
    assert_string_equal(dns_proof_word(DNS_UNPROVEN), "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_read_in_lower_case),
        cmocka_unit_test(hostile_names_are_refused),
        cmocka_unit_test(a_name_goes_to_wire_and_back),
        cmocka_unit_test(an_mx_has_a_preference_and_a_host),
        cmocka_unit_test(a_tlsa_goes_to_text_and_back),
        cmocka_unit_test(txt_strings_are_joined_as_they_are),
        cmocka_unit_test(names_compare_below_label_by_label),
        cmocka_unit_test(type_words_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
