// SPDX-License-Identifier: ISC
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/base/address.h"

static struct sockaddr_storage at;
static const struct sockaddr *const a = (const struct sockaddr *)&at;

static void what_is_read_is_told_again(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"};
    char text[ADDRESS_TEXT];
    for (size_t i = 0; i < 3; i++) {
        assert_true(address_read(span_text(texts[i]), 25, &at));
        assert_string_equal(address_text(a, text), texts[i]);
        assert_int_equal(address_port(a), 25);
        address_set_port(&at, 465);
        assert_int_equal(address_port(a), 465);
    }
    assert_false(address_read(span_text("192.0.2.1:25"), 0, &at));
    assert_false(address_read(span_of("192.0.2.1\0", 10), 0, &at));
    assert_false(address_read(span_text(""), 0, &at));
    assert_int_equal(address_port(a), 465); // nothing was written
}

static void four_bytes_or_sixteen_make_an_address(void **state)
{
    (void)state;
    struct sockaddr_storage other;
    unsigned char bytes[17] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    assert_true(address_make(bytes, 16, 25, &at));
    assert_true(address_read(span_text("2001:db8::1"), 587, &other));
    assert_true(address_same(a, (struct sockaddr *)&other));
    assert_int_equal(address_port(a), 25);
    assert_true(address_make(bytes, 4, 25, &at));
    assert_int_equal(at.ss_family, AF_INET);
    assert_false(address_same(a, (struct sockaddr *)&other));
    assert_false(address_make(bytes, 0, 0, &at));
    assert_false(address_make(bytes, 17, 0, &at));
}

static void ipv4_through_an_ipv6_socket_is_plain_ipv4(void **state)
{
    (void)state;
    size_t n;
    assert_true(address_read(span_text("::ffff:192.0.2.1"), 0, &at));
    assert_memory_equal(address_plain(a, &n), "\xc0\0\2\1", 4);
    assert_int_equal(n, 4);
    assert_true(address_read(span_text("192.0.2.1"), 0, &at));
    assert_memory_equal(address_plain(a, &n), "\xc0\0\2\1", 4);
    assert_int_equal(n, 4);
    assert_true(address_read(span_text("2001:db8::1"), 0, &at));
    assert_ptr_equal(address_plain(a, &n), address_bytes(a, &n));
    assert_int_equal(n, 16);
    at.ss_family = AF_UNIX;
    assert_null(address_plain(a, &n));
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_told_again),
        cmocka_unit_test(four_bytes_or_sixteen_make_an_address),
        cmocka_unit_test(ipv4_through_an_ipv6_socket_is_plain_ipv4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
