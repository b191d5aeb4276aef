// SPDX-License-Identifier: ISC
// Replies in wire format, built by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns/wire.h"
#include "dns/rdata.h"
#include "relay/base/buf.h"

// A reply to (mx.example, type): header with counts, question at offset 12.
static void begin(struct buf *b, int rcode, uint16_t type, int answers, int authority)
{
    buf_init(b, 65535);
    const unsigned char head[] = {0,    0,
                                  0x81, (unsigned char)(0x80 | rcode),
                                  0,    1,
                                  0,    (unsigned char)answers,
                                  0,    (unsigned char)authority,
                                  0,    0};
    buf_add(b, head, sizeof head);
    buf_add(b, "\2mX\7example\0", 12);
    buf_addc(b, (char)(type >> 8));
    buf_addc(b, (char)type);
    buf_add(b, "\0\1", 2);
}

static void record(struct buf *b, const char *owner, size_t nowner, uint16_t type, uint32_t ttl,
                   const char *rdata, size_t n)
{
    buf_add(b, owner, nowner);
    const unsigned char fixed[] = {(unsigned char)(type >> 8),
                                   (unsigned char)type,
                                   0,
                                   1,
                                   (unsigned char)(ttl >> 24),
                                   (unsigned char)(ttl >> 16),
                                   (unsigned char)(ttl >> 8),
                                   (unsigned char)ttl,
                                   (unsigned char)(n >> 8),
                                   (unsigned char)n};
    buf_add(b, fixed, sizeof fixed);
    buf_add(b, rdata, n);
}
#define RECORD(b, owner, type, ttl, rdata)                                                         \
    record(b, owner, sizeof owner - 1, type, ttl, rdata, sizeof rdata - 1)
#define SELF "\xc0\x0c" // the question's name
#define SOA  "\xc0\x0f\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x1e"

static struct dns_answer *fresh(uint16_t type)
{
    struct dns_answer *a = dns_answer_new("MX.example.", type);
    a->ttl = WIRE_TTL_FIRST;
    return a;
}

static void names_in_rdata_are_uncompressed(void **state)
{
    (void)state;
    struct buf b;
    begin(&b, 0, DNS_MX, 2, 0);
    RECORD(&b, SELF, DNS_MX, 300, "\0\5\4HOST\xc0\x0f");
    RECORD(&b, SELF, DNS_MX, 200, "\0\0\0");
    struct dns_answer *a = fresh(DNS_MX);
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_FOUND);
    struct dns_mx mx;
    assert_int_equal(a->nrecords, 2);
    assert_true(rdata_mx(a->records[0].rdata, &mx));
    assert_string_equal(mx.host, "host.example");
    assert_int_equal(a->ttl, 200);
    assert_int_equal(a->outcome, DNS_FOUND);
    dns_answer_unref(a);
    buf_free(&b);
}

static void aliases_are_followed_in_any_order(void **state)
{
    (void)state;
    struct buf b;
    begin(&b, 0, DNS_A, 3, 0);
    RECORD(&b, "\1C\xc0\x0f", DNS_A, 100, "\1\2\3\4");
    RECORD(&b, SELF, DNS_CNAME, 50, "\1b\xc0\x0f");
    RECORD(&b, "\1B\xc0\x0f", DNS_CNAME, 70, "\1c\7EXAMPLE\0");
    struct dns_answer *a = fresh(DNS_A);
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_FOUND);
    assert_string_equal(a->canonical, "c.example");
    assert_string_equal(a->name, "mx.example");
    assert_true(a->alias);
    assert_int_equal(a->ttl, 50);
    dns_answer_unref(a);
    buf_free(&b);
}

static void a_chain_of_replies_is_one_answer(void **state)
{
    (void)state;
    struct buf b;
    begin(&b, 0, DNS_A, 1, 0);
    RECORD(&b, SELF, DNS_CNAME, 50, "\5other\3net\0");
    struct dns_answer *a = fresh(DNS_A);
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_ALIAS);
    assert_string_equal(a->canonical, "other.net");
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_BROKEN); // another question by now
    assert_string_equal(a->canonical, "other.net");
    buf_free(&b);
    begin(&b, 3, DNS_A, 1, 1); // NXDOMAIN is about the end of the chain, RFC 6604
    RECORD(&b, SELF, DNS_CNAME, 50, "\4gone\xc0\x0f");
    RECORD(&b, "\xc0\x0f", DNS_SOA, 40, SOA);
    dns_answer_unref(a);
    a = fresh(DNS_A);
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_ABSENT);
    assert_true(a->nxdomain && a->alias);
    assert_int_equal(a->ttl, 30);
    dns_answer_unref(a);
    buf_free(&b);
}

static void rcode_and_truncation_are_told(void **state)
{
    (void)state;
    struct buf b;
    struct dns_answer *a = fresh(DNS_A);
    begin(&b, 2, DNS_A, 0, 0);
    struct wire_reply m = wire_read(buf_span(&b), a);
    assert_int_equal(m.end, WIRE_FAILED);
    assert_string_equal(wire_rcode_word(m.rcode), "SERVFAIL");
    b.data[2] |= 2;
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_CUT);
    buf_free(&b);
    begin(&b, 0, DNS_A, 0, 0);
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_ABSENT);
    assert_false(a->nxdomain);
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_ABSENT);
    dns_answer_unref(a);
    buf_free(&b);
}

static void hostile_replies_are_refused_whole(void **state)
{
    (void)state;
    struct buf b;
    begin(&b, 0, DNS_MX, 2, 0);
    RECORD(&b, SELF, DNS_MX, 300, "\0\5\4host\xc0\x0f");
    RECORD(&b, SELF, DNS_MX, 300, "\0\5\4host\xc0\x0f");
    for (size_t n = 0; n < b.len; n++) { // cut anywhere
        struct dns_answer *a = fresh(DNS_MX);
        assert_int_equal(wire_read(span_of(b.data, n), a).end, WIRE_BROKEN);
        assert_int_equal(a->nrecords, 0);
        assert_int_equal(a->ttl, WIRE_TTL_FIRST);
        dns_answer_unref(a);
    }
    static const struct {
        const char *rdata;
        size_t n;
    } wrong[] = {{"\0\5\xc0\x2c", 4},          // a pointer to itself
                 {"\0\5\xc0\xff", 4},          // forwards
                 {"\0\5\4host\xc0\x0f\0", 10}, // something behind the name
                 {"\0\5\4host", 7},            // no end
                 {"\0\5", 2},
                 {"\0", 1},
                 {"", 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        buf_free(&b);
        begin(&b, 0, DNS_MX, 1, 0);
        record(&b, SELF, 2, DNS_MX, 300, wrong[i].rdata, wrong[i].n);
        struct dns_answer *a = fresh(DNS_MX);
        assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_BROKEN);
        dns_answer_unref(a);
    }
    buf_free(&b);
    begin(&b, 0, DNS_A, 1, 0); // an alias of itself
    RECORD(&b, SELF, DNS_CNAME, 50, SELF);
    struct dns_answer *a = fresh(DNS_A);
    assert_int_equal(wire_read(buf_span(&b), a).end, WIRE_BROKEN);
    assert_false(a->alias);
    dns_answer_unref(a);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_rdata_are_uncompressed),
        cmocka_unit_test(aliases_are_followed_in_any_order),
        cmocka_unit_test(a_chain_of_replies_is_one_answer),
        cmocka_unit_test(rcode_and_truncation_are_told),
        cmocka_unit_test(hostile_replies_are_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
