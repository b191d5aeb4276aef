// SPDX-License-Identifier: ISC
// Names are counted apart up to the limit, whoever counts them and however many threads meet at a new one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/tally.h"

static struct tally tally;
static struct tally_row rows[TALLY_NAMES + 1];

static const struct tally_row *row(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    fail_msg("no %s", name);
    return NULL;
}

static void names_are_counted_apart(void **state)
{
    (void)state;
    assert_int_equal(tally_read(&tally, rows), 0);
    tally_add(&tally, "app", 0, 1);
    tally_add(&tally, "app", 2, 5);
    tally_add(&tally, "", 1, 3);
    tally_add(&tally, "app", 0, 1);
    size_t n = tally_read(&tally, rows);
    assert_int_equal(n, 2);
    assert_int_equal(row("app", n)->n[0], 2);
    assert_int_equal(row("app", n)->n[2], 5);
    assert_int_equal(row("", n)->n[1], 3);
}

static void case_200_a_series_of_names_has_an_end(void **state)
{
    (void)state;
    char name[20];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3 * TALLY_NAMES; i++) {
            snprintf(name, sizeof name, "login%d", i);
            tally_add(&tally, name, 0, 1);
        }
    size_t n = tally_read(&tally, rows);
    assert_int_equal(n, TALLY_NAMES + 1);
    assert_string_equal(rows[TALLY_NAMES].name, "other");
    assert_int_equal(rows[TALLY_NAMES].n[0], 2 * 2 * TALLY_NAMES);
    assert_int_equal(row("login0", n)->n[0], 2);
}

// A login may be called "other": two series of one name would spoil the whole page.
static void case_200_who_is_called_other_is_counted_with_the_others(void **state)
{
    (void)state;
    tally_add(&tally, "other", 0, 1);
    tally_add(&tally, "b", 0, 1);
    size_t n = tally_read(&tally, rows);
    assert_int_equal(n, 2);
    assert_string_equal(rows[1].name, "other");
}

static void *count_all(void *arg)
{
    (void)arg;
    char name[20];
    for (int i = 0; i < 20 * TALLY_NAMES; i++) {
        snprintf(name, sizeof name, "n%d", i % TALLY_NAMES);
        tally_add(&tally, name, 1, 1);
    }
    return NULL;
}

static void threads_agree_on_a_name(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_all, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    size_t n = tally_read(&tally, rows);
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all += rows[i].n[1];
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rows[i].name, rows[k].name);
    }
    assert_int_equal(all, 4 * 20 * TALLY_NAMES);
}

static int clear(void **state)
{
    (void)state;
    tally_clear(&tally);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(names_are_counted_apart, clear),
        cmocka_unit_test_teardown(case_200_a_series_of_names_has_an_end, clear),
        cmocka_unit_test_teardown(case_200_who_is_called_other_is_counted_with_the_others, clear),
        cmocka_unit_test_teardown(threads_agree_on_a_name, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
