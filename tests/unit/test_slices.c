// SPDX-License-Identifier: ISC
// What limits of a fleet leave one node: slices, debts, shares. The database is played here.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "relay/base/clock.h"
#include "relay/worker/slices_inside.h"
#include "relay/worker/worker.h"

static struct slices *s;
static struct slice_list list;
static const struct slice_budget hundred = {.size = 100, .per_ms = 0.00001, .credit = 1};
static struct worker worker, *woken;

static int begin(void **state)
{
    (void)state;
    s = slices_new();
    slices_nodes(s, 4);
    slices_contact(s, clock_boot_ms());
    woken = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    slices_free(s);
    return 0;
}

static void note_wake(struct worker *w)
{
    woken = w;
}

static unsigned spent(unsigned most)
{
    unsigned n = 0;
    while (n < most && slices_spend(s, NULL, "messages a", &hundred, 1))
        n++;
    return n;
}

// The one budget that is due, answered.
static struct slice_ask answered(enum slice_kind kind, double granted, double tokens)
{
    slices_due(s, kind, false, &list);
    assert_int_equal(list.n, 1);
    struct slice_ask ask = list.asks[0];
    list.asks[0].granted = granted;
    list.asks[0].tokens = tokens;
    slices_settle(s, &list, true, note_wake);
    return ask;
}

static void one_message_goes_ahead_of_the_answer(void **state)
{
    (void)state;
    assert_int_equal(spent(10), 1);
    struct slice_ask ask = answered(SLICE_RATES, 4, 90);
    assert_int_equal((int)ask.debt, 1);
    assert_int_equal((int)ask.want, 4);
    assert_int_equal(spent(10), 5); // what came, and one
}

static void of_a_large_budget_the_part_of_two_percent_goes_ahead(void **state)
{
    (void)state;
    const struct slice_budget large = {.size = 10000, .per_ms = 0.01, .credit = 1};
    unsigned n = 0;
    while (n < 1000 && slices_spend(s, NULL, "messages b", &large, 1))
        n++;
    assert_int_equal(n, 50);
}

static void an_empty_budget_lends_nothing_until_it_fills(void **state)
{
    (void)state;
    assert_int_equal(spent(10), 1);
    answered(SLICE_RATES, 0, 0);
    assert_int_equal(spent(10), 0);
    assert_true(slices_left(s, "messages a", &hundred) < 1);
    clock_mono_advance(100001); // one is back
    slices_contact(s, clock_boot_ms());
    assert_int_equal(spent(10), 1);
}

static void whoever_waits_for_a_message_is_woken(void **state)
{
    (void)state;
    const struct slice_budget site = {.size = 4, .per_ms = 0.001, .credit = 0};
    assert_false(slices_spend(s, &worker, "site x", &site, 1));
    answered(SLICE_RATES, 1, 1);
    assert_ptr_equal(woken, &worker);
    assert_true(slices_spend(s, &worker, "site x", &site, 1));
    assert_false(slices_spend(s, &worker, "site x", &site, 1));
}

static void what_is_idle_goes_back(void **state)
{
    (void)state;
    spent(1);
    answered(SLICE_RATES, 4, 90);
    slices_due(s, SLICE_RATES, false, &list);
    assert_int_equal(list.n, 0);
    clock_mono_advance(3001);
    struct slice_ask ask = answered(SLICE_RATES, 0, 94);
    assert_int_equal((int)ask.debt, -4);
    assert_int_equal((int)ask.want, 0);
    slices_due(s, SLICE_RATES, false, &list);
    assert_int_equal(list.n, 0);
}

static void a_question_that_failed_lends_twice_and_gives_nothing(void **state)
{
    (void)state;
    spent(1);
    slices_due(s, SLICE_RATES, false, &list);
    assert_int_equal((int)list.asks[0].debt, 1);
    slices_settle(s, &list, false, note_wake);
    slices_due(s, SLICE_RATES, false, &list);
    assert_int_equal((int)list.asks[0].debt, 1); // it may have been told: better twice than never
    slices_settle(s, &list, true, note_wake);
}

static void away_from_the_database_a_node_has_its_share(void **state)
{
    (void)state;
    spent(1);
    answered(SLICE_RATES, 4, 90);
    slices_connected(s, false);
    assert_int_equal(slices_alone(s), 0);
    assert_int_equal(spent(100), 24); // a quarter, and one was spent before
    assert_int_equal(slices_alone(s), 20);
    slices_connected(s, true);
    struct slice_ask ask = answered(SLICE_RATES, 0, 10);
    assert_int_equal((int)ask.debt, 20);
}

static void what_was_drawn_ends_where_nothing_is_heard_of_the_database(void **state)
{
    (void)state;
    const struct slice_budget small = {.size = 4, .per_ms = 1e-9, .credit = 1};
    assert_true(slices_spend(s, NULL, "messages c", &small, 1));
    answered(SLICE_RATES, 3, 0);
    slices_connected(s, false);
    clock_mono_advance(SLICES_LEASE_MS + 1);
    assert_false(slices_spend(s, NULL, "messages c", &small, 1)); // its share, one, is spent
}

static void an_answer_that_does_not_come_makes_room_for_the_share(void **state)
{
    (void)state;
    assert_int_equal(spent(10), 1);
    slices_due(s, SLICE_RATES, false, &list);
    clock_mono_advance(SLICES_SLOW_MS + 1);
    assert_int_equal(spent(100), 24);
    slices_settle(s, &list, true, note_wake);
}

static void what_is_spent_within_a_second_is_drawn_twice_as_large(void **state)
{
    (void)state;
    const struct slice_budget large = {.size = 8000, .per_ms = 1e-9, .credit = 1};
    assert_true(slices_spend(s, NULL, "messages d", &large, 1));
    assert_int_equal((int)answered(SLICE_RATES, 100, 7900).want, 100);
    assert_true(slices_spend(s, NULL, "messages d", &large, 60));
    assert_int_equal((int)answered(SLICE_RATES, 200, 7700).want, 200);
    clock_mono_advance(1000);
    assert_true(slices_spend(s, NULL, "messages d", &large, 200));
    assert_int_equal((int)answered(SLICE_RATES, 0, 7700).want, 200);
}

static void of_more_names_than_are_known_the_oldest_is_forgotten(void **state)
{
    (void)state;
    struct slices_view view;
    char name[32];
    spent(1);
    answered(SLICE_RATES, 4, 90);
    slices_look(s, &view);
    assert_int_equal(view.rates, 1);
    for (unsigned i = 0; i < SLICES_KNOWN; i++) {
        snprintf(name, sizeof name, "messages %u", i);
        slices_left(s, name, &hundred);
    }
    slices_look(s, &view);
    assert_int_equal(view.rates, 0);
}

static unsigned places(unsigned used, unsigned want)
{
    const struct slice_use use = {.most = 20, .used = used, .want = want};
    return slices_places(s, &worker, "mx.example", &use);
}

static struct slice_ask held(unsigned n, unsigned goal, bool starving)
{
    slices_due(s, SLICE_PLACES, false, &list);
    assert_int_equal(list.n, 1);
    struct slice_ask ask = list.asks[0];
    list.asks[0].held = n;
    list.asks[0].goal = goal;
    list.asks[0].starving = starving;
    slices_settle(s, &list, true, note_wake);
    return ask;
}

static void connections_wait_for_the_answer_and_are_held_for_a_time(void **state)
{
    (void)state;
    assert_int_equal(places(0, 30), 0);
    assert_int_equal(held(12, 12, false).use.want, 20);
    assert_ptr_equal(woken, &worker);
    assert_int_equal(places(3, 30), 12);
    clock_mono_advance(SLICES_LEASE_MS + 1);
    assert_int_equal(places(3, 30), 0);
}

static void connections_that_others_want_are_given_back_as_they_end(void **state)
{
    (void)state;
    places(0, 20);
    held(20, 20, false);
    assert_int_equal(places(20, 20), 20);
    clock_mono_advance(3000);
    held(20, 5, false);
    assert_int_equal(places(20, 20), 5);
    clock_mono_advance(1001);
    places(9, 20);
    assert_int_equal(held(9, 5, false).use.used, 9);
    assert_int_equal(places(9, 20), 5);
}

static void what_is_held_counts_from_before_the_question(void **state)
{
    (void)state;
    places(0, 1);
    slices_due(s, SLICE_PLACES, false, &list);
    list.asks[0].held = list.asks[0].goal = 1;
    clock_mono_advance(SLICES_LEASE_MS / 2);
    slices_settle(s, &list, true, note_wake);
    assert_int_equal(places(0, 1), 1);
    clock_mono_advance(SLICES_LEASE_MS / 2 + 1);
    assert_int_equal(places(0, 1), 0);
}

static void connections_that_nobody_needs_go_back_when_they_were_idle_for_a_while(void **state)
{
    (void)state;
    places(0, 20);
    held(20, 20, false);
    places(2, 2);
    slices_due(s, SLICE_PLACES, false, &list);
    assert_int_equal(list.n, 0); // they may be wanted in a moment
    clock_mono_advance(SLICES_IDLE_MS + 1);
    assert_int_equal(held(2, 2, false).use.want, 2);
}

static void connections_too_are_shared_where_an_answer_does_not_come(void **state)
{
    (void)state;
    assert_int_equal(places(0, 20), 0);
    clock_mono_advance(SLICES_SLOW_MS + 1);
    assert_int_equal(places(0, 20), 5);
}

static void the_last_connection_goes_round(void **state)
{
    (void)state;
    places(0, 1);
    held(1, 1, false);
    assert_int_equal(places(1, 1), 1);
    clock_mono_advance(6000);
    held(1, 1, true);
    assert_int_equal(places(1, 1), 0); // nothing new begins
    places(0, 1);
    assert_int_equal(held(0, 0, false).use.want, 0);
    assert_int_equal(places(0, 1), 0);
    slices_due(s, SLICE_PLACES, false, &list);
    assert_int_equal(list.n, 0); // it is others' turn
    clock_mono_advance(3000);
    places(0, 1);
    assert_int_equal(held(1, 1, false).use.want, 1);
}

static void away_from_the_database_connections_are_shared_evenly(void **state)
{
    (void)state;
    slices_connected(s, false);
    assert_int_equal(places(0, 20), 5);
    const struct slice_use one = {.most = 1, .used = 0, .want = 1};
    assert_int_equal(slices_places(s, &worker, "other.example", &one), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(one_message_goes_ahead_of_the_answer),
        TEST(of_a_large_budget_the_part_of_two_percent_goes_ahead),
        TEST(an_empty_budget_lends_nothing_until_it_fills),
        TEST(whoever_waits_for_a_message_is_woken),
        TEST(what_is_idle_goes_back),
        TEST(a_question_that_failed_lends_twice_and_gives_nothing),
        TEST(away_from_the_database_a_node_has_its_share),
        TEST(what_was_drawn_ends_where_nothing_is_heard_of_the_database),
        TEST(an_answer_that_does_not_come_makes_room_for_the_share),
        TEST(what_is_spent_within_a_second_is_drawn_twice_as_large),
        TEST(of_more_names_than_are_known_the_oldest_is_forgotten),
        TEST(what_is_held_counts_from_before_the_question),
        TEST(connections_that_nobody_needs_go_back_when_they_were_idle_for_a_while),
        TEST(connections_too_are_shared_where_an_answer_does_not_come),
        TEST(connections_wait_for_the_answer_and_are_held_for_a_time),
        TEST(connections_that_others_want_are_given_back_as_they_end),
        TEST(the_last_connection_goes_round),
        TEST(away_from_the_database_connections_are_shared_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
