// SPDX-License-Identifier: ISC
// Stories of one access token: thirty days of a provider that answers, falls silent and revokes; and single moments.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/oauth/token.h"

#define S    1000
#define MIN  (60 * S)
#define HOUR (60 * MIN)
#define DAY  (24 * (int64_t)HOUR)
#define STEP (5 * S)

// What the provider does from then on.
enum mood { ANSWERS, SILENT, REVOKES };
static const struct {
    int64_t from_ms;
    enum mood mood;
} month[] = {
    {0, ANSWERS},
    {2 * DAY, SILENT}, // shorter than any token
    {2 * DAY + 4 * MIN, ANSWERS},
    {5 * DAY + 7 * HOUR, SILENT},
    {5 * DAY + 13 * HOUR, ANSWERS},
    {9 * DAY, REVOKES},
    {9 * DAY + 40 * MIN, ANSWERS},
    {12 * DAY, SILENT}, // a weekend
    {14 * DAY, REVOKES},
    {17 * DAY, ANSWERS},
    {23 * DAY, SILENT},
    {23 * DAY + 20 * MIN, ANSWERS},
};

struct world {
    struct token token;
    uint64_t seed;
    int64_t now;
    int64_t ends; // of the token that the provider gave last; 0: none
    unsigned fetches, alarms, mended, serial;
    int64_t last_fetch;
};

static uint64_t luck(struct world *w)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return w->seed >> 16;
}

static enum mood mood_at(int64_t now)
{
    enum mood mood = ANSWERS;
    for (size_t i = 0; i < sizeof month / sizeof *month; i++)
        if (month[i].from_ms <= now)
            mood = month[i].mood;
    return mood;
}

static void fetch(struct world *w)
{
    struct why why;
    char text[32];
    enum token_news news;
    enum mood mood = mood_at(w->now);
    uint64_t lives = (uint64_t)(55 + luck(w) % 30) * MIN;
    w->fetches++;
    // Never twice within seconds, whatever goes wrong.
    assert_true(!w->last_fetch || w->now - w->last_fetch >= TOKEN_AGAIN_MS / 2);
    w->last_fetch = w->now;
    if (mood == ANSWERS) {
        snprintf(text, sizeof text, "token-%u", ++w->serial);
        // While the provider answers a token is renewed early, and not much earlier.
        if (token_good(&w->token, w->now) && !w->token.failures)
            assert_in_range(w->token.ends_ms + TOKEN_MARGIN_MS - w->now, TOKEN_EARLY_MS - STEP,
                            TOKEN_EARLY_MS + TOKEN_JITTER_MS);
        news = token_fetched(&w->token, text, lives, w->now, luck(w));
        w->ends = w->now + (int64_t)lives;
    } else {
        why_say(&why, TOKEN_ENDPOINT_SILENT, "no answer");
        news = token_failed(&w->token, &why, mood == REVOKES, w->now, luck(w));
    }
    w->alarms += news == TOKEN_ALARM;
    w->mended += news == TOKEN_MENDED;
}

// A delivery asks all the time.
static void live(struct world *w, int64_t until, int64_t *held_ms)
{
    for (; w->now < until; w->now += STEP) {
        enum token_answer answer = token_ask(&w->token, w->now);
        bool valid = w->ends && w->now < w->ends - TOKEN_MARGIN_MS;
        if (valid)
            assert_int_equal(answer, TOKEN_GIVEN); // never a wait while a token is good
        else
            assert_int_not_equal(answer, TOKEN_GIVEN); // and never one that has ended
        if (answer != TOKEN_GIVEN)
            *held_ms += STEP;
        if (token_due(&w->token, answer == TOKEN_WAITS, w->now))
            fetch(w);
    }
}

static void thirty_days_of_expiry_outage_and_revocation(void **state)
{
    (void)state;
    struct world w = {.now = 1};
    random_bytes(&w.seed, sizeof w.seed);
    print_message("seed %llu\n", (unsigned long long)w.seed);
    int64_t held = 0;
    live(&w, 5 * DAY, &held);
    assert_true(held <= STEP); // the first token, and the four minutes of silence cost nothing
    assert_int_equal(w.alarms, 0);
    // Six hours of silence: what the last token did not cover, and no more than the longest pause after them.
    live(&w, 9 * DAY, &held);
    assert_in_range(held, 6 * HOUR - 85 * MIN, 6 * HOUR + TOKEN_MOST_MS * 5 / 4 + STEP);
    assert_int_equal(w.alarms, 1);
    assert_int_equal(w.mended, 1);
    // Forty minutes of a revoked grant: perhaps the token lasted, but the operator hears of it if anybody asked.
    unsigned before = w.fetches;
    live(&w, 12 * DAY, &held);
    assert_true(w.fetches - before < 3 * 24 * 2);
    // Two days of silence and three of refusal: at most one question in seven and a half minutes, then one in three
    // quarters of an hour; an alarm a day.
    before = w.fetches;
    unsigned alarms = w.alarms;
    live(&w, 14 * DAY, &held);
    assert_true(w.fetches - before <= 48 * 8 + 10);
    before = w.fetches;
    live(&w, 17 * DAY, &held);
    assert_true(w.fetches - before <= 72 * 4 / 3 + 2);
    assert_in_range(w.alarms - alarms, 4, 6);
    // It works again within the longest pause after a refusal.
    int64_t held_before = held;
    live(&w, 23 * DAY, &held);
    assert_true(held - held_before <= TOKEN_REVOKED_MS * 5 / 4 + STEP);
    live(&w, 30 * DAY, &held);
    assert_int_equal(w.mended, w.alarms ? w.mended : 0);
    assert_true(token_good(&w.token, w.now));
    print_message("%u fetches, %u alarms, %lld minutes held\n", w.fetches, w.alarms,
                  (long long)(held / MIN));
    token_clear(&w.token);
}

static void give(struct token *t, const char *text, int64_t now)
{
    token_fetched(t, text, HOUR, now, 0);
}

static void what_a_host_refuses_is_given_to_nobody(void **state)
{
    (void)state;
    struct token t = {0};
    give(&t, "old", 1000);
    token_refused(&t, "another", 10 * MIN);
    assert_int_equal(token_ask(&t, 10 * MIN), TOKEN_GIVEN);
    token_refused(&t, "old", 10 * MIN);
    assert_int_equal(token_ask(&t, 10 * MIN), TOKEN_WAITS);
    give(&t, "new", 10 * MIN);
    token_refused(&t, "old", 10 * MIN + S); // heard late
    assert_int_equal(token_ask(&t, 10 * MIN + S), TOKEN_GIVEN);
    // A host that takes none does not make us fetch without end.
    token_refused(&t, "new", 10 * MIN + S);
    assert_int_equal(token_ask(&t, 10 * MIN + 2 * S), TOKEN_REFUSED);
    assert_true(t.why.text[0]);
    assert_false(token_due(&t, true, 10 * MIN + 2 * S));
    assert_true(token_due(&t, true, 10 * MIN + TOKEN_DOUBT_MS));
    token_clear(&t);
}

static void a_short_life_is_renewed_in_its_middle(void **state)
{
    (void)state;
    struct token t = {0};
    token_fetched(&t, "short", 60 * S, 0, 0);
    assert_false(token_due(&t, false, 29 * S));
    assert_true(token_due(&t, false, 30 * S));
    assert_true(token_good(&t, 54 * S));
    assert_false(token_good(&t, 56 * S));
    token_fetched(&t, "none", 0, 0, 0);
    assert_false(token_good(&t, 1));
    token_fetched(&t, "long", UINT64_MAX, 0, 0);
    assert_true(token_good(&t, 20 * DAY));
    token_clear(&t);
}

static void one_fetch_serves_all(void **state)
{
    (void)state;
    struct token t = {.fetching = true};
    assert_int_equal(token_ask(&t, 5), TOKEN_WAITS);
    assert_false(token_due(&t, true, 5));
    assert_int_equal(token_wakes(&t, true), INT64_MAX);
    token_clear(&t);
}

// The thread looks again when token_wakes says: then there is something to do, or it would turn for nothing.
static void who_wakes_finds_work(void **state)
{
    (void)state;
    struct token t = {0};
    struct why why;
    why_say(&why, TOKEN_ENDPOINT_SILENT, "no");
    token_fetched(&t, "x", 2 * S, 0, 0);
    int64_t now = 0;
    for (int i = 0; i < 50; i++) {
        now = token_wakes(&t, false);
        assert_true(now != INT64_MAX && token_due(&t, false, now));
        token_failed(&t, &why, i > 25, now, 7);
        assert_true(token_wakes(&t, false) > now);
    }
    token_refused(&t, "x", now);
    assert_int_equal(token_wakes(&t, false), INT64_MAX);
    assert_true(token_due(&t, true, token_wakes(&t, true)));
    token_clear(&t);
}

static void another_secret_is_tried_at_once(void **state)
{
    (void)state;
    struct token t = {0};
    struct why why;
    why_say(&why, TOKEN_ENDPOINT_SILENT, "no");
    assert_int_equal(token_failed(&t, &why, true, 1000, 0), TOKEN_ALARM);
    assert_int_equal(token_failed(&t, &why, true, 2000, 0), TOKEN_NO_NEWS); // said today
    assert_int_equal(token_ask(&t, 5 * MIN), TOKEN_REFUSED);
    token_renewed_grant(&t);
    assert_int_equal(token_ask(&t, 5 * MIN), TOKEN_WAITS);
    assert_int_equal(token_fetched(&t, "x", HOUR, 5 * MIN, 0), TOKEN_MENDED);
    token_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirty_days_of_expiry_outage_and_revocation),
        cmocka_unit_test(what_a_host_refuses_is_given_to_nobody),
        cmocka_unit_test(a_short_life_is_renewed_in_its_middle),
        cmocka_unit_test(one_fetch_serves_all),
        cmocka_unit_test(who_wakes_finds_work),
        cmocka_unit_test(another_secret_is_tried_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
