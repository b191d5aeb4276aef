// SPDX-License-Identifier: ISC
// Questions to a fleet: in their order, answered on the loop that asked, unheard where nobody waits any more.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/report/claims.h"

static uv_loop_t loop;
static struct inbox *mail;
static struct claims *claims;
static char heard[256];

static int begin(void **unused)
{
    (void)unused;
    uv_loop_init(&loop);
    mail = inbox_open(&loop);
    claims = claims_new();
    heard[0] = 0;
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    claims_free(claims);
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void hear(struct claim_answer *answer, void *arg)
{
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof heard - n, "%s %s;", (const char *)arg, answer->words);
}

static struct claim *ask(const char *domain)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", domain);
    const struct claim_question q = {.kind = CLAIM_TAKE, .domain = copy, .rua = "mailto:x@y"};
    struct claim *claim = claims_ask(claims, &q, mail, hear, (void *)(uintptr_t)domain);
    memset(copy, 'x', sizeof copy - 1); // what it asked was copied
    return claim;
}

static bool wakes(void)
{
    struct pollfd fd = {claims_wake(claims), POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
}

static void answer_next(void)
{
    struct claim *claim = claims_next(claims);
    assert_non_null(claim);
    struct claim_answer *answer = claim_reply(claim);
    snprintf(answer->words, sizeof answer->words, "<%s>", claim_asked(claim)->domain);
    answer->report_id = mem_dup("an id that nobody takes");
    claims_answer(claim);
}

static void each_is_answered_in_its_turn(void **unused)
{
    (void)unused;
    assert_false(wakes());
    ask("one");
    ask("two");
    assert_true(wakes());
    answer_next();
    assert_true(wakes()); // there is another
    answer_next();
    assert_false(wakes());
    assert_null(claims_next(claims));
    assert_string_equal(heard, ""); // never inside a call
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(heard, "one <one>;two <two>;");
}

static void nobody_hears_what_was_cancelled(void **unused)
{
    (void)unused;
    struct claim *one = ask("one"), *two = ask("two");
    ask("three");
    claims_cancel(one); // before it was taken
    answer_next();
    answer_next();
    claims_cancel(two); // and behind its answer
    claims_cancel(NULL);
    answer_next();
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(heard, "three <three>;");
    ask("four"); // is there at the end
}

static void days_before_the_fleets_are_this_relays(void **unused)
{
    (void)unused;
    assert_int_equal(claims_of_day(claims, 20000), -1);
    claims_since(claims, 20001);
    assert_int_equal(claims_of_day(claims, 20000), 0);
    assert_int_equal(claims_of_day(claims, 20001), 1);
    claims_since(claims, -1);
    assert_int_equal(claims_of_day(claims, 20001), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_answered_in_its_turn, begin, end),
        cmocka_unit_test_setup_teardown(nobody_hears_what_was_cancelled, begin, end),
        cmocka_unit_test_setup_teardown(days_before_the_fleets_are_this_relays, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
