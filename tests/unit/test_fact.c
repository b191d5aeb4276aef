// SPDX-License-Identifier: ISC
// Facts as other nodes write them: what is believed, and what is left alone.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "relay/fleet/fact.h"

#define NOW_S  1763726400
#define NOW_MS ((int64_t)NOW_S * 1000)

static struct fact fact;
static struct why why;

static int end(void **state)
{
    (void)state;
    fact_free(&fact);
    return 0;
}

static void believed(enum shared_kind kind, const char *key, const char *body)
{
    fact_free(&fact);
    if (fact_read(kind, key, body, NOW_MS - 5, NOW_MS, &fact, &why) < 0)
        fail_msg("%s %s: %s", key, body, why.text);
}

static void each_kind_says_what_it_says(void **state)
{
    (void)state;
    believed(SHARED_POLICY, "a.example",
             "[\"1\", \"version: STSv1\\nmode: enforce\\nmx: mx.a.example\\nmax_age: 86400\\n\","
             " 1763726000, 1999999999]");
    assert_string_equal(fact.policy.domain, "a.example");
    assert_int_equal(fact.policy.expires_s, 1763726000 + 86400); // no longer than it says itself
    assert_int_equal(fact.at_ms, 1763726000000);
    believed(
        SHARED_POLICY, "a.example",
        "[\"1\", \"version: STSv1\\nmode: none\\nmax_age: 86400\\n\", 1763726500, 1999999999]");
    assert_int_equal(fact.policy.fetched_s, NOW_S);
    assert_int_equal(fact.policy.expires_s, NOW_S + 86400);
    believed(SHARED_MEMORY, "a.example\nmx.a.example", "[2, 1, 1763726401]");
    assert_int_equal(fact.memory.owes, OWES_CERTIFICATE);
    assert_true(fact.memory.dane);
    assert_int_equal(fact.memory.seen_s, NOW_S); // a clock that is ahead makes nothing last longer
    believed(SHARED_SUPPRESSED, "\nx@a.example", "[1, 1763726400000, 0, \"no more\"]");
    assert_string_equal(fact.suppressed.sender, "");
    assert_string_equal(fact.suppressed.reason, "no more");
    believed(SHARED_SUPPRESSED, "b.example\na.example", "[0, 1, 2, \"\"]");
    believed(SHARED_BAN, "1\napp", "[1763726400000, 1763726500000, 3]");
    assert_int_equal(fact.ban.kind, BAN_USER);
    believed(
        SHARED_SITE, "mx.a.example:25",
        "[5, 0.0, 12.5, 2, 1763726400001, \"mx.a.example\", \"4.7.0\", \"421 slow\\n\", \"x\"]");
    assert_int_equal(fact.site.window, 5);
    assert_int_equal(fact.site.taught_ms, NOW_MS); // a clock that is ahead
    assert_string_equal(fact.site.host, "mx.a.example");
    assert_string_equal(fact.site.reply, ""); // no line that a screen should have
    believed(SHARED_MEMORY, "a.example\nmx.a.example", NULL);
    assert_true(fact.gone);
    assert_int_equal(fact.at_ms, NOW_MS - 5);
    believed(SHARED_BAN, "0\n192.0.2.1", NULL);
    fact_free(&fact); // taken out by a clock that is ahead: no later than now
    assert_int_equal(fact_read(SHARED_BAN, "0\na", NULL, NOW_MS + 5, NOW_MS, &fact, &why), 0);
    assert_int_equal(fact.at_ms, NOW_MS);
}

static const struct {
    enum shared_kind kind;
    const char *key, *body;
} bad[] = {
    {SHARED_POLICY, "a.example", "{}"},
    {SHARED_POLICY, "a.example", "[\"1\", \"mode: enforce\", 1, 2]"},
    {SHARED_POLICY, "a.example", "[\"1;\", \"version: STSv1\\nmode: none\\nmax_age: 1\\n\", 1, 2]"},
    {SHARED_POLICY, "a.example", "[\"1\", \"version: STSv1\\nmode: none\\nmax_age: 1\\n\", -1, 2]"},
    {SHARED_POLICY, "a.example",
     "[\"1\", \"version: STSv1\\nmode: none\\nmax_age: 1\\n\", 1763727000, 1763728000]"},
    {SHARED_POLICY, "a.example", NULL},
    {SHARED_POLICY, "A.example", "[\"1\", \"version: STSv1\\nmode: none\\nmax_age: 1\\n\", 1, 2]"},
    {SHARED_POLICY, "a.example\nb",
     "[\"1\", \"version: STSv1\\nmode: none\\nmax_age: 1\\n\", 1, 2]"},
    {SHARED_MEMORY, "a.example", "[1, 0, 5]"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[0, 0, 5]"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[3, 0, 5]"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[1, 2, 5]"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[1, 0, 5, 6]"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[1.5, 0, 5]"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[1, 0, 9999999999]"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[1, 0, 5"},
    {SHARED_MEMORY, "a.example\nmx.a.example", "[1, 0, \"5\"]"},
    {SHARED_MEMORY, "a.example\n", NULL},
    {SHARED_SUPPRESSED, "nobody", "[1, 2, 3, \"x\"]"},
    {SHARED_SUPPRESSED, "\nX@a.example", "[1, 2, 3, \"x\"]"},
    {SHARED_SUPPRESSED, "\nx@a.example", "[3, 2, 3, \"x\"]"}, // of a file: that is each node's own
    {SHARED_SUPPRESSED, "\nx@a.example", "[1, 2, 3, \"\\u001b\"]"},
    {SHARED_SUPPRESSED, "\nx@a.example", "[1, 2, 3, \"\\u0000\"]"},
    {SHARED_SUPPRESSED, "\nx@a.example", "[1, 9999999999999, 0, \"\"]"},
    {SHARED_BAN, "2\n192.0.2.1 app", "[1, 2, 3]"},
    {SHARED_BAN, "0\n", "[1, 2, 3]"},
    {SHARED_BAN, "0\na\tb", "[1, 2, 3]"},
    {SHARED_BAN, "0\na", "[1, 2, -3]"},
    {SHARED_SITE, "a", "[5, 0, 0, 5, 1, \"\", \"\", \"\", \"\"]"}, // that it is away
    {SHARED_SITE, "a", "[5, -1, 0, 2, 1, \"\", \"\", \"\", \"\"]"},
    {SHARED_SITE, "a", "[5, 0, 0, 2, 9999999999999, \"\", \"\", \"\", \"\"]"},
    {SHARED_SITE, "a\x1b", "[5, 0, 0, 2, 1, \"\", \"\", \"\", \"\"]"},
    {SHARED_SITE, "a", NULL},
    {SHARED_KINDS, "a", "[]"},
    {(enum shared_kind)0, "a", NULL},
};

static void nonsense_is_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fact_free(&fact);
        if (fact_read(bad[i].kind, bad[i].key, bad[i].body, 5, NOW_MS, &fact, &why) == 0)
            fail_msg("%zu: %s %s", i, bad[i].key, bad[i].body);
    }
    fact_free(&fact);
    assert_int_equal(fact_read(SHARED_BAN, "0\na", NULL, NOW_MS * 2, NOW_MS, &fact, &why), -1);
    fact_free(&fact);
    char *large = calloc(1, FACT_BODY + 3);
    memset(large, ' ', FACT_BODY + 2);
    large[0] = '[';
    large[FACT_BODY + 1] = ']';
    assert_int_equal(fact_read(SHARED_BAN, "0\na", large, 1, NOW_MS, &fact, &why), -1);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_kind_says_what_it_says, end),
        cmocka_unit_test_teardown(nonsense_is_left_alone, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
