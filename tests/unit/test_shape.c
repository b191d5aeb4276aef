// SPDX-License-Identifier: ISC
// Stories of the controller of a site, against sinks that are models: they enforce a number of connections and of
// messages a minute, greylist, tarpit, and go away. The clock is a number; every run of a seed is the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/queue/shape.h"

#define SESSIONS 64
#define SECOND   UINT64_C(1000)
#define MINUTE   (60 * SECOND)
#define HOUR     (60 * MINUTE)

// How a sink counts its messages: in minutes of the clock, in any sixty seconds, or with a bucket.
enum counting { FIXED, SLIDING, BUCKET };

struct sink {
    unsigned connections; // at once; 0: any number
    unsigned per_minute;  // 0: any number
    unsigned per_hour;    // of the clock; 0: any number
    enum counting counting;
    unsigned burst;               // what a bucket holds; 0: a minute's messages
    unsigned greylisted, tarpits; // of a hundred messages
    uint64_t away_from, away_to;
    // what it has seen
    uint64_t window;
    unsigned used, used_in_hour;
    uint64_t hour;
    uint64_t times[4096];
    size_t ntimes;
    double tokens;
    uint64_t token_ms;
};

struct session {
    bool on;
    bool connected;
    bool decided;
    uint64_t begun, decides, ends;
    bool greylisted;
    enum shape_news news;
};

struct world {
    struct shape shape;
    struct shape_limits limits;
    struct sink sink;
    struct session sessions[SESSIONS];
    unsigned seed;
    uint64_t now, wake; // wake: the controller wants to be asked again
    unsigned taken, refused, asked;
    unsigned minutes[24 * 60]; // taken in each
};

static unsigned dice(struct world *w, unsigned n)
{
    w->seed = w->seed * 1103515245 + 12345;
    return (w->seed >> 16) % n;
}

static bool sink_has_quota(struct sink *k, uint64_t now)
{
    if (now / HOUR != k->hour) {
        k->hour = now / HOUR;
        k->used_in_hour = 0;
    }
    return !k->per_hour || (k->used_in_hour < k->per_hour && ++k->used_in_hour);
}

static bool sink_counts(struct sink *k, uint64_t now)
{
    if (!k->per_minute)
        return true;
    switch (k->counting) {
    case FIXED:
        if (now / MINUTE != k->window) {
            k->window = now / MINUTE;
            k->used = 0;
        }
        return k->used < k->per_minute && ++k->used;
    case SLIDING: {
        size_t kept = 0;
        for (size_t i = 0; i < k->ntimes; i++)
            if (now - k->times[i] < MINUTE)
                k->times[kept++] = k->times[i];
        k->ntimes = kept;
        if (kept >= k->per_minute)
            return false;
        k->times[k->ntimes++] = now;
        return true;
    }
    case BUCKET:
        k->tokens += (double)(now - k->token_ms) * k->per_minute / (double)MINUTE;
        if (k->tokens > (k->burst ? k->burst : k->per_minute))
            k->tokens = k->burst ? k->burst : k->per_minute;
        k->token_ms = now;
        if (k->tokens < 1)
            return false;
        k->tokens -= 1;
        return true;
    }
    return false;
}

static unsigned world_open(const struct world *w)
{
    unsigned n = 0;
    for (size_t i = 0; i < SESSIONS; i++)
        n += w->sessions[i].on;
    return n;
}

static unsigned connected(const struct world *w)
{
    unsigned n = 0;
    for (size_t i = 0; i < SESSIONS; i++)
        n += w->sessions[i].on && w->sessions[i].connected;
    return n;
}

static void world_begin(struct world *w)
{
    struct session *s = w->sessions;
    while (s->on)
        s++;
    bool away = w->now >= w->sink.away_from && w->now < w->sink.away_to;
    bool crowd = w->sink.connections && connected(w) >= w->sink.connections;
    *s = (struct session){.on = true, .begun = w->now};
    w->asked++;
    if (away || crowd) {
        s->news = away ? SHAPE_AWAY : SHAPE_CROWD;
        s->decides = s->ends = w->now + (away ? 1000 : 30);
        return;
    }
    s->connected = true;
    s->greylisted = dice(w, 100) < w->sink.greylisted;
    s->decides = w->now + 20 + dice(w, 100);
    if (dice(w, 100) < w->sink.tarpits)
        s->decides += SECOND * (5 + dice(w, 30));
    s->ends = s->decides + 30;
    s->news = SHAPE_TAKEN;
}

static void decide(struct world *w, struct session *s)
{
    s->decided = true;
    if (!s->connected || s->news != SHAPE_TAKEN)
        return;
    if (s->greylisted)
        s->news = SHAPE_ANSWERED;
    else if (!sink_has_quota(&w->sink, w->now) || !sink_counts(&w->sink, w->now))
        s->news = SHAPE_FAST;
}

static void world_end(struct world *w, struct session *s)
{
    s->on = false;
    shape_hear(&w->shape, &w->limits, s->news, s->begun, connected(w), w->now);
    if (s->news == SHAPE_TAKEN) {
        w->taken++;
        w->minutes[w->now / MINUTE]++;
    } else if (s->news == SHAPE_FAST || s->news == SHAPE_CROWD) {
        w->refused++;
    }
}

static uint64_t next_event(const struct world *w, uint64_t end)
{
    uint64_t next = w->wake < end ? w->wake : end;
    for (size_t i = 0; i < SESSIONS; i++) {
        const struct session *s = &w->sessions[i];
        uint64_t at = s->decided ? s->ends : s->decides;
        if (s->on && at < next)
            next = at;
    }
    return next > w->now ? next : w->now + 1;
}

// There is always mail.
static void world_step(struct world *w, uint64_t end)
{
    enum shape_answer answer = SHAPE_GO;
    w->now = next_event(w, end);
    for (size_t i = 0; i < SESSIONS; i++) {
        struct session *s = &w->sessions[i];
        if (s->on && !s->decided && s->decides <= w->now)
            decide(w, s);
        if (s->on && s->ends <= w->now)
            world_end(w, s);
    }
    w->wake = UINT64_MAX;
    while (answer == SHAPE_GO) {
        answer = shape_ask(&w->shape, &w->limits, world_open(w), w->now, &w->wake);
        if (answer != SHAPE_GO)
            break;
        shape_begin(&w->shape, &w->limits, w->now);
        world_begin(w);
    }
}

static struct world world_of(struct sink sink, unsigned seed)
{
    struct world w = {
        .limits =
            {.connections = 20, .start = 2, .learn = true, .first_ms = 15000, .last_ms = 600000},
        .sink = sink,
        .seed = seed,
        .now = 7 * SECOND,
    };
    w.sink.tokens = sink.burst ? sink.burst : sink.per_minute;
    return w;
}

static void run_until(struct world *w, uint64_t end)
{
    while (w->now < end)
        world_step(w, end);
}

static double share(const struct world *w, uint64_t from, uint64_t to)
{
    unsigned taken = 0;
    for (uint64_t i = from / MINUTE; i < to / MINUTE; i++)
        taken += w->minutes[i];
    return 100.0 * taken / (double)(w->sink.per_minute * (to - from) / MINUTE);
}

static double refusals(const struct world *w)
{
    return 100.0 * w->refused / w->asked;
}

// The aim: of what the sink allows at least 95 of 100, of its replies less than 1 of 100 a refusal.
static void expect_the_aim_after(struct world *w, unsigned learned, unsigned minutes)
{
    unsigned seed = w->seed;
    run_until(w, minutes * MINUTE);
    double taken = share(w, learned * MINUTE, minutes * MINUTE);
    print_message("seed %u, %u a minute, counting %d: taken %.1f %%, refused %.2f %%\n", seed,
                  w->sink.per_minute, (int)w->sink.counting, taken, refusals(w));
    assert_true(taken >= 95);
    assert_true(refusals(w) < 1);
}

static void expect_the_aim(struct world *w, unsigned minutes)
{
    expect_the_aim_after(w, 0, minutes);
}

static void case_265_what_a_sink_allows_is_used_and_hardly_more_asked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        struct world w = world_of((struct sink){.connections = 2,
                                                .per_minute = 60,
                                                .counting = (enum counting)(i % 3),
                                                .greylisted = 10,
                                                .tarpits = 1},
                                  i + 1);
        expect_the_aim(&w, 60);
    }
}

static void a_slow_sink_is_served_at_its_pace(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct world w = world_of(
            (struct sink){.connections = 2, .per_minute = 10, .counting = (enum counting)i}, i);
        expect_the_aim(&w, 180);
    }
}

// What a minute's messages show nothing of: after five at once it takes one each two seconds.
static void case_642_a_bucket_that_holds_little_is_learned_from_two_refusals(void **state)
{
    (void)state;
    static const unsigned kinds[][2] = {{30, 5}, {30, 2}, {60, 10}, {12, 3}, {300, 20}};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct world w = world_of((struct sink){.connections = 2,
                                                .per_minute = kinds[i][0],
                                                .counting = BUCKET,
                                                .burst = kinds[i][1]},
                                  i);
        expect_the_aim_after(&w, 30, 180);
    }
}

static void a_fast_sink_too(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct world w = world_of(
            (struct sink){.connections = 5, .per_minute = 1000, .counting = (enum counting)i}, i);
        expect_the_aim(&w, 60);
    }
}

static void case_266_after_an_outage_all_is_as_before_within_two_minutes(void **state)
{
    (void)state;
    struct world w = world_of(
        (struct sink){
            .connections = 2, .per_minute = 60, .away_from = 20 * MINUTE, .away_to = 25 * MINUTE},
        5);
    run_until(&w, 40 * MINUTE);
    assert_true(share(&w, 5 * MINUTE, 20 * MINUTE) >= 95);
    assert_true(share(&w, 20 * MINUTE, 25 * MINUTE) < 1);
    assert_true(share(&w, 27 * MINUTE, 40 * MINUTE) >= 95);
}

static void a_sink_that_allows_less_is_obeyed_within_two_minutes(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){.connections = 4, .per_minute = 120}, 6);
    run_until(&w, 20 * MINUTE);
    w.sink.per_minute = 60;
    w.sink.connections = 2;
    unsigned before = w.refused;
    run_until(&w, 22 * MINUTE);
    run_until(&w, 40 * MINUTE);
    assert_true(share(&w, 22 * MINUTE, 40 * MINUTE) >= 90);
    assert_in_range(w.refused - before, 2, 20);
}

static void a_sink_that_allows_more_is_found_out(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){.connections = 2, .per_minute = 60}, 7);
    run_until(&w, 20 * MINUTE);
    w.sink.per_minute = 600;
    w.sink.connections = 8;
    run_until(&w, 120 * MINUTE);
    assert_true(share(&w, 100 * MINUTE, 120 * MINUTE) >= 95);
    assert_true(shape_window(&w.shape, &w.limits) >= 4);
}

// A quota by the hour is not modelled, and met all the same: while it is spent the site is asked ever more rarely, and
// when the hour is over the mail flows again.
static void a_quota_by_the_hour_is_used_without_much_asking(void **state)
{
    (void)state;
    static const unsigned quotas[] = {100, 600, 3000, 10000};
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++) {
        struct world w = world_of((struct sink){.connections = 4, .per_hour = quotas[i]}, 40 + i);
        run_until(&w, 8 * HOUR);
        double taken = 100.0 * w.taken / (8.0 * quotas[i]), refused = 1.0 * w.refused / 8;
        print_message("%u an hour: taken %.1f %%, refused %.1f an hour (%.2f %%)\n", quotas[i],
                      taken, refused, refusals(&w));
        assert_true(taken >= 95 && refused < 90);
    }
}

static void who_sets_no_limit_gets_all_connections_at_once(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){0}, 8);
    run_until(&w, 12 * SECOND);
    assert_int_equal(shape_window(&w.shape, &w.limits), 20);
    assert_int_equal(w.refused, 0);
}

static void who_is_away_is_asked_rarely_and_one_message_at_a_time(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){.away_to = 24 * 60 * MINUTE}, 9);
    run_until(&w, 60 * MINUTE);
    assert_in_range(w.asked, 5, 25);
    unsigned first = w.asked;
    run_until(&w, 12 * 60 * MINUTE);
    assert_in_range(w.asked - first, 60, 80); // every ten minutes
    assert_int_equal(shape_window(&w.shape, &w.limits), 1);
}

// Nothing that a site says makes the relay hammer it, or give it up.
static void case_267_whatever_a_site_says_the_bounds_hold(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct world w = world_of((struct sink){0}, seed);
        uint64_t when, minute = 0;
        unsigned asked = 0;
        while (w.now < 60 * MINUTE) {
            w.now += 1 + dice(&w, 300);
            if (w.now / MINUTE != minute)
                asked = 0;
            minute = w.now / MINUTE;
            unsigned open = dice(&w, 21);
            if (shape_ask(&w.shape, &w.limits, open, w.now, &when) == SHAPE_GO) {
                shape_begin(&w.shape, &w.limits, w.now);
                asked++;
            }
            // nothing is ever taken, whatever else is said
            enum shape_news news = (enum shape_news)(SHAPE_CROWD + dice(&w, 4));
            shape_hear(&w.shape, &w.limits, news, w.now - dice(&w, 5000), open, w.now);
            assert_in_range(shape_window(&w.shape, &w.limits), 1, 20);
            assert_true(w.shape.pace == 0 || w.shape.pace >= 1);
            assert_true(w.shape.until_ms <= w.now + w.limits.last_ms);
            assert_true(asked <= 30);
        }
        // and it is asked again after the longest pause
        w.now += w.limits.last_ms;
        assert_int_equal(shape_ask(&w.shape, &w.limits, 0, w.now, &when), SHAPE_GO);
    }
}

static void what_began_before_a_lesson_says_nothing_new(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){0}, 1);
    for (unsigned i = 0; i < 30; i++)
        shape_hear(&w.shape, &w.limits, SHAPE_TAKEN, w.now, 19, w.now);
    assert_int_equal(shape_window(&w.shape, &w.limits), 20);
    for (unsigned i = 0; i < 10; i++) // connections that fail together
        shape_hear(&w.shape, &w.limits, SHAPE_SLOW, w.now - 100, 10, w.now);
    assert_int_equal(shape_window(&w.shape, &w.limits), 10);
    shape_hear(&w.shape, &w.limits, SHAPE_TAKEN, w.now - 1, 3, w.now);
    assert_int_equal(w.shape.strikes, 1);
}

static void one_lost_message_among_many_shuts_nothing(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){0}, 1);
    uint64_t when, begun = w.now;
    shape_hear(&w.shape, &w.limits, SHAPE_TAKEN, begun, 1, begun + 10);
    shape_hear(&w.shape, &w.limits, SHAPE_SLOW, begun, 1, begun + 20);
    assert_int_equal(shape_ask(&w.shape, &w.limits, 0, begun + 30, &when), SHAPE_GO);
}

static void without_learning_the_ceilings_hold(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){.connections = 2, .per_minute = 60}, 1);
    w.limits.learn = false;
    w.limits.connections = 7;
    w.limits.pace = 30;
    run_until(&w, 20 * MINUTE);
    assert_int_equal(shape_window(&w.shape, &w.limits), 7);
    assert_true(shape_pace(&w.shape, &w.limits) == 30);
    assert_true(w.taken <= 30 * 21);
}

static void a_ceiling_of_the_pace_is_never_passed(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){0}, 1);
    w.limits.pace = 120;
    run_until(&w, 30 * MINUTE);
    for (unsigned i = 1; i < 30; i++)
        assert_in_range(w.minutes[i], 110, 121);
}

static void what_another_learned_only_lowers(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){0}, 1);
    w.shape.window = 10;
    assert_true(shape_lower(&w.shape, &w.limits, SHAPE_CROWD, 12, 0, w.now)); // where to stop
    assert_int_equal(shape_window(&w.shape, &w.limits), 10);
    assert_int_equal(w.shape.crowd, 13);
    assert_true(shape_lower(&w.shape, &w.limits, SHAPE_CROWD, 4, 0, w.now));
    assert_false(shape_lower(&w.shape, &w.limits, SHAPE_CROWD, 9, 0, w.now)); // that is more
    assert_int_equal(shape_window(&w.shape, &w.limits), 4);
    assert_true(shape_lower(&w.shape, &w.limits, SHAPE_FAST, 9, 60, w.now));
    assert_false(shape_lower(&w.shape, &w.limits, SHAPE_FAST, 9, 61, w.now));
    assert_true(shape_pace(&w.shape, &w.limits) == 60);
    assert_int_equal(shape_window(&w.shape, &w.limits), 4);
    w.limits.learn = false;
    assert_false(shape_lower(&w.shape, &w.limits, SHAPE_FAST, 1, 1, w.now));
}

static void what_began_before_another_told_of_it_shows_nothing_either(void **state)
{
    (void)state;
    struct world w = world_of((struct sink){0}, 1);
    w.now = MINUTE;
    w.shape.window = 10;
    assert_true(shape_lower(&w.shape, &w.limits, SHAPE_FAST, 10, 60, w.now));
    shape_hear(&w.shape, &w.limits, SHAPE_TAKEN, w.now - 1, 9, w.now + 1);
    assert_int_equal(shape_window(&w.shape, &w.limits), 10);
    shape_hear(&w.shape, &w.limits, SHAPE_TAKEN, w.now, 9, w.now + 1);
    assert_int_equal(shape_window(&w.shape, &w.limits), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_learned_only_lowers),
        cmocka_unit_test(what_began_before_another_told_of_it_shows_nothing_either),
        cmocka_unit_test(case_265_what_a_sink_allows_is_used_and_hardly_more_asked),
        cmocka_unit_test(a_slow_sink_is_served_at_its_pace),
        cmocka_unit_test(a_fast_sink_too),
        cmocka_unit_test(case_642_a_bucket_that_holds_little_is_learned_from_two_refusals),
        cmocka_unit_test(case_266_after_an_outage_all_is_as_before_within_two_minutes),
        cmocka_unit_test(a_sink_that_allows_less_is_obeyed_within_two_minutes),
        cmocka_unit_test(a_quota_by_the_hour_is_used_without_much_asking),
        cmocka_unit_test(a_sink_that_allows_more_is_found_out),
        cmocka_unit_test(who_sets_no_limit_gets_all_connections_at_once),
        cmocka_unit_test(who_is_away_is_asked_rarely_and_one_message_at_a_time),
        cmocka_unit_test(case_267_whatever_a_site_says_the_bounds_hold),
        cmocka_unit_test(what_began_before_a_lesson_says_nothing_new),
        cmocka_unit_test(one_lost_message_among_many_shuts_nothing),
        cmocka_unit_test(without_learning_the_ceilings_hold),
        cmocka_unit_test(a_ceiling_of_the_pace_is_never_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
