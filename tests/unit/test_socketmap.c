// SPDX-License-Identifier: ISC
// What a Postfix that delivers by itself asks and hears.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/socketmap/answer.h"
#include "relay/socketmap/request.h"

static void questions_come_as_netstrings(void **state)
{
    (void)state;
    struct span key;
    size_t used;
    struct span in = span_text("17:QUERY example.org,12:QUERY [a.b],");
    assert_int_equal(socketmap_request(in, &key, &used), SOCKETMAP_READY);
    assert_true(span_is(key, "example.org"));
    assert_int_equal(used, 21);
    for (size_t n = 0; n < used; n++)
        assert_int_equal(socketmap_request(span_slice(in, 0, n), &key, &used), SOCKETMAP_MORE);
}

static void what_is_no_question_ends_the_connection(void **state)
{
    (void)state;
    static const char *const bad[] = {
        ":QUERY a,", "07:QUERY a,", "7:QUERY a;", "5:QUERY,", "9999999999999999999999:",
        "1025:",     "x",           "-1:a,"};
    struct span key;
    size_t used;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(socketmap_request(span_text(bad[i]), &key, &used), SOCKETMAP_BAD);
}

static void only_domains_have_a_policy(void **state)
{
    (void)state;
    static const char *const no[] = {"", ".example.org", "[mx.example.org]", "example.org:25",
                                     "a b"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_null(socketmap_domain(span_text(no[i])));
    char *domain = socketmap_domain(span_text("Example.ORG"));
    assert_string_equal(domain, "example.org");
    free(domain);
}

// Hosts "mx1.test", "mx2.test" with these demands; refused ones are not usable.
static const char *answer(const char *const *patterns, size_t n, const enum tls_level *levels,
                          enum demand_source source, bool second_refused)
{
    static char text[512];
    static const char *const names[] = {"mx1.test", "mx2.test"};
    struct route_host hosts[2] = {0};
    struct route route = {.verdict = ROUTE_DELIVER, .hosts = hosts, .nhosts = n};
    struct buf out;
    buf_init(&out, sizeof text);
    for (size_t i = 0; i < n; i++) {
        hosts[i].host = (char *)names[i];
        hosts[i].demand.level = levels[i];
        hosts[i].demand.source = source;
        hosts[i].demand.names[0] = (char *)names[i];
        hosts[i].demand.nnames = 1;
    }
    hosts[1].demand.refuse = second_refused;
    while (patterns && patterns[route.sts.nmx])
        route.sts.nmx++;
    route.sts.mx = (char **)patterns;
    socketmap_answer(&route, &out);
    snprintf(text, sizeof text, "%s", buf_text(&out));
    buf_free(&out);
    return text;
}

#define LEVELS(...) ((const enum tls_level[]){__VA_ARGS__})

static void each_demand_has_its_word(void **state)
{
    (void)state;
    static const char *const patterns[] = {"mx1.test", "*.mail.test", NULL};
    assert_string_equal(answer(NULL, 1, LEVELS(TLS_OPPORTUNISTIC), SOURCE_DEFAULT, false),
                        "OK may");
    assert_string_equal(answer(NULL, 1, LEVELS(TLS_ENCRYPT), SOURCE_DEFAULT, false), "OK encrypt");
    assert_string_equal(answer(NULL, 1, LEVELS(TLS_DANE), SOURCE_DANE, false), "OK dane-only");
    assert_string_equal(answer(NULL, 1, LEVELS(TLS_WEBPKI), SOURCE_RULE, false),
                        "OK secure match=mx1.test");
    assert_string_equal(answer(patterns, 1, LEVELS(TLS_WEBPKI), SOURCE_STS, false),
                        "OK secure match=mx1.test:.mail.test servername=hostname");
}

static void where_hosts_differ_none_is_reached_with_less(void **state)
{
    (void)state;
    assert_string_equal(answer(NULL, 2, LEVELS(TLS_DANE, TLS_ENCRYPT), SOURCE_DANE, false),
                        "OK dane-only");
    assert_string_equal(answer(NULL, 2, LEVELS(TLS_DANE, TLS_OPPORTUNISTIC), SOURCE_DANE, false),
                        "OK dane");
    assert_string_equal(answer(NULL, 2, LEVELS(TLS_DANE, TLS_WEBPKI), SOURCE_RULE, false),
                        "OK secure match=mx2.test");
    assert_string_equal(
        answer(NULL, 2, LEVELS(TLS_ENCRYPT, TLS_OPPORTUNISTIC), SOURCE_MEMORY, false),
        "OK encrypt");
    assert_string_equal(answer(NULL, 2, LEVELS(TLS_ENCRYPT, TLS_WEBPKI), SOURCE_MEMORY, true),
                        "OK encrypt");
    assert_string_equal(answer(NULL, 0, NULL, SOURCE_DEFAULT, false),
                        "TEMP no host of the domain may be used");
}

static void a_reason_is_one_line(void **state)
{
    (void)state;
    struct route route = {.verdict = ROUTE_DEFER};
    struct buf out;
    buf_init(&out, 600);
    why_set(&route.why, WHY_DOMAIN, "4.4.3", "first\r\nsecond \033[1m");
    socketmap_answer(&route, &out);
    assert_string_equal(buf_text(&out), "TEMP first??second ?[1m");
    buf_reset(&out);
    route.verdict = ROUTE_BOUNCE;
    socketmap_answer(&route, &out);
    assert_string_equal(buf_text(&out), "NOTFOUND ");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_come_as_netstrings),
        cmocka_unit_test(what_is_no_question_ends_the_connection),
        cmocka_unit_test(only_domains_have_a_policy),
        cmocka_unit_test(each_demand_has_its_word),
        cmocka_unit_test(where_hosts_differ_none_is_reached_with_less),
        cmocka_unit_test(a_reason_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
