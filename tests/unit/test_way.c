// SPDX-License-Identifier: ISC
// Whose word counts for a way out, which login goes with it, and which address mail comes from.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "config/load.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "relay/route/way.h"

static const char yaml[] =
    "hostname: relay.test\nusers: /dev/null\n"
    "senders:\n"
    "  - {user: app, from: ['*'], next_hop: ['[hop.test]:587'], source: [192.0.2.9],\n"
    "     next_hop_auth: {user: a, password_file: /dev/null}}\n"
    "  - {user: other, from: ['*']}\n"
    "delivery:\n"
    "  source: [192.0.2.1, 192.0.2.2, 192.0.2.3, '2001:db8::1']\n"
    "  smarthost: ['[smart.test]']\n"
    "  destinations:\n"
    "    - {domain: named.test, next_hop: '[by-rule.test]'}\n"
    "    - {domain: strict.test, tls: dane}\n"
    "    - {domain: hop.test, tls: encrypt}\n"
    "    - {domain: '*', tls: webpki, auth: {user: smart, password_file: /dev/null},\n"
    "       names: [smart.test]}\n";

static struct setup setup;

static int way_begin(void **state)
{
    (void)state;
    struct config_load load;
    config_load_init(&load);
    setup.config = config_load_text("/test.yaml", yaml, sizeof yaml - 1, &load);
    if (!setup.config)
        fprintf(stderr, "%s", buf_text(&load.errors));
    config_load_free(&load);
    return setup.config ? 0 : -1;
}

static int way_end(void **state)
{
    (void)state;
    config_unref(setup.config);
    return 0;
}

static struct plan_input to(const char *domain, bool app)
{
    return (struct plan_input){
        .setup = &setup, .domain = domain, .sender = app ? &setup.config->senders[0] : NULL};
}

static void the_first_that_says_anything_counts(void **state)
{
    (void)state;
    struct cfg_next_hop elsewhere = {.kind = HOP_HOST, .name = (char *)"redirect.test", .port = 25};
    struct plan_input in = to("named.test", true);
    assert_int_equal(way_find(&in).word, WORD_RULE);
    in.redirect = &elsewhere;
    assert_int_equal(way_find(&in).word, WORD_OPERATOR);
    in = to("d.test", true);
    assert_int_equal(way_find(&in).word, WORD_SENDER);
    in = to("d.test", false);
    assert_int_equal(way_find(&in).word, WORD_SMARTHOST);
}

// The password of the smarthost is told to nobody else.
static void case_256_a_rule_for_everything_lends_its_login_to_no_other_hop(void **state)
{
    (void)state;
    struct cfg_next_hop elsewhere = {.kind = HOP_HOST, .name = (char *)"redirect.test", .port = 25};
    struct plan_input in = to("d.test", false);
    struct way way = way_find(&in);
    assert_string_equal(way_terms(&in, &way, &way.hops[0]).login->user, "smart");
    in.redirect = &elsewhere;
    way = way_find(&in);
    assert_null(way_terms(&in, &way, &way.hops[0]).login);
    assert_int_equal(way_terms(&in, &way, &way.hops[0]).least, TLS_WEBPKI); // but its demand holds
    in = to("d.test", true);
    way = way_find(&in);
    struct way_terms terms = way_terms(&in, &way, &way.hops[0]);
    assert_string_equal(terms.login->user, "a");
    assert_string_equal(terms.rule->domain, "hop.test");
}

static void what_a_rule_raises_holds_wherever_mail_goes(void **state)
{
    (void)state;
    struct plan_input in = to("strict.test", true);
    struct way way = way_find(&in);
    assert_int_equal(way.word, WORD_SENDER);
    assert_int_equal(way_terms(&in, &way, &way.hops[0]).least, TLS_DANE);
}

static void a_site_keeps_its_address(void **state)
{
    (void)state;
    struct plan_input in = to("d.test", false);
    unsigned used[3] = {0}, moved = 0;
    struct sockaddr_storage two[2];
    for (int i = 0; i < 2; i++)
        two[i] = setup.config->delivery.sources[i].address;
    for (unsigned i = 0; i < 300; i++) {
        char site[32];
        snprintf(site, sizeof site, "mx.d%u.test:25", i);
        const struct cfg_source *s = way_source(&in, site, AF_INET);
        assert_ptr_equal(s, way_source(&in, site, AF_INET));
        used[s - setup.config->delivery.sources]++;
        struct plan_input fewer = in;
        fewer.local = two; // the third is not on this machine
        fewer.nlocal = 2;
        const struct cfg_source *now = way_source(&fewer, site, AF_INET);
        assert_true(now - setup.config->delivery.sources < 2);
        moved += now != s;
    }
    assert_true(used[0] > 50 && used[1] > 50 && used[2] > 50);
    assert_int_equal(moved, used[2]); // those of the third alone
    in = to("d.test", true);
    assert_ptr_equal(way_source(&in, "x", AF_INET), setup.config->senders[0].sources);
    assert_null(way_source(&in, "x", AF_INET6));
    assert_false(way_uses(&in, AF_INET6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_says_anything_counts),
        cmocka_unit_test(case_256_a_rule_for_everything_lends_its_login_to_no_other_hop),
        cmocka_unit_test(what_a_rule_raises_holds_wherever_mail_goes),
        cmocka_unit_test(a_site_keeps_its_address),
    };
    return cmocka_run_group_tests(tests, way_begin, way_end);
}
