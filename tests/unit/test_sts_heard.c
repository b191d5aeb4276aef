// SPDX-License-Identifier: ISC
// What the MTA-STS cache makes of a policy that another relay fetched: it raises what is demanded, and for the rest the
// domain itself is asked.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/sts_story.h"

#define OTHERS "version: STSv1\nmode: enforce\nmx: mx.evil.example\nmax_age: 604800\n"

static char said[600];
static int64_t expires_s;

static void keep(void *arg, const struct sts_row *row, void (*stored)(void *), void *stored_arg)
{
    (void)arg;
    (void)row;
    w.kept++;
    stored(stored_arg);
}

static void see(const char *domain, const struct sts_view *view, void *arg)
{
    (void)arg;
    assert_string_equal(domain, "d.example");
    snprintf(said, sizeof said, "%s %s %s", sts_mode_word((enum sts_mode)view->mode), view->id,
             view->nmx ? view->mx[0] : "-");
    expires_s = view->expires_s;
}

// What is in force: "enforce 1 mx.d.example"; "" for nothing.
static const char *holds(void)
{
    said[0] = 0;
    sts_cache_each(cache, see, NULL);
    return said;
}

static void hear(const char *id, const char *text, int64_t fetched_s, int64_t lasts)
{
    const struct sts_row row = {"d.example", id, text, fetched_s, fetched_s + lasts};
    sts_cache_hear(cache, &row);
    turn();
}

static int begin(void **state)
{
    (void)state;
    world_begin();
    const struct sts_cache_options options = {
        .loop = &w.loop, .mail = w.mail, .refresh = true, .keep = keep};
    cache = sts_cache_open(&options);
    return 0;
}

static void enforce_is_believed_where_nothing_is_known_and_is_on_disk(void **state)
{
    (void)state;
    hear("1", ENFORCE, NOON - DAY, 7 * DAY);
    assert_string_equal(holds(), "enforce 1 mx.d.example");
    assert_int_equal(expires_s, NOON + 6 * DAY);
    assert_int_equal(w.kept, 1);
    assert_int_equal(w.fetches, 0);
    hear("1", ENFORCE, NOON - 100, 7 * DAY); // the same, for longer
    assert_string_equal(holds(), "enforce 1 mx.d.example");
    assert_int_equal(expires_s, NOON - 100 + 7 * DAY);
    assert_int_equal(w.kept, 2);
    hear("1", ENFORCE, NOON - 50, 3 * DAY);   // the same, for shorter
    hear("1", ENFORCE, NOON - 200, 30 * DAY); // an older one
    assert_string_equal(holds(), "enforce 1 mx.d.example");
    assert_int_equal(expires_s, NOON - 100 + 7 * DAY);
    assert_int_equal(w.kept, 2);
}

static void what_says_less_is_no_reason_not_to_ask_the_domain(void **state)
{
    (void)state;
    hear("1", NONE, NOON, DAY);
    hear("1", TESTING, NOON, DAY);
    hear("1", ENFORCE, NOON + 10, DAY);      // of the future
    hear("1", ENFORCE, NOON - 2 * DAY, DAY); // over
    hear("1", "nonsense", NOON, DAY);
    assert_string_equal(holds(), "");
    assert_int_equal(w.kept, 0);
}

static void case_498_a_policy_in_force_is_lowered_by_the_domain_alone(void **state)
{
    (void)state;
    hear("1", ENFORCE, NOON - DAY, 7 * DAY);
    static const char *const lower[] = {NONE, TESTING, OTHERS};
    for (size_t i = 0; i < sizeof lower / sizeof *lower; i++) {
        unsigned fetches = w.fetches;
        hear("2", lower[i], clock_s(), DAY);
        assert_string_equal(holds(), "enforce 1 mx.d.example"); // the domain said so itself
        assert_int_equal(w.fetches, fetches + 1);
        clock_advance(30000);
        hear("3", lower[i], clock_s(), DAY); // it is asked once a minute, whatever others say
        assert_int_equal(w.fetches, fetches + 1);
        assert_string_equal(holds(), "enforce 1 mx.d.example");
        clock_advance(100000);
    }
    w.body = NULL; // it cannot be asked
    hear("2", NONE, clock_s(), DAY);
    assert_string_equal(holds(), "enforce 1 mx.d.example");
    clock_advance(400000);
    w.txt = "v=STSv1; id=2;";
    w.body = NONE;
    hear("2", NONE, clock_s(), DAY);
    assert_string_equal(holds(), "none 2 -");
    clock_advance(100000);
    hear("3", ENFORCE, clock_s(), DAY); // and up again without asking
    assert_string_equal(holds(), "enforce 3 mx.d.example");
}

static void came(const struct sts_view *view, void *arg)
{
    *(int *)arg = view->mode;
}

static void who_is_being_asked_here_says_it_itself(void **state)
{
    (void)state;
    int mode = -2;
    w.hangs = true;
    sts_cache_get(cache, "d.example", came, &mode);
    turn();
    hear("1", OTHERS, NOON, DAY);
    assert_string_equal(holds(), "");
    assert_int_equal(mode, -2);
    release();
    turn();
    assert_string_equal(holds(), "enforce 1 mx.d.example");
    assert_int_equal(mode, STS_ENFORCE);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(enforce_is_believed_where_nothing_is_known_and_is_on_disk),
        STORY(what_says_less_is_no_reason_not_to_ask_the_domain),
        STORY(who_is_being_asked_here_says_it_itself),
        STORY(case_498_a_policy_in_force_is_lowered_by_the_domain_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
