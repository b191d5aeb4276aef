// SPDX-License-Identifier: ISC
// PROXY headers, versions 1 and 2, cut anywhere.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "relay/net/proxy.h"

static void every_prefix_waits_for_more(void **state)
{
    (void)state;
    static const char v1[] = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 587\r\nEHLO";
    struct proxy p;
    struct why why;
    for (size_t n = 0; n < sizeof v1 - 5; n++)
        assert_int_equal(proxy_parse(span_of(v1, n), &p, &why), PROXY_MORE);
    assert_int_equal(proxy_parse(span_of(v1, sizeof v1 - 1), &p, &why), PROXY_DONE);
    assert_int_equal(p.used, sizeof v1 - 5);
    assert_true(p.has_client);
    const struct sockaddr_in *sin = (const struct sockaddr_in *)&p.client;
    assert_int_equal(sin->sin_addr.s_addr, inet_addr("192.0.2.1"));
    assert_int_equal(ntohs(sin->sin_port), 56324);
}

static void version_1_forms(void **state)
{
    (void)state;
    struct proxy p;
    struct why why;
    assert_int_equal(proxy_parse(span_text("PROXY UNKNOWN\r\n"), &p, &why), PROXY_DONE);
    assert_false(p.has_client);
    assert_int_equal(proxy_parse(span_text("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), &p, &why),
                     PROXY_DONE);
    assert_int_equal(p.client.ss_family, AF_INET6);
    static const char *const bad[] = {
        "EHLO x\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 70000\r\n",
        "PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n",
        "PROXY TCP6 "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "a",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(proxy_parse(span_text(bad[i]), &p, &why), PROXY_BAD);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void version_2_forms(void **state)
{
    (void)state;
    static const char tcp4[] = SIGNATURE "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\1\xdc\4\2\x4btlv";
    static const char local[] = SIGNATURE "\x20\0\0\0";
    static const char unix_socket[] = SIGNATURE "\x21\x31\0\1x";
    static const char unspecified[] = SIGNATURE "\x21\0\0\0"; // nothing stands behind the header
    static const char bad_version[] = SIGNATURE "\x31\x11\0\x0c";
    static const char too_short[] = SIGNATURE "\x21\x11\0\4abcd";
    static const char too_long[] = SIGNATURE "\x21\x11\xff\xff";
    struct proxy p;
    struct why why;
    for (size_t n = 0; n < sizeof tcp4 - 1; n++)
        assert_int_equal(proxy_parse(span_of(tcp4, n), &p, &why), PROXY_MORE);
    assert_int_equal(proxy_parse(span_of(tcp4, sizeof tcp4 - 1), &p, &why), PROXY_DONE);
    assert_int_equal(p.used, sizeof tcp4 - 1);
    const struct sockaddr_in *sin = (const struct sockaddr_in *)&p.client;
    assert_int_equal(sin->sin_addr.s_addr, inet_addr("192.0.2.1"));
    assert_int_equal(ntohs(sin->sin_port), 0xdc04);
    assert_int_equal(proxy_parse(span_of(local, sizeof local - 1), &p, &why), PROXY_DONE);
    assert_false(p.has_client);
    assert_int_equal(proxy_parse(span_of(unix_socket, sizeof unix_socket - 1), &p, &why),
                     PROXY_DONE);
    assert_false(p.has_client);
    assert_int_equal(proxy_parse(span_of(unspecified, sizeof unspecified - 1), &p, &why),
                     PROXY_DONE);
    assert_false(p.has_client);
    assert_int_equal(proxy_parse(span_of(bad_version, sizeof bad_version - 1), &p, &why),
                     PROXY_BAD);
    assert_int_equal(proxy_parse(span_of(too_short, sizeof too_short - 1), &p, &why), PROXY_BAD);
    assert_int_equal(proxy_parse(span_of(too_long, sizeof too_long - 1), &p, &why), PROXY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_waits_for_more),
        cmocka_unit_test(version_1_forms),
        cmocka_unit_test(version_2_forms),
    };
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
