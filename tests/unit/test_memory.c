// SPDX-License-Identifier: ISC
// TLS memory: raised at once, lowered only by age, forgotten on demand.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "tls/memory.h"

#define DAY  INT64_C(86400)
#define NOON (20000 * DAY + DAY / 2)

static struct tls_memory *memory;

static int begin(void **state)
{
    (void)state;
    memory = tls_memory_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_memory_free(memory);
    return 0;
}

static bool learn(const char *host, enum memory_owes owes, bool dane, int64_t now)
{
    return tls_memory_learn(memory, "d.example", host, owes, dane, now, 30);
}

// The one row of d.example's host, as "tls", "certificate", "tls+dane", …, "-" without.
static const char *remembered(const char *host, int64_t now)
{
    static char text[32];
    struct memory_view view;
    tls_memory_get(memory, "d.example", now, 30, &view);
    snprintf(text, sizeof text, "-");
    for (size_t i = 0; i < view.n; i++)
        if (strcmp(view.rows[i].host, host) == 0)
            snprintf(text, sizeof text, "%s%s",
                     view.rows[i].owes == OWES_CERTIFICATE ? "certificate"
                     : view.rows[i].owes == OWES_TLS       ? "tls"
                                                           : "nothing",
                     view.rows[i].dane ? "+dane" : "");
    memory_view_free(&view);
    return text;
}

static void a_proof_is_remembered_for_its_days(void **state)
{
    (void)state;
    assert_true(learn("mx.example", OWES_TLS, false, NOON));
    assert_string_equal(remembered("mx.example", NOON + 30 * DAY - 1), "tls");
    assert_string_equal(remembered("mx.example", NOON + 30 * DAY), "-");
    assert_string_equal(remembered("other.example", NOON), "-");
}

static void a_higher_proof_raises_at_once(void **state)
{
    (void)state;
    learn("mx.example", OWES_TLS, false, NOON);
    assert_true(learn("mx.example", OWES_CERTIFICATE, false, NOON + 1));
    assert_string_equal(remembered("mx.example", NOON + 1), "certificate");
    assert_true(learn("mx.example", OWES_TLS, true, NOON + 2));
    assert_string_equal(remembered("mx.example", NOON + 2), "certificate+dane");
    // What goes to disk is the row, not the last proof.
    const struct memory_row *row = tls_memory_row(memory, "d.example", "mx.example");
    assert_int_equal(row->owes, OWES_CERTIFICATE);
    assert_true(row->dane);
    assert_null(tls_memory_row(memory, "d.example", "other.example"));
}

// Else whoever holds back certificates for a moment would end the memory of them.
static void a_lower_proof_neither_lowers_nor_renews(void **state)
{
    (void)state;
    learn("mx.example", OWES_CERTIFICATE, false, NOON);
    for (int day = 1; day < 30; day++)
        assert_false(learn("mx.example", OWES_TLS, false, NOON + day * DAY));
    assert_string_equal(remembered("mx.example", NOON + 29 * DAY), "certificate");
}

// There is no moment between the old claim and the new one at which nothing is owed.
static void what_it_still_proves_takes_over_when_the_claim_is_old(void **state)
{
    (void)state;
    learn("mx.example", OWES_CERTIFICATE, true, NOON);
    for (int day = 1; day < 30; day++)
        learn("mx.example", OWES_TLS, false, NOON + day * DAY);
    assert_string_equal(remembered("mx.example", NOON + 31 * DAY), "tls");
    assert_true(learn("mx.example", OWES_TLS, false, NOON + 31 * DAY));
    assert_string_equal(remembered("mx.example", NOON + 31 * DAY), "tls");
}

static void a_renewal_is_worth_writing_once_a_day(void **state)
{
    (void)state;
    assert_true(learn("mx.example", OWES_TLS, false, NOON));
    assert_false(learn("mx.example", OWES_TLS, false, NOON + 60));
    assert_true(learn("mx.example", OWES_TLS, false, NOON + DAY));
    assert_string_equal(remembered("mx.example", NOON + 30 * DAY), "tls");
}

static void nothing_proved_is_nothing_learned(void **state)
{
    (void)state;
    assert_false(learn("mx.example", OWES_NOTHING, false, NOON));
    assert_string_equal(remembered("mx.example", NOON), "-");
}

static void names_are_one_whatever_their_case(void **state)
{
    (void)state;
    learn("MX.Example", OWES_TLS, false, NOON);
    assert_false(tls_memory_learn(memory, "D.EXAMPLE", "mx.example", OWES_TLS, false, NOON, 30));
    assert_string_equal(remembered("mx.example", NOON), "tls");
}

static void forgetting_takes_one_host_or_all(void **state)
{
    (void)state;
    learn("mx1.example", OWES_TLS, false, NOON);
    learn("mx2.example", OWES_TLS, false, NOON);
    learn("mx3.example", OWES_TLS, false, NOON);
    assert_int_equal(tls_memory_forget(memory, "d.example", "mx9.example"), 0);
    assert_int_equal(tls_memory_forget(memory, "d.example", "mx1.example"), 1);
    assert_string_equal(remembered("mx1.example", NOON), "-");
    assert_string_equal(remembered("mx3.example", NOON), "tls");
    assert_int_equal(tls_memory_forget(memory, "d.example", NULL), 2);
    assert_int_equal(tls_memory_forget(memory, "d.example", NULL), 0);
}

static void count(const char *domain, const struct memory_row *row, void *arg)
{
    assert_string_equal(domain, "d.example");
    assert_non_null(row->host);
    ++*(size_t *)arg;
}

// A zone that names a new host each time fills its own share and no more; the newest stay.
static void hosts_of_a_domain_are_bounded(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "mx%d.example", i);
        learn(name, OWES_TLS, false, NOON + i);
    }
    size_t n = 0;
    tls_memory_each(memory, count, &n);
    assert_in_range(n, 1, 100);
    assert_string_equal(remembered("mx999.example", NOON + 1000), "tls");
    assert_string_equal(remembered("mx0.example", NOON + 1000), "-");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_proof_is_remembered_for_its_days),
        TEST(a_higher_proof_raises_at_once),
        TEST(a_lower_proof_neither_lowers_nor_renews),
        TEST(what_it_still_proves_takes_over_when_the_claim_is_old),
        TEST(a_renewal_is_worth_writing_once_a_day),
        TEST(nothing_proved_is_nothing_learned),
        TEST(names_are_one_whatever_their_case),
        TEST(forgetting_takes_one_host_or_all),
        TEST(hosts_of_a_domain_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
