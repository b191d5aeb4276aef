// SPDX-License-Identifier: ISC
// The table of answers with gaps that evaluations ask.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns/facts.h"
#include "relay/base/maxima.h"

static struct dns_answer *found(const char *name, uint16_t type, uint32_t ttl)
{
    struct dns_answer *a = dns_answer_new(name, type);
    a->outcome = DNS_FOUND;
    a->proof = DNS_INSECURE;
    a->ttl = ttl;
    return a;
}

static void a_gap_is_wanted_until_it_is_filled(void **state)
{
    (void)state;
    struct facts *facts = facts_new();
    const char *name;
    uint16_t type;
    assert_null(facts_ask(facts, "Example.ORG.", DNS_MX));
    assert_null(facts_ask(facts, "example.org", DNS_MX)); // the same question
    assert_null(facts_ask(facts, "example.org", DNS_TXT));
    assert_int_equal(facts_count_wanted(facts), 2);
    assert_true(facts_wanted(facts, 0, &name, &type));
    assert_string_equal(name, "example.org");
    assert_int_equal(type, DNS_MX);
    facts_put(facts, found("EXAMPLE.org", DNS_MX, 60));
    assert_true(facts_wanted(facts, 0, &name, &type));
    assert_int_equal(type, DNS_TXT);
    assert_false(facts_wanted(facts, 1, &name, &type));
    const struct dns_answer *a = facts_ask(facts, "example.org", DNS_MX);
    assert_non_null(a);
    facts_put(facts, found("example.org", DNS_MX, 1)); // late and second: the first one stays
    assert_ptr_equal(facts_ask(facts, "example.org", DNS_MX), a);
    facts_free(facts);
}

static void the_order_of_asking_is_kept(void **state)
{
    (void)state;
    struct facts *facts = facts_new();
    facts_put(facts, found("early.example", DNS_A, 5)); // nobody asked yet
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.example", i);
        assert_null(facts_ask(facts, name, DNS_A));
    }
    assert_int_equal(facts_ttl(facts, 77), 77);
    assert_non_null(facts_ask(facts, "early.example", DNS_A));
    assert_int_equal(facts_ttl(facts, 77), 5);
    facts_put(facts, found("n7.example", DNS_A, 3));
    facts_put(facts, found("n3.example", DNS_A, 9));
    assert_string_equal(facts_at(facts, 0)->name, "n3.example");
    assert_string_equal(facts_at(facts, 1)->name, "n7.example");
    assert_string_equal(facts_at(facts, 2)->name, "early.example");
    assert_null(facts_at(facts, 3));
    assert_int_equal(facts_ttl(facts, 77), 3);
    facts_free(facts);
}

static void a_name_that_cannot_be_asked_is_absent_at_once(void **state)
{
    (void)state;
    struct facts *facts = facts_new();
    char much[300];
    memset(much, 'a', sizeof much);
    for (size_t i = 50; i < sizeof much; i += 50)
        much[i] = '.';
    much[sizeof much - 1] = '\0';
    const char *names[] = {"a..example", much, ".example", "\\a.example"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct dns_answer *a = facts_ask(facts, names[i], DNS_TXT);
        assert_non_null(a);
        assert_int_equal(a->outcome, DNS_ABSENT);
        assert_int_equal(a->proof, DNS_INSECURE);
        assert_true(a->nxdomain);
        assert_ptr_equal(facts_ask(facts, names[i], DNS_TXT), a);
    }
    assert_int_equal(facts_count_wanted(facts), 0);
    assert_int_equal(facts_ttl(facts, 1), MAX_TTL);
    facts_free(facts);
    facts_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_is_wanted_until_it_is_filled),
        cmocka_unit_test(the_order_of_asking_is_kept),
        cmocka_unit_test(a_name_that_cannot_be_asked_is_absent_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
