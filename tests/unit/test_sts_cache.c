// SPDX-License-Identifier: ISC
// The MTA-STS cache in a world that this test plays itself: TXT, the policy host and the clock are what each
// story says, and stand in for dns/dns.c and tls/https.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/sts_story.h"

#define HOUR 3600

// ---- who asks

struct asker {
    bool answered;
    int mode;
    char id[33];
    enum why_tls error;
    enum sts_source source;
    int64_t ends_s;
};

static void came(const struct sts_view *view, void *arg)
{
    struct asker *a = arg;
    assert_false(a->answered);
    a->answered = true;
    a->mode = view->mode;
    a->error = view->error.tls;
    a->source = view->source;
    a->ends_s = view->certificate_ends_s;
    snprintf(a->id, sizeof a->id, "%s", view->id);
}

// "enforce 1", "none", "- sts-policy-fetch-error", "waits".
static const char *say(const struct asker *a)
{
    static char text[100];
    if (!a->answered)
        return "waits";
    snprintf(text, sizeof text, "%s%s%s%s%s",
             a->mode < 0 ? "-" : sts_mode_word((enum sts_mode)a->mode), a->id[0] ? " " : "", a->id,
             a->error ? " " : "", a->error ? why_tls_word(a->error) : "");
    return text;
}

static const char *get(void)
{
    static struct asker a;
    a = (struct asker){0};
    sts_cache_get(cache, "d.example", came, &a);
    assert_false(a.answered); // never inside the call
    turn();
    return say(&a);
}

static const char *refresh(bool force)
{
    static struct asker a;
    a = (struct asker){0};
    sts_cache_refresh(cache, "d.example", force, came, &a);
    turn();
    return say(&a);
}

static void keep(void *arg, const struct sts_row *row, void (*stored)(void *), void *stored_arg)
{
    (void)arg;
    assert_string_equal(row->domain, "d.example");
    w.kept++;
    stored(stored_arg);
}

static void changed(void *arg, const char *domain, const char *what)
{
    (void)arg;
    assert_string_equal(domain, "d.example");
    w.told++;
    snprintf(w.last_told, sizeof w.last_told, "%s", what);
}

static void failed(void *arg, const char *domain, const struct sts_view *view,
                   const struct why *why)
{
    (void)arg;
    (void)view;
    assert_string_equal(domain, "d.example");
    assert_true(why->tls != WHY_TLS_NONE);
    w.failures++;
}

static void open_cache(uint64_t tick_ms)
{
    struct sts_cache_options options = {.loop = &w.loop,
                                        .mail = w.mail,
                                        .refresh = true,
                                        .tick_ms = tick_ms,
                                        .keep = keep,
                                        .changed = changed,
                                        .failed = failed};
    cache = sts_cache_open(&options);
}

static int begin(void **state)
{
    (void)state;
    world_begin();
    open_cache(0);
    return 0;
}

static void later(int64_t seconds)
{
    clock_advance(seconds * 1000);
}

// ---- stories

static void first_contact_waits_for_the_fetch_and_is_on_disk_before_the_answer(void **state)
{
    (void)state;
    w.hangs = true;
    struct asker a = {0}, b = {0};
    sts_cache_get(cache, "d.example", came, &a);
    turn();
    sts_cache_get(cache, "d.example", came, &b); // concurrent deliveries share one fetch
    turn();
    assert_string_equal(say(&a), "waits");
    assert_int_equal(w.kept, 0);
    release();
    assert_string_equal(say(&a), "enforce 1");
    assert_string_equal(say(&b), "enforce 1");
    assert_int_equal(a.ends_s, CERTIFICATE_ENDS);
    assert_int_equal(w.fetches, 1);
    assert_int_equal(w.kept, 1);
    assert_string_equal(get(), "enforce 1");
    assert_int_equal(w.fetches, 1);
}

static void a_domain_without_a_record_is_not_fetched(void **state)
{
    (void)state;
    w.txt = NULL;
    assert_string_equal(get(), "-");
    assert_int_equal(w.fetches, 0);
    assert_int_equal(w.failures, 0);
}

static void a_first_fetch_that_fails_is_as_if_none_and_tried_after_five_minutes(void **state)
{
    (void)state;
    w.body = NULL;
    assert_string_equal(get(), "- sts-policy-fetch-error");
    assert_int_equal(w.failures, 1); // recorded
    w.body = ENFORCE;
    later(299);
    assert_string_equal(get(), "- sts-policy-fetch-error");
    assert_int_equal(w.fetches, 1);
    later(1);
    assert_string_equal(get(), "enforce 1");
}

static void a_policy_that_cannot_be_read_is_as_if_none(void **state)
{
    (void)state;
    w.body = "version: STSv2\n";
    assert_string_equal(get(), "- sts-policy-invalid");
    assert_int_equal(w.failures, 1);
}

static void case_14_a_cached_policy_stays_in_force(void **state)
{
    (void)state;
    assert_string_equal(get(), "enforce 1");
    w.txt = NULL; // gone
    get();
    assert_string_equal(get(), "enforce 1");
    assert_string_equal(w.last_told, "the TXT record is gone; the cached policy stays in force");
    assert_int_equal(w.told, 1); // once, not with every route
    w.txt = "v=STSv1; id=1;";
    w.txt2 = "v=STSv1; id=2;"; // doubled
    get();
    assert_string_equal(get(), "enforce 1 sts-policy-invalid");
    w.txt2 = NULL;
    w.txt_fails = true;
    get();
    assert_string_equal(get(), "enforce 1 sts-policy-fetch-error");
    w.txt_fails = false;
    w.txt = "v=STSv1; id=2;"; // a new id, and HTTPS blocked
    w.body = NULL;
    get();
    assert_string_equal(get(), "enforce 1 sts-policy-fetch-error");
    w.txt = "v=STSv1; id=1;"; // the new one is withdrawn: nothing is wrong any more
    get();
    assert_string_equal(get(), "enforce 1");
    assert_int_equal(w.fetches, 2);
}

static void case_14_a_new_id_is_fetched_while_the_cached_policy_answers(void **state)
{
    (void)state;
    assert_string_equal(get(), "enforce 1");
    w.txt = "v=STSv1; id=2;";
    w.hangs = true;
    assert_string_equal(get(), "enforce 1"); // nobody waits
    release();
    assert_string_equal(get(), "enforce 2");
}

static void case_14_none_fetched_anew_replaces_at_once(void **state)
{
    (void)state;
    assert_string_equal(get(), "enforce 1");
    w.txt = "v=STSv1; id=2;";
    w.body = NONE;
    get();
    assert_string_equal(get(), "none 2");
    assert_string_equal(w.last_told, "from enforce to none");
    assert_int_equal(w.kept, 2);
}

static void case_21_a_doubted_policy_is_looked_up_past_the_cache_and_waited_for(void **state)
{
    (void)state;
    assert_string_equal(get(), "enforce 1");
    w.txt = "v=STSv1; id=2;";
    w.body = TESTING;
    w.hangs = true;
    struct asker doubter = {0}, sender = {0};
    sts_cache_refresh(cache, "d.example", false, came, &doubter);
    sts_cache_get(cache, "d.example", came, &sender); // a route planned now
    turn();
    assert_int_equal(w.forgotten, 1); // although TXT was looked up a moment ago
    assert_string_equal(say(&doubter), "waits");
    assert_string_equal(say(&sender), "waits");
    release();
    assert_string_equal(say(&doubter), "testing 2");
    assert_string_equal(say(&sender), "testing 2");
}

static void case_21_a_doubt_is_looked_into_once_a_minute(void **state)
{
    (void)state;
    get();
    assert_string_equal(refresh(false), "enforce 1");
    for (int i = 0; i < 100; i++)
        refresh(false);
    assert_int_equal(w.forgotten, 1);
    later(60);
    refresh(false);
    assert_int_equal(w.forgotten, 2);
    assert_int_equal(w.fetches, 1); // the id was the same each time
}

static void a_forced_refresh_fetches_whatever_the_id(void **state)
{
    (void)state;
    get();
    w.body = TESTING;
    assert_string_equal(refresh(true), "testing 1");
    assert_int_equal(w.fetches, 2);
}

static void a_policy_is_fetched_anew_each_day_although_its_id_stays(void **state)
{
    (void)state;
    get();
    later(20 * HOUR);
    get();
    assert_int_equal(w.fetches, 1);
    later(4 * HOUR);
    get();
    assert_int_equal(w.fetches, 2);
    later(6 * DAY + 23 * HOUR);
    assert_string_equal(get(), "enforce 1"); // its age begins anew with each fetch
}

static void a_policy_ends_with_its_age(void **state)
{
    (void)state;
    get();
    w.body = NULL;
    w.txt = NULL;
    later(604799);
    assert_string_equal(get(), "enforce 1");
    later(1);
    assert_string_equal(get(), "-");
}

static struct sts_row row(const char *text)
{
    return (struct sts_row){"d.example", "1", text, NOON - DAY, NOON + 6 * DAY};
}

static void case_80_a_policy_without_age_counts_for_the_delivery_that_fetched_it(void **state)
{
    (void)state;
    w.body = "version: STSv1\nmode: enforce\nmx: mx.d.example\nmax_age: 0\n";
    assert_string_equal(get(), "enforce 1");
    assert_string_equal(get(), "enforce 1");
    assert_int_equal(w.fetches, 1); // one a minute
    later(60);
    assert_string_equal(get(), "enforce 1");
    assert_int_equal(w.fetches, 2);
    w.body = NULL;
    later(60);
    assert_string_equal(get(), "- sts-policy-fetch-error"); // it said how long it holds
}

// The daily refresh alone: nobody asks.
static void let_it_tick(unsigned fetches)
{
    for (int i = 0; i < 2000 && w.fetches < fetches; i++) {
        uv_run(&w.loop, UV_RUN_ONCE);
        turn();
    }
    for (int i = 0; i < 20; i++) // and no further one
        uv_run(&w.loop, UV_RUN_ONCE);
    assert_int_equal(w.fetches, fetches);
}

static void case_80_policies_are_refreshed_daily_though_nobody_sends(void **state)
{
    sts_cache_close(cache);
    open_cache(1);
    get();
    let_it_tick(1);
    later(DAY);
    let_it_tick(2);
    assert_int_equal(w.kept, 2);
    w.body = NULL; // a day of failing fetches: every five minutes one, and the policy stays
    later(DAY);
    let_it_tick(3);
    later(300);
    let_it_tick(4);
    assert_int_equal(w.told, 1);
    w.body = TESTING;
    later(300);
    let_it_tick(5);
    assert_string_equal(w.last_told, "from enforce to testing");
    assert_string_equal(get(), "testing 1");
    (void)state;
}

static void case_80_a_policy_of_minutes_is_not_refreshed_for_nobody(void **state)
{
    sts_cache_close(cache);
    open_cache(1);
    w.body = "version: STSv1\nmode: enforce\nmx: mx.d.example\nmax_age: 30\n";
    get();
    for (int i = 0; i < 4; i++) {
        later(31);
        let_it_tick(1);
    }
    (void)state;
}

static void a_policy_from_disk_is_in_force_with_everything_blocked(void **state)
{
    (void)state;
    struct sts_row kept = row(ENFORCE), old = row(ENFORCE), torn = row("version: ST");
    old.expires_s = NOON;
    sts_cache_restore(cache, &old);
    sts_cache_restore(cache, &torn); // a damaged row is no policy, and nothing worse
    w.txt_fails = true;
    w.body = NULL;
    assert_string_equal(get(), "- sts-policy-fetch-error");
    sts_cache_restore(cache, &kept);
    assert_string_equal(get(), "enforce 1");
    later(6 * DAY);
    assert_string_equal(get(), "- sts-policy-fetch-error");
}

static void a_clock_that_is_set_back_keeps_nobody_waiting(void **state)
{
    (void)state;
    later(365 * DAY);
    w.body = NULL;
    assert_string_equal(get(), "- sts-policy-fetch-error");
    refresh(false);
    unsigned looked = w.forgotten;
    later(-365 * DAY);
    w.body = ENFORCE;
    assert_string_equal(get(), "enforce 1"); // not in a year
    refresh(false);
    assert_int_equal(w.forgotten, looked + 1);
}

static void a_clock_that_was_ahead_is_no_reason_to_trust_a_policy_for_a_year(void **state)
{
    (void)state;
    later(365 * DAY);
    assert_string_equal(get(), "enforce 1");
    later(-365 * DAY);
    w.body = TESTING;
    get();
    assert_string_equal(get(), "testing 1"); // fetched anew
}

static void a_cancelled_question_gets_no_answer(void **state)
{
    (void)state;
    struct asker a = {0}, b = {0};
    w.hangs = true;
    struct sts_request *r = sts_cache_get(cache, "d.example", came, &a);
    turn();
    sts_cache_cancel(r);
    release();
    assert_string_equal(say(&a), "waits");
    r = sts_cache_get(cache, "d.example", came, &b); // its answer is posted already
    sts_cache_cancel(r);
    turn();
    assert_string_equal(say(&b), "waits");
}

static void closing_drops_what_is_under_way(void **state)
{
    (void)state;
    static struct asker a;
    w.hangs = true;
    sts_cache_get(cache, "d.example", came, &a);
    turn();
    assert_non_null(w.held); // end() closes: the sanitizer looks
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(first_contact_waits_for_the_fetch_and_is_on_disk_before_the_answer),
        STORY(a_domain_without_a_record_is_not_fetched),
        STORY(a_first_fetch_that_fails_is_as_if_none_and_tried_after_five_minutes),
        STORY(a_policy_that_cannot_be_read_is_as_if_none),
        STORY(case_14_a_cached_policy_stays_in_force),
        STORY(case_14_a_new_id_is_fetched_while_the_cached_policy_answers),
        STORY(case_14_none_fetched_anew_replaces_at_once),
        STORY(case_21_a_doubted_policy_is_looked_up_past_the_cache_and_waited_for),
        STORY(case_21_a_doubt_is_looked_into_once_a_minute),
        STORY(a_forced_refresh_fetches_whatever_the_id),
        STORY(a_policy_is_fetched_anew_each_day_although_its_id_stays),
        STORY(a_policy_ends_with_its_age),
        STORY(case_80_a_policy_without_age_counts_for_the_delivery_that_fetched_it),
        STORY(case_80_policies_are_refreshed_daily_though_nobody_sends),
        STORY(case_80_a_policy_of_minutes_is_not_refreshed_for_nobody),
        STORY(a_policy_from_disk_is_in_force_with_everything_blocked),
        STORY(a_clock_that_is_set_back_keeps_nobody_waiting),
        STORY(a_clock_that_was_ahead_is_no_reason_to_trust_a_policy_for_a_year),
        STORY(a_cancelled_question_gets_no_answer),
        STORY(closing_drops_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
