// SPDX-License-Identifier: ISC
// A session that is misled, as a release builds it: it ends, and its mail is tried again. The source of the session
// stands in here without the developer's check, and deliver_run puts it into a state of the test's choice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef WAXWING_CHECKED
#define deliver_run the_real_run
#include "relay/deliver/session.c"
#undef deliver_run
#include "relay/deliver/pool_inside.h"
#include "tests/unit/deliver_story.h"

void deliver_run(struct deliver *d);

static enum deliver_state astray;
static bool connected; // it has begun to connect before

void deliver_run(struct deliver *d)
{
    if (connected)
        go(d, DELIVER_LOAD);
    go(d, astray);
    release_if_gone(d);
}

static void assert_ends_at(enum deliver_state state)
{
    struct story s;
    uint64_t alarms = log_alarms();
    struct mx *mx = mx_start("PIPELINING");
    story_begin(&s, "", NULL);
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    story_message(&s, "a@us.test", "A: 1\r\n\r\nhi\r\n", "b@example.test", "c@example.test", NULL);
    astray = state;
    story_run(&s);
    assert_int_equal(log_alarms(), alarms + 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s.ends[i].standing, STANDING_REFUSED);
        assert_int_equal(s.ends[i].why.scope, WHY_OURS);
        assert_string_equal(s.ends[i].why.status, "4.3.0");
    }
    assert_int_equal(s.pool->open, 0);
    story_end(&s);
    mx_stop(mx);
}

static void case_65_without_a_connection(void **state)
{
    (void)state;
    connected = false;
    const enum deliver_state states[] = {DELIVER_EHLO, DELIVER_MAIL, DELIVER_FINAL, DELIVER_RSET};
    for (size_t i = 0; i < 4; i++)
        assert_ends_at(states[i]);
}

static void case_65_without_a_transaction_or_with_a_connection_too_many(void **state)
{
    (void)state;
    connected = true;
    const enum deliver_state states[] = {DELIVER_RCPT, DELIVER_BODY, DELIVER_CONFIRM,
                                         DELIVER_ADDRESS};
    for (size_t i = 0; i < 4; i++)
        assert_ends_at(states[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_65_without_a_connection),
        cmocka_unit_test(case_65_without_a_transaction_or_with_a_connection_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
