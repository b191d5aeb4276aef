// SPDX-License-Identifier: ISC
// Whether the state database is there, and whose it is: nothing is lost without a word, and nothing shared.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "relay/log/log.h"
#include "tests/unit/state_story.h"

#define NOON (20000 * LEDGER_DAY_MS + LEDGER_DAY_MS / 2)

static char said[256];

static int begin(void **state)
{
    (void)state;
    if (folder_begin(NOON) < 0)
        return -1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    return folder_end();
}

static void keep_policy(struct state *s, const char *domain)
{
    const struct sts_row row = {
        .domain = domain, .id = "id", .text = "text", .fetched_s = 10, .expires_s = 20};
    state_keep_policy(s, &row, NULL, NULL, NULL);
    state_settle(s);
}

static void say_policy(void *arg, const struct sts_row *row)
{
    (void)arg;
    size_t n = strlen(said);
    snprintf(said + n, sizeof said - n, "%s;", row->domain);
}

static void say_memory(void *arg, const char *domain, const struct memory_row *row)
{
    (void)arg;
    (void)domain;
    (void)row;
}

static const char *restored(struct state *s)
{
    said[0] = 0;
    state_restore(s, say_policy, say_memory, NULL);
    return said;
}

static void expect_loss(struct state *s, const char *how)
{
    struct state_health health;
    state_get_health(s, &health);
    assert_int_equal(health.lost_ms, NOON);
    if (!strstr(health.lost, "policies and memory lost at") || !strstr(health.lost, how))
        fail_msg("'%s' does not say '%s'", health.lost, how);
}

static void a_first_start_has_lost_nothing(void **state)
{
    (void)state;
    struct state_health health;
    struct state *s = open_state();
    state_get_health(s, &health);
    assert_int_equal(health.lost_ms, 0);
    state_close(s);
}

static void case_138_a_database_that_is_gone_or_empty_is_told(void **state)
{
    (void)state;
    struct state_health health;
    struct state *s = open_state();
    keep_policy(s, "a.example");
    state_close(s);
    uint64_t alarms = log_alarms();
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(state_look(path, &health, &why), 0);
    assert_non_null(strstr(health.lost, "was empty"));
    s = open_state();
    expect_loss(s, "was empty");
    state_close(s);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(state_look(path, &health, &why), 0);
    assert_non_null(strstr(health.lost, "was gone"));
    s = open_state();
    expect_loss(s, "was gone");
    state_close(s);
    assert_int_equal(log_alarms() - alarms, 2);
    s = open_state(); // remembered, and not told again
    expect_loss(s, "was gone");
    assert_int_equal(log_alarms() - alarms, 2);
    state_close(s);
}

// With its folder nothing says that there was one, but that the relay has run before.
static void case_138_a_folder_that_is_gone_is_told(void **state)
{
    (void)state;
    struct state *s = state_open(
        &(struct state_options){.path = path, .keep_ms = KEEP, .used_before = true}, &why);
    assert_non_null(s);
    expect_loss(s, "was gone");
    state_close(s);
}

static void case_138_one_that_is_deleted_under_a_running_relay_is_made_anew(void **state)
{
    (void)state;
    struct state *s = open_state();
    keep_policy(s, "a.example");
    assert_int_equal(unlink(path), 0);
    keep_policy(s, "b.example");
    expect_loss(s, "was gone");
    state_close(s);
    s = open_state();
    assert_string_equal(restored(s), "b.example;");
    state_close(s);
}

static void case_139_a_database_is_for_one_relay(void **state)
{
    (void)state;
    int status = 0;
    struct state *s = open_state();
    pid_t child = fork(); // a lock of another process
    if (child == 0) {
        struct state_options other = {.path = path, .keep_ms = KEEP, .exit_status = &status};
        _exit(!state_open(&other, &why) && status == 75 && strstr(why.text, "another relay") ? 0
                                                                                             : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    state_close(s);
    state_close(open_state());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_first_start_has_lost_nothing, begin, end),
        cmocka_unit_test_setup_teardown(case_138_a_database_that_is_gone_or_empty_is_told, begin,
                                        end),
        cmocka_unit_test_setup_teardown(case_138_a_folder_that_is_gone_is_told, begin, end),
        cmocka_unit_test_setup_teardown(
            case_138_one_that_is_deleted_under_a_running_relay_is_made_anew, begin, end),
        cmocka_unit_test_setup_teardown(case_139_a_database_is_for_one_relay, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
