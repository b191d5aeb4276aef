// SPDX-License-Identifier: ISC
// Connections, rates and turns at hashing.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/worker/limits.h"
#include "tests/unit/address_story.h"

static struct limits *_Atomic slot;
static struct limits *l;

static int begin(void **state)
{
    (void)state;
    l = limits_shared(&slot);
    return 0;
}

static int end(void **state)
{
    (void)state;
    limits_unref(l);
    return slot ? -1 : 0;
}

static void workers_share_one(void **state)
{
    (void)state;
    struct limits *again = limits_shared(&slot);
    assert_ptr_equal(again, l);
    limits_unref(again);
    assert_non_null(slot);
}

static void connections_count_by_client(void **state)
{
    (void)state;
    assert_true(limits_enter(l, address("2001:db8::1"), 2));
    assert_true(limits_enter(l, address("2001:db8::ffff:1"), 2)); // the same /64
    assert_false(limits_enter(l, address("2001:db8::2"), 2));
    assert_true(limits_enter(l, address("2001:db8:0:1::2"), 2));
    assert_true(limits_enter(l, address("192.0.2.1"), 1));
    assert_false(limits_enter(l, address("::ffff:192.0.2.1"), 1)); // the same client
    assert_true(limits_enter(l, address("192.0.2.2"), 1));
    limits_leave(l, address("2001:db8::9"));
    assert_true(limits_enter(l, address("2001:db8::2"), 2));
}

static void rates_are_buckets(void **state)
{
    (void)state;
    struct rate two = {2, 3600000}, none = {0, 0};
    assert_true(limits_spend(l, LIMITS_MESSAGES, "app", two, 1));
    assert_true(limits_spend(l, LIMITS_MESSAGES, "app", two, 1));
    assert_false(limits_spend(l, LIMITS_MESSAGES, "app", two, 1));
    assert_true(limits_spend(l, LIMITS_RECIPIENTS, "app", two, 2));
    assert_true(limits_spend(l, LIMITS_MESSAGES, "other", two, 1));
    assert_true(limits_spend(l, LIMITS_MESSAGES, "app", none, 1000));
    assert_int_equal(limits_left(l, LIMITS_MESSAGES, "app", two), 0);
    assert_int_equal(limits_left(l, LIMITS_MESSAGES, "other", two), 1);
    assert_int_equal(limits_left(l, LIMITS_MESSAGES, "nobody", two), 2);
    assert_true(limits_left(l, LIMITS_MESSAGES, "app", none) == UINT64_MAX);
    struct rate fast = {1, 20};
    assert_true(limits_spend(l, LIMITS_RECIPIENTS, "x", fast, 1));
    usleep(50000);
    assert_true(limits_spend(l, LIMITS_RECIPIENTS, "x", fast, 1));
}

// What strangers choose as keys cannot grow without end.
static void tables_are_bounded(void **state)
{
    (void)state;
    struct rate one = {1, 3600000};
    char name[32];
    for (int i = 0; i < LIMITS_ENTRIES + 10; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_true(limits_spend(l, LIMITS_MESSAGES, name, one, 1));
    }
    assert_true(limits_spend(l, LIMITS_MESSAGES, "0", one, 1)); // the oldest made room
    assert_false(limits_spend(l, LIMITS_MESSAGES, "65000", one, 1));
}

static unsigned turns;

static void turn_comes(struct item *item)
{
    (void)item;
    turns++;
}

static void hashing_is_bounded_and_in_line(void **state)
{
    (void)state;
    static struct limits_turn line[LIMITS_WAITING + 64];
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct inbox *mail = inbox_open(&loop);
    unsigned going = 0, waiting = 0;
    struct limits_turn *t = line;
    for (;; t++) {
        t->item.run = turn_comes;
        t->mail = mail;
        enum limits_answer answer = limits_turn_take(l, t);
        if (answer == LIMITS_FULL)
            break;
        going += answer == LIMITS_GO;
        waiting += answer == LIMITS_WAIT;
    }
    assert_int_equal(waiting, LIMITS_WAITING);
    assert_true(going >= 1);
    for (unsigned i = 0; i < waiting; i++)
        limits_turn_end(l, TURN_HASH);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(turns, LIMITS_WAITING);
    for (unsigned i = 0; i < going; i++)
        limits_turn_end(l, TURN_HASH);
    assert_int_equal(limits_turn_take(l, line), LIMITS_GO);
    limits_turn_end(l, TURN_HASH);
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void who_leaves_the_line_is_not_called(void **state)
{
    (void)state;
    struct limits_turn one = {.kind = TURN_PROGRAM}, two = {.kind = TURN_PROGRAM},
                       three = {.kind = TURN_PROGRAM};
    assert_int_equal(limits_turn_take(l, &one), LIMITS_GO);
    assert_int_equal(limits_turn_take(l, &two), LIMITS_WAIT);
    assert_int_equal(limits_turn_take(l, &three), LIMITS_WAIT);
    assert_true(limits_turn_cancel(l, &three)); // the last
    assert_true(limits_turn_cancel(l, &two));   // and the first
    assert_false(limits_turn_cancel(l, &two));
    limits_turn_end(l, TURN_PROGRAM); // nobody is called: there is no inbox
    assert_int_equal(limits_turn_take(l, &two), LIMITS_GO);
    assert_int_equal(limits_turn_take(l, &three), LIMITS_WAIT);
    assert_true(limits_turn_cancel(l, &three));
    limits_turn_end(l, TURN_PROGRAM);
}

static void so_many_are_asked_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < LIMITS_ASKED; i++)
        assert_true(limits_ask(l));
    assert_false(limits_ask(l));
    limits_asked(l);
    assert_true(limits_ask(l));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(who_leaves_the_line_is_not_called),
        STORY(so_many_are_asked_and_no_more),
        STORY(workers_share_one),
        STORY(connections_count_by_client),
        STORY(rates_are_buckets),
        STORY(tables_are_bounded),
        STORY(hashing_is_bounded_and_in_line),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
