// SPDX-License-Identifier: ISC
// Single values of the configuration: what each parser takes, what it refuses, and that what is
// written back reads as the same.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"

#define EACH(list) (size_t i = 0; i < sizeof(list) / sizeof(list)[0]; i++)

static struct why why;

struct amount {
    const char *text;
    uint64_t value;
    const char *printed; // NULL: refused
};

static void durations(void **state)
{
    (void)state;
    static const struct amount list[] = {
        {"90s", 90000, "90s"},
        {"15m", 900000, "15m"},
        {"60m", 3600000, "1h"},
        {"4h", 14400000, "4h"},
        {"5d", 432000000, "5d"},
        {"250ms", 250, "250ms"},
        {"0", 0, "0s"},
        {"0s", 0, "0s"},
        {"5", 0, NULL},
        {"", 0, NULL},
        {"s", 0, NULL},
        {"-5s", 0, NULL},
        {"5 s", 0, NULL},
        {"5S", 0, NULL},
        {"1.5h", 0, NULL},
        {"5w", 0, NULL},
        {"99999999999999999999s", 0, NULL},
        {"1000000000000000000d", 0, NULL}, // overflows when multiplied
    };
    for
        EACH(list)
        {
            uint64_t ms = 7;
            int rc = value_duration(span_text(list[i].text), &ms, &why);
            assert_int_equal(rc, list[i].printed ? 0 : -1);
            assert_int_equal(ms, list[i].printed ? list[i].value : 7); // untouched on failure
            char printed[VALUE_TEXT];
            value_duration_text(ms, printed);
            if (list[i].printed)
                assert_string_equal(printed, list[i].printed);
        }
}

static void sizes(void **state)
{
    (void)state;
    static const struct amount list[] = {
        {"64KiB", 65536, "64KiB"},
        {"25MiB", 26214400, "25MiB"},
        {"1024KiB", 1048576, "1MiB"},
        {"4096", 4096, "4KiB"},
        {"100B", 100, "100B"},
        {"0", 0, "0"},
        {"1GB", 0, NULL},
        {"1K", 0, NULL},
        {"KiB", 0, NULL},
        {"1 GiB", 0, NULL},
        {"9999999TiB", 0, NULL},
    };
    for
        EACH(list)
        {
            uint64_t bytes = 7;
            assert_int_equal(value_size(span_text(list[i].text), &bytes, &why),
                             list[i].printed ? 0 : -1);
            char printed[VALUE_TEXT];
            value_size_text(bytes, printed);
            if (list[i].printed) {
                assert_int_equal(bytes, list[i].value);
                assert_string_equal(printed, list[i].printed);
            }
        }
}

static void rates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t count, per_ms;
        const char *printed;
    } list[] = {
        {"1000/h", 1000, 3600000, "1000/h"},
        {"5/10m", 5, 600000, "5/10m"},
        {"1/s", 1, 1000, "1/s"},
        {"0", 0, 3600000, "0/h"},
        {"0/d", 0, 86400000, "0/d"},
        {"5/60s", 5, 60000, "5/m"},
        {"1000", 0, 0, NULL},
        {"/h", 0, 0, NULL},
        {"5/", 0, 0, NULL},
        {"5/0s", 0, 0, NULL},
        {"5/x", 0, 0, NULL},
        {"5/h/h", 0, 0, NULL},
        {"5/10", 0, 0, NULL},
        {"5/hhhhhhhhhhhhhhhhh", 0, 0, NULL},
    };
    for
        EACH(list)
        {
            struct rate rate = {0, 0};
            assert_int_equal(value_rate(span_text(list[i].text), &rate, &why),
                             list[i].printed ? 0 : -1);
            assert_int_equal(rate.count, list[i].count);
            assert_int_equal(rate.per_ms, list[i].per_ms);
            char printed[VALUE_TEXT];
            value_rate_text(rate, printed);
            if (list[i].printed)
                assert_string_equal(printed, list[i].printed);
        }
}

static void the_last_second_of_a_day(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t last;
    } good[] = {
        {"1970-01-01", 86399},     {"2027-03-31", 1806537599}, {"2024-02-29", 1709251199},
        {"2000-02-29", 951868799}, {"2100-12-31", 4133980799}, {"9999-12-31", 253402300799},
        {"never", INT64_MAX},
    };
    static const char *const bad[] = {
        "2027-02-29",          "2100-02-29", "2027-04-31", "2027-13-01", "2027-00-01", "2027-01-00",
        "1969-12-31",          "27-01-01",   "2027-1-1",   "2027/01/01", "",           "Never",
        "2027-01-01T00:00:00Z"};
    for
        EACH(good)
        {
            int64_t last = 0;
            char printed[VALUE_TEXT];
            assert_int_equal(value_until(span_text(good[i].text), &last, &why), 0);
            assert_true(last == good[i].last);
            value_until_text(last, printed);
            assert_string_equal(printed, good[i].text);
        }
    for
        EACH(bad)
        {
            int64_t last = 7;
            assert_int_equal(value_until(span_text(bad[i]), &last, &why), -1);
            assert_int_equal(last, 7);
        }
}

static void booleans_and_choices(void **state)
{
    (void)state;
    bool b = false;
    assert_int_equal(value_bool(span_text("Yes"), &b, &why), 0);
    assert_true(b);
    assert_int_equal(value_bool(span_text("off"), &b, &why), 0);
    assert_false(b);
    assert_int_equal(value_bool(span_text("1"), &b, &why), -1);
    assert_int_equal(value_choice(span_text("two"), "one two three", &why), 1);
    assert_int_equal(value_choice(span_text("three"), "one two three", &why), 2);
    assert_int_equal(value_choice(span_text("thre"), "one two three", &why), -1);
    assert_string_equal(why.text, "'thre' is not one of: one, two or three");
    assert_int_equal(value_choice(span_text(""), "one two", &why), -1);
    assert_int_equal(value_choice(span_text("one two"), "one two", &why), -1);
}

static void endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum value_port port;
        const char *printed;
    } list[] = {
        {"0.0.0.0:587", PORT_REQUIRED, "0.0.0.0:587"},
        {"[::]:587", PORT_REQUIRED, "[::]:587"},
        {"[2001:DB8::1]:25", PORT_REQUIRED, "[2001:db8::1]:25"},
        {"127.0.0.1", PORT_REQUIRED, NULL},
        {"::1:587", PORT_REQUIRED, NULL}, // an address of its own; brackets say what is the port
        {"[127.0.0.1]:25", PORT_REQUIRED, NULL},
        {"[::1]:65536", PORT_REQUIRED, NULL},
        {"[::1]:", PORT_REQUIRED, NULL},
        {"[::1", PORT_REQUIRED, NULL},
        {"[::1]x:25", PORT_REQUIRED, NULL},
        {":25", PORT_REQUIRED, NULL},
        {"*:25", PORT_REQUIRED, NULL},
        {"localhost:25", PORT_REQUIRED, NULL},
        {"9.9.9.9", PORT_OPTIONAL, "9.9.9.9"},
        {"2620:fe::fe", PORT_OPTIONAL, "2620:fe::fe"},
        {"[2620:fe::fe]", PORT_OPTIONAL, "2620:fe::fe"},
        {"9.9.9.9:5353", PORT_OPTIONAL, "9.9.9.9:5353"},
        {"198.51.100.7", PORT_NONE, "198.51.100.7"},
        {"2001:db8::7", PORT_NONE, "2001:db8::7"},
        {"198.51.100.7:25", PORT_NONE, NULL},
        {"", PORT_OPTIONAL, NULL},
    };
    for
        EACH(list)
        {
            struct sockaddr_storage address;
            char printed[VALUE_TEXT];
            int rc = value_endpoint(span_text(list[i].text), list[i].port, &address, &why);
            assert_int_equal(rc, list[i].printed ? 0 : -1);
            if (rc < 0)
                continue;
            value_endpoint_text(&address, printed);
            assert_string_equal(printed, list[i].printed);
        }
}

static void next_hops(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum next_hop_kind kind;
        const char *name;
        unsigned port;
        bool implicit_tls;
    } good[] = {
        {"[mx.partner.example]:25", HOP_HOST, "mx.partner.example", 25, false},
        {"backup.example", HOP_MX, "backup.example", 0, false},
        {"Backup.Example:587", HOP_MX, "backup.example", 587, false},
        {"[192.0.2.1]", HOP_ADDRESS, "192.0.2.1", 0, false},
        {"[2001:DB8::1]:465", HOP_ADDRESS, "2001:db8::1", 465, true},
        {"[IPv6:2001:db8::1]", HOP_ADDRESS, "2001:db8::1", 0, false},
        {"[b\xc3\xbc"
         "cher.example]",
         HOP_HOST, "xn--bcher-kva.example", 0, false},
    };
    static const char *const bad[] = {"",      "[]",        "[a",      "192.0.2.1", "::1",
                                      "a b",   "[a]25",     "[a]:x",   "a:99999",   "[a_b]",
                                      "[a]:0", "http://a/", "[1.2.3]", "a:25:25",   "[a]:25 "};
    for
        EACH(good)
        {
            struct cfg_next_hop hop;
            assert_int_equal(value_hop(span_text(good[i].text), &hop, &why), 0);
            assert_int_equal(hop.kind, good[i].kind);
            assert_string_equal(hop.name, good[i].name);
            assert_int_equal(hop.port, good[i].port);
            assert_int_equal(hop.implicit_tls, good[i].implicit_tls);
            struct buf text;
            buf_init(&text, 512);
            value_hop_text(&hop, &text);
            struct cfg_next_hop again;
            assert_int_equal(value_hop(buf_span(&text), &again, &why), 0);
            assert_string_equal(again.name, hop.name);
            assert_int_equal(again.kind, hop.kind);
            buf_free(&text);
            free(again.name);
            free(hop.name);
        }
    for
        EACH(bad)
        {
            struct cfg_next_hop hop;
            if (value_hop(span_text(bad[i]), &hop, &why) == 0)
                fail_msg("'%s' was taken", bad[i]);
        }
}

typedef int text_parser(struct span text, char **out, struct why *w);

static void takes(text_parser *parser, const char *text, const char *expected)
{
    char *out = NULL;
    int rc = parser(span_text(text), &out, &why);
    if ((rc == 0) != (expected != NULL))
        fail_msg("'%s' was %s", text, rc ? why.text : "taken");
    if (rc == 0)
        assert_string_equal(out, expected);
    free(out);
}

static void mailboxes(void **state)
{
    (void)state;
    takes(value_mailbox, "Admin@Example.ORG", "Admin@example.org"); // the local part keeps its case
    takes(value_mailbox,
          "a.b+c@b\xc3\xbc"
          "cher.example",
          "a.b+c@xn--bcher-kva.example");
    takes(value_mailbox, "\"a @ b\"@example.org", "\"a @ b\"@example.org");
    takes(value_mailbox, "\"a\\\"b\"@example.org", "\"a\\\"b\"@example.org");
    static const char *const bad[] = {
        "a",          "@a",          "a@",           "a@b@c",         "a b@c.example",
        ".a@c.de",    "a.@c.de",     "a..b@c.de",    "<a@c.de>",      "\"a@c.de",
        "a@1.2.3.4",  "a@[1.2.3.4]", "\"a\\\"@c.de", "\"a\"b\"@c.de", "a@b..c",
        "a\r\nb@c.de"};
    for
        EACH(bad)
    takes(value_mailbox, bad[i], NULL);
}

static void names(void **state)
{
    (void)state;
    takes(value_domain, "Example.ORG.", "example.org");
    takes(value_domain, "_spf.example.org", "_spf.example.org");
    takes(value_domain, "10.0.0.1", NULL);
    takes(value_domain, "[10.0.0.1]", NULL);
    takes(value_domain, "", NULL);
    takes(value_host, "mail.example.org", "mail.example.org");
    takes(value_host, "_spf.example.org", NULL);
    takes(value_rule, "*", "*");
    takes(value_rule, "*.Legacy.example", "*.legacy.example");
    takes(value_rule, "*legacy.example", NULL);
    takes(value_rule, "*.*.example", NULL);
    takes(value_selector, "r2026", "r2026");
    takes(value_selector, "a.b", "a.b");
    takes(value_selector, "a b", NULL);
    takes(value_text, "two\nlines", NULL);
    takes(value_text, "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
}

static void pins(void **state)
{
    (void)state;
    const char *hex = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    takes(value_pin, hex, hex);
    takes(value_pin, "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
          "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    takes(value_pin, hex + 7, NULL);
    takes(value_pin, "sha256:", NULL);
    takes(value_pin, "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUA", NULL);
    takes(value_pin, "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", NULL);
}

static void sender_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sender_pattern_kind kind;
        const char *kept, *printed;
    } list[] = {
        {"Example.org", SENDER_DOMAIN, "example.org", "example.org"},
        {"*.Example.org", SENDER_BELOW, "example.org", "*.example.org"},
        {"Alerts@Example.net", SENDER_ADDRESS, "Alerts@example.net", "Alerts@example.net"},
        {"*", SENDER_ANY, "", "*"},
    };
    for
        EACH(list)
        {
            struct sender_pattern p;
            struct buf text;
            buf_init(&text, 512);
            assert_int_equal(value_sender(span_text(list[i].text), &p, &why), 0);
            assert_int_equal(p.kind, list[i].kind);
            assert_string_equal(p.text, list[i].kept);
            value_sender_text(&p, &text);
            assert_string_equal(buf_text(&text), list[i].printed);
            buf_free(&text);
            free(p.text);
        }
    // '*' is a character of local parts: *@example.org would be that one mailbox, which nobody means.
    static const char *const bad[] = {"",    "*.", "*@example.org", "@example.org",
                                      "a@*", "**", "a*.b"};
    for
        EACH(bad)
        {
            struct sender_pattern p;
            if (value_sender(span_text(bad[i]), &p, &why) == 0)
                fail_msg("'%s' was taken", bad[i]);
        }
}

static void quotes_are_safe_for_a_terminal(void **state)
{
    (void)state;
    char out[VALUE_QUOTE], big[500];
    assert_string_equal(value_quote(span_text("\x1b[2J\x7f\xc2\x9b"), out),
                        "'\\x1B[2J\\x7F\\xC2\\x9B'");
    memset(big, 'x', sizeof big);
    value_quote(span_of(big, sizeof big), out);
    assert_string_equal(out + strlen(out) - 4, "...'");
    for (size_t shift = 0; shift < 4; shift++) { // the cut falls on every byte of a character
        for (size_t i = shift; i + 1 < sizeof big; i += 2)
            memcpy(big + i, "\xc3\xbc", 2);
        value_quote(span_of(big, sizeof big), out);
        size_t n = strlen(out);
        assert_int_equal(((unsigned char)out[n - 5] & 0xC0) == 0xC0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(rates),
        cmocka_unit_test(the_last_second_of_a_day),
        cmocka_unit_test(booleans_and_choices),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(next_hops),
        cmocka_unit_test(mailboxes),
        cmocka_unit_test(names),
        cmocka_unit_test(pins),
        cmocka_unit_test(sender_patterns),
        cmocka_unit_test(quotes_are_safe_for_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
