// SPDX-License-Identifier: ISC
// Stories of messages that go out whole, in one flight, on a connection that has just served another.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/deliver/pool_speech.h"
#include "relay/deliver/strays.h"
#include "tests/unit/flight_story.h"

static struct story s;
static struct mx *mx;
static struct flight f;

static int begin(void **state)
{
    (void)state;
    story_begin_timed(&s, 1, "", NULL);
    s.relay.strays = strays_new(NULL);
    mx = mx_start("SIZE 1000000\n8BITMIME\nPIPELINING\nENHANCEDSTATUSCODES\nCHUNKING");
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(s.relay.counters.overlapped, 0); // one at a time
    story_end(&s);
    strays_free(s.relay.strays);
    mx_stop(mx);
    return 0;
}

static void send_some(unsigned n)
{
    flight_begin(&f, &s);
    for (unsigned i = 0; i < n; i++)
        flight_add(&f, "before", "a@example.test", NULL);
    flight_run(&f);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(f.ends[i].standing, STANDING_DELIVERED);
}

// The host hangs up at MAIL: either all of the message is out by then, or nothing but its envelope.
static void send_to_who_hangs_up_at_mail(unsigned idle_ms)
{
    list_of(s.idle.next, struct connection, site)->used_ms -= idle_ms;
    mx_next(mx, "mail", MX_CLOSE);
    flight_begin(&f, &s);
    flight_add(&f, "it", "a@example.test", NULL);
    flight_run(&f);
}

static void assert_envelope_alone(void)
{
    assert_int_equal(f.ends[0].doubts, 0);
    assert_int_equal(f.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(flight_accepted(mx, &f.ends[0]), 1);
}

static void case_566_all_goes_out_at_once_to_a_host_that_has_just_answered(void **state)
{
    (void)state;
    send_some(POOL_CLEAN + 1);
    send_to_who_hangs_up_at_mail(0);
    assert_int_equal(f.ends[0].doubts, 1);
    send_some(POOL_CLEAN + 1); // but to one that hung up on it never again
    send_to_who_hangs_up_at_mail(0);
    assert_envelope_alone();
}

static void case_566_but_not_to_one_that_may_be_gone(void **state)
{
    (void)state;
    send_some(POOL_CLEAN + 1);
    send_to_who_hangs_up_at_mail(2000);
    assert_envelope_alone();
}

static void case_566_nor_before_that_is_earned(void **state)
{
    (void)state;
    send_some(2);
    send_to_who_hangs_up_at_mail(0);
    assert_envelope_alone();
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_566_all_goes_out_at_once_to_a_host_that_has_just_answered),
        STORY(case_566_but_not_to_one_that_may_be_gone),
        STORY(case_566_nor_before_that_is_earned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
