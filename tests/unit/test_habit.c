// SPDX-License-Identifier: ISC
// Stories of what is usual for a login, and when it jumps.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/login/habits.h"
#include "relay/message/message.h"
#include "relay/state/state.h"

#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)

static const struct cfg_jumps limits = {.hold = true,
                                        .rate = 10,
                                        .recipients = 100,
                                        .domains = 50,
                                        .bounces = 30,
                                        .results = 20,
                                        .learn = 2 * 86400000};

static enum habit_sign send_many(struct habit *h, unsigned n, const char *domain, int64_t now)
{
    enum habit_sign sign = HABIT_USUAL;
    for (unsigned i = 0; i < n && sign == HABIT_USUAL; i++)
        sign = habit_sent(h, &limits, &domain, 1, now + i);
    return sign;
}

// Ten days with thirty recipients an hour.
static int64_t usual_days(struct habit *h)
{
    int64_t now = 1000 * DAY;
    for (int i = 0; i < 10 * 24; i++, now += HOUR)
        assert_int_equal(send_many(h, 30, "partner.test", now), HABIT_USUAL);
    return now;
}

static void case_273_far_more_than_the_busiest_hour_is_a_jump(void **state)
{
    (void)state;
    struct habit h = {0};
    int64_t now = usual_days(&h);
    assert_int_equal(send_many(&h, 299, "partner.test", now), HABIT_USUAL);
    assert_int_equal(send_many(&h, 300, "partner.test", now + 60000), HABIT_RATE);
    char text[200];
    habit_say(&h, HABIT_RATE, text, sizeof text);
    assert_string_equal(text, "301 recipients within an hour, where its busiest had 30");
    habit_forgive(&h, now + 120000);
    assert_int_equal(send_many(&h, 600, "partner.test", now + 180000), HABIT_USUAL);
}

static void case_273_many_new_domains_are_a_jump(void **state)
{
    (void)state;
    struct habit h = {0};
    int64_t now = usual_days(&h);
    enum habit_sign sign = HABIT_USUAL;
    unsigned n = 0;
    for (; n < 60 && sign == HABIT_USUAL; n++) {
        char name[32];
        const char *domain = name;
        snprintf(name, sizeof name, "d%u.test", n);
        sign = habit_sent(&h, &limits, &domain, 1, now);
    }
    assert_int_equal(sign, HABIT_DOMAINS);
    assert_in_range(n, 50, 52);
}

static void case_273_a_share_of_bounces_is_a_jump_even_of_a_new_login(void **state)
{
    (void)state;
    struct habit h = {0};
    for (int i = 0; i < 14; i++)
        assert_int_equal(habit_result(&h, &limits, false, DAY), HABIT_USUAL);
    for (int i = 0; i < 6; i++)
        assert_int_equal(habit_result(&h, &limits, true, DAY), HABIT_USUAL);
    assert_int_equal(habit_result(&h, &limits, true, DAY), HABIT_BOUNCES);
}

static void case_274_a_new_login_is_learned_first(void **state)
{
    (void)state;
    struct habit h = {0};
    assert_int_equal(send_many(&h, 5000, "partner.test", 1000 * DAY), HABIT_USUAL);
}

static void case_274_a_clock_that_was_set_is_no_jump(void **state)
{
    (void)state;
    struct habit h = {0};
    int64_t now = usual_days(&h);
    assert_int_equal(send_many(&h, 30, "partner.test", now - 400 * DAY), HABIT_USUAL);
    assert_int_equal(send_many(&h, 30, "partner.test", now + 4000 * DAY), HABIT_USUAL);
    assert_true(h.peak >= 0);
}

static void what_is_off_does_not_count(void **state)
{
    (void)state;
    struct habit h = {0};
    struct cfg_jumps off = {.hold = true, .results = 1};
    int64_t now = usual_days(&h);
    const char *domain = "new.test";
    for (int i = 0; i < 5000; i++)
        assert_int_equal(habit_sent(&h, &off, &domain, 1, now), HABIT_USUAL);
    assert_int_equal(habit_result(&h, &off, true, now), HABIT_USUAL);
}

static struct message *letter(const char *login)
{
    struct message *m = message_new();
    free(m->env.principal);
    m->env.principal = mem_dup(login);
    message_add_recipient(m, "a@b.test", "b.test");
    return m;
}

static void case_273_a_hold_outlives_a_restart_and_ends_by_a_word(void **state)
{
    (void)state;
    char path[] = "/tmp/waxwing-habits-XXXXXX", why[HABITS_WHY], file[64];
    struct why trouble;
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/state.db", path);
    struct state_options options = {.path = file, .keep_ms = 86400000};
    struct state *db = state_open(&options, &trouble);
    struct habits *habits = habits_new(db);
    struct message *m = letter("app");
    assert_false(habits_sent(habits, &limits, &m->env, why));
    for (int i = 0; i < 30; i++)
        habits_result(habits, &limits, "app", true);
    habits_result(habits, &limits, "stranger", true);
    assert_true(habits_held(habits, "app", why));
    assert_non_null(strstr(why, "recipients of late failed"));
    assert_false(habits_held(habits, "other", why));
    habits_free(habits);
    state_close(db);
    db = state_open(&options, &trouble);
    habits = habits_new(db);
    assert_true(habits_held(habits, "app", why));
    assert_true(habits_sent(habits, &limits, &m->env, why));
    assert_true(habits_release(habits, "app", "root"));
    assert_false(habits_release(habits, "app", "root"));
    assert_false(habits_sent(habits, &limits, &m->env, why));
    habits_free(habits);
    state_close(db);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_273_far_more_than_the_busiest_hour_is_a_jump),
        cmocka_unit_test(case_273_many_new_domains_are_a_jump),
        cmocka_unit_test(case_273_a_share_of_bounces_is_a_jump_even_of_a_new_login),
        cmocka_unit_test(case_274_a_new_login_is_learned_first),
        cmocka_unit_test(case_274_a_clock_that_was_set_is_no_jump),
        cmocka_unit_test(what_is_off_does_not_count),
        cmocka_unit_test(case_273_a_hold_outlives_a_restart_and_ends_by_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
