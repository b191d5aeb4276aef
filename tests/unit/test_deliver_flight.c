// SPDX-License-Identifier: ISC
// Stories of messages that share a connection: who earns it, what is said behind whom, and that nothing is lost, nor
// taken for delivered, whatever the host answers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/deliver/pool_speech.h"
#include "relay/deliver/strays.h"
#include "tests/unit/flight_story.h"

#define PLAIN  "SIZE 1000000\n8BITMIME\nPIPELINING"
#define FULL   PLAIN "\nENHANCEDSTATUSCODES"
#define CHUNKS FULL "\nCHUNKING"

#define SWEPT_MS 400 // how long an answer is awaited where many are missing

static struct story s;
static struct mx *mx;
static struct flight f;
static const char *const words[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};

static void stage(const char *delivery, const char *extensions)
{
    story_begin_timed(&s, 1, delivery, NULL);
    s.relay.strays = strays_new(NULL);
    mx = mx_start(extensions);
    story_host(&s, mx, "mx1.test", TLS_OPPORTUNISTIC);
}

static void strike_the_stage(void)
{
    story_end(&s);
    strays_free(s.relay.strays);
    mx_stop(mx);
}

static uint64_t overlapped(void)
{
    return s.relay.counters.overlapped;
}

// What a host is shown to believe it: some messages, one of them for two.
static void earn(void)
{
    flight_begin(&f, &s);
    for (int i = 0; i < 7; i++)
        flight_add(&f, "before", "a@example.test", i == 3 ? "b@example.test" : NULL);
    flight_run(&f);
    for (int i = 0; i < 7; i++)
        assert_int_equal(f.ends[i].standing, STANDING_DELIVERED);
}

// n messages, each as soon as it may.
static void fly(size_t n)
{
    static unsigned flights;
    char word[32];
    flight_begin(&f, &s);
    flights++;
    for (size_t i = 0; i < n; i++) {
        snprintf(word, sizeof word, "%s-%u", words[i], flights);
        flight_add(&f, word, "a@example.test", NULL);
    }
    flight_run(&f);
}

static void assert_delivered_once(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        assert_int_equal(f.ends[i].standing, STANDING_DELIVERED);
        assert_int_equal(flight_accepted(mx, &f.ends[i]), 1);
    }
}

static void an_envelope_goes_out_behind_the_dot_once_that_is_earned(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    flight_begin(&f, &s);
    flight_add(&f, "first", "a@example.test", "b@example.test");
    for (int i = 1; i < POOL_CLEAN - 1; i++)
        flight_add(&f, words[i], "a@example.test", NULL);
    flight_run(&f);
    assert_int_equal(overlapped(), 0);
    earn();
    uint64_t before = overlapped();
    fly(4);
    assert_int_equal(overlapped() - before, 3);
    assert_delivered_once(0, 4);
    assert_int_equal(mx_connections(mx), 1);
    strike_the_stage();
}

static void messages_for_one_recipient_alone_earn_nothing(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    fly(8);
    fly(8);
    assert_int_equal(overlapped(), 0);
    strike_the_stage();
}

static void hosts_whose_answers_look_alike_earn_nothing(void **state)
{
    (void)state;
    stage("", PLAIN);
    mx_on(mx, "mail", "250 ok");
    mx_on(mx, "rcpt", "250 ok");
    mx_slow(mx);
    mx_on(mx, "dot", "250 ok");
    earn();
    fly(4);
    assert_int_equal(overlapped(), 0);
    assert_delivered_once(0, 4);
    strike_the_stage();
}

static void without_enhanced_codes_the_answer_to_mail_must_always_be_the_same(void **state)
{
    (void)state;
    stage("", PLAIN);
    mx_on(mx, "mail", "250 sender ok");
    mx_slow(mx);
    mx_on(mx, "dot", "250 queued");
    earn();
    fly(3);
    assert_int_equal(overlapped(), 2);
    assert_delivered_once(0, 3);
    strike_the_stage();
}

static void nor_do_hosts_whose_answer_to_mail_is_another_each_time(void **state)
{
    (void)state;
    char text[64];
    stage("", PLAIN);
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "250 id %d", i);
        mx_next(mx, "mail", text);
    }
    mx_slow(mx);
    mx_on(mx, "dot", "250 queued");
    earn();
    fly(4);
    assert_int_equal(overlapped(), 0);
    strike_the_stage();
}

// Which sender it names would tell one MAIL's answer from another's, and neither from a message's.
static void nor_do_hosts_whose_answer_to_mail_names_the_sender(void **state)
{
    (void)state;
    stage("", PLAIN);
    mx_on(mx, "mail", "250 <A@us.test> sender ok");
    mx_slow(mx);
    mx_on(mx, "dot", "250 queued");
    earn();
    fly(4);
    assert_int_equal(overlapped(), 0);
    assert_delivered_once(0, 4);
    strike_the_stage();
}

// The one thing that must never be: the next MAIL's answer taken for the message's.
static void case_450_an_answer_that_is_missing_is_not_the_next_commands(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    earn();
    mx_strike(mx, 4, "=" MX_SILENT); // mail rcpt data dot
    fly(3);
    assert_true(mx_struck(mx));
    assert_int_equal(flight_accepted(mx, &f.ends[0]), 0);
    assert_int_equal(f.ends[0].standing, STANDING_REFUSED);
    assert_string_equal(f.ends[0].why.status, "4.5.0");
    assert_delivered_once(1, 3);
    uint64_t before = overlapped();
    fly(3);
    assert_int_equal(overlapped(), before); // off
    assert_delivered_once(0, 3);
    strike_the_stage();
}

static void case_467_an_answer_that_names_the_next_sender_is_not_the_messages(void **state)
{
    (void)state;
    stage("", PLAIN);
    for (int i = 0; i < 8; i++) // those before, and the first of the two
        mx_next(mx, "mail", "250 sender ok");
    mx_next(mx, "mail", "250 b@us.test is ok");
    mx_slow(mx);
    mx_on(mx, "dot", "250 queued");
    earn();
    mx_strike(mx, 4, "=" MX_SILENT); // mail rcpt data dot
    flight_begin(&f, &s);
    flight_add(&f, "mine", "a@example.test", NULL);
    flight_add(&f, "yours", "a@example.test", NULL);
    f.ends[1].from = "b@us.test";
    flight_run(&f);
    assert_true(mx_struck(mx));
    assert_int_equal(flight_accepted(mx, &f.ends[0]), 0);
    assert_int_equal(f.ends[0].standing, STANDING_REFUSED);
    assert_string_equal(f.ends[0].why.status, "4.5.0");
    strike_the_stage();
}

static void case_451_nor_is_a_refusal_of_the_next_sender_one_of_the_message(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    earn();
    mx_strike(mx, 4, NULL); // accepted, and not answered
    mx_next(mx, "mail", "250 2.1.0 ok");
    mx_next(mx, "mail", "550 5.1.8 no such sender");
    fly(2);
    assert_int_equal(f.ends[0].standing, STANDING_REFUSED);
    assert_string_equal(f.ends[0].why.status, "4.5.0");
    strike_the_stage();
}

static void case_452_an_answer_too_many_costs_the_next_message_nothing(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    earn();
    mx_strike(mx, 4, "250 2.0.0 taken");
    fly(3);
    assert_true(mx_struck(mx));
    assert_delivered_once(0, 3);
    uint64_t before = overlapped();
    fly(3);
    assert_int_equal(overlapped(), before);
    strike_the_stage();
}

// What refuses the message comes late, where the answer to MAIL is awaited: the sender is not refused for it.
static void case_453_a_verdict_that_comes_late_is_not_the_next_senders(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    earn();
    mx_strike(mx, 4, "550 5.7.1 spam after all");
    fly(2);
    assert_int_equal(f.ends[1].standing, STANDING_DELIVERED);
    assert_int_equal(flight_accepted(mx, &f.ends[1]), 1);
    strike_the_stage();
}

// The same where the next one's recipient cannot be accepted either.
static void case_453_nor_where_its_recipient_is_refused_too(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    earn();
    mx_strike(mx, 4, "550 5.7.1 spam after all");
    mx_next(mx, "rcpt", "250 2.1.5 ok");
    mx_next(mx, "rcpt", "450 4.2.1 later");
    mx_next(mx, "data", "354 go");
    mx_next(mx, "data", MX_WAIT "\n554 5.5.1 nobody");
    fly(2);
    assert_true(f.ends[1].standing == STANDING_DELIVERED || f.ends[1].why.status[0] == '4');
    strike_the_stage();
}

static void no_more_than_in_flight_await_their_answers(void **state)
{
    (void)state;
    stage("connections: {in_flight: 3}", CHUNKS);
    earn();
    earn();
    uint64_t before = overlapped();
    mx_on(mx, "bdat", MX_SILENT);
    fly(6);
    assert_int_equal(overlapped() - before, 2);
    strike_the_stage();
}

static void case_454_what_was_said_behind_a_421_was_not_accepted(void **state)
{
    (void)state;
    stage("connections: {in_flight: 8}", CHUNKS);
    earn();
    earn(); // RSET's answer, twice
    mx_slow(mx);
    mx_strike(mx, 3, "=421 4.3.2 going down");
    fly(4);
    assert_true(mx_struck(mx));
    assert_int_equal(f.ends[0].standing, STANDING_REFUSED);
    assert_string_equal(f.ends[0].why.status, "4.3.2");
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(f.ends[i].doubts, 0);
    assert_delivered_once(1, 4);
    strike_the_stage();
}

static void case_454_but_a_host_that_says_421_and_stays_is_heard(void **state)
{
    (void)state;
    stage("connections: {in_flight: 8}", CHUNKS);
    earn();
    earn();
    mx_slow(mx);
    mx_stays(mx);
    unsigned before = mx_connections(mx);
    mx_strike(mx, 3, "=421 4.3.2 going down, not yet");
    fly(4);
    assert_int_equal(f.ends[0].standing, STANDING_REFUSED);
    assert_delivered_once(1, 4);
    assert_int_equal(mx_connections(mx), before);
    strike_the_stage();
}

static void whole_messages_go_out_behind_each_other_where_in_flight_allows(void **state)
{
    (void)state;
    stage("connections: {in_flight: 4}", CHUNKS);
    earn();
    earn();
    mx_slow(mx);
    uint64_t before = overlapped();
    fly(8);
    assert_int_equal(overlapped() - before, 7);
    assert_delivered_once(0, 8);
    assert_int_equal(mx_connections(mx), 1);
    strike_the_stage();
}

static void by_default_only_one_message_waits_for_its_answer(void **state)
{
    (void)state;
    stage("", CHUNKS);
    earn();
    earn();
    mx_slow(mx);
    fly(4);
    assert_int_equal(overlapped(), 0); // MAIL, RCPT and BDAT are one flight already
    assert_delivered_once(0, 4);
    strike_the_stage();
}

static void case_455_a_lost_connection_leaves_those_in_doubt_whose_end_was_sent(void **state)
{
    (void)state;
    stage("connections: {in_flight: 8}", CHUNKS);
    earn();
    earn();
    mx_slow(mx);
    mx_strike(mx, 3, "=" MX_CLOSE);
    fly(4);
    assert_int_equal(f.ends[0].standing, STANDING_REFUSED);
    unsigned doubts = 0;
    for (size_t i = 0; i < 4; i++)
        doubts += f.ends[i].doubts;
    assert_true(doubts >= 2);
    for (size_t i = 0; i < 4; i++)
        assert_true(f.ends[i].standing == STANDING_DELIVERED || f.ends[i].doubts);
    strike_the_stage();
}

static void case_455_also_where_the_first_was_answered(void **state)
{
    (void)state;
    stage("connections: {in_flight: 8}", CHUNKS);
    earn();
    earn();
    mx_slow(mx);
    mx_strike(mx, 4, "=" MX_CLOSE); // mail rcpt bdat, and the RSET behind it
    fly(3);
    assert_int_equal(f.ends[0].standing, STANDING_DELIVERED);
    assert_int_equal(f.ends[1].doubts, 1);
    assert_int_equal(f.ends[1].attempts, 1);
    strike_the_stage();
}

static void case_456_behind_data_a_lost_connection_leaves_one_in_doubt(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    earn();
    uint64_t before = overlapped();
    mx_strike(mx, 4, "=" MX_CLOSE);
    fly(3);
    assert_true(overlapped() > before);
    assert_int_equal(f.ends[0].standing, STANDING_REFUSED);
    assert_int_equal(f.ends[0].doubts, 1);
    assert_int_equal(f.ends[1].doubts, 0);
    assert_int_equal(f.ends[1].backs, 1);
    assert_delivered_once(1, 3);
    strike_the_stage();
}

// The first one's MAIL still stands at the host: what comes behind must not be taken under its sender.
static void case_457_nobody_accepted_for_the_first_does_not_bind_the_next(void **state)
{
    (void)state;
    stage("connections: {in_flight: 8}", CHUNKS);
    earn();
    earn();
    mx_slow(mx);
    mx_next(mx, "rcpt", "550 5.1.1 no such user");
    mx_nests(mx);
    fly(3);
    assert_string_equal(f.ends[0].why.status, "5.1.1");
    assert_delivered_once(1, 3);
    strike_the_stage();
}

static void case_458_a_host_that_answers_rset_as_it_does_a_message_gets_one_at_a_time(void **state)
{
    (void)state;
    stage("connections: {in_flight: 8}", CHUNKS);
    mx_on(mx, "rset", "250 2.0.0 taken");
    earn();
    earn();
    mx_slow(mx);
    uint64_t before = overlapped();
    fly(4);
    assert_true(overlapped() - before <= 1);
    strike_the_stage();
}

static void case_459_mailmax_is_obeyed(void **state)
{
    (void)state;
    stage("", FULL "\nLIMITS MAILMAX=3");
    mx_slow(mx);
    earn();
    unsigned before = mx_connections(mx);
    fly(6);
    assert_delivered_once(0, 6);
    assert_true(mx_connections(mx) - before >= 2);
    assert_int_equal(mx_connections(mx), (7 + 6 + 2) / 3);
    assert_true(overlapped() > 0);
    strike_the_stage();
}

static void case_460_whose_answers_went_astray_is_known_to_all_workers_for_a_month(void **state)
{
    (void)state;
    stage("", FULL);
    mx_slow(mx);
    strays_add(s.relay.strays, "127.0.0.1", clock_ms() + 30LL * 86400000);
    earn();
    fly(3);
    assert_int_equal(overlapped(), 0);
    clock_fix(clock_ms() + 30LL * 86400000 + 1000);
    clock_mono_advance(30LL * 86400000 + 1000);
    earn();
    fly(3);
    assert_true(overlapped() > 0);
    clock_release();
    strike_the_stage();
}

// Every reply of a flight in turn is struck with every kind of fault.
static void sweep(const char *delivery, const char *extensions, const char *fault)
{
    for (unsigned at = 1; at <= 16; at++) {
        stage(delivery, extensions);
        s.config->delivery.command = s.config->delivery.data = SWEPT_MS;
        earn();
        earn();
        mx_slow(mx);
        mx_strike(mx, at, fault);
        fly(3);
        bool struck = mx_struck(mx);
        mx_strike(mx, 0, "");
        size_t left = flight_run_all(&f, 8);
        for (size_t i = 0; i < 3; i++) {
            const struct flight_letter *end = &f.ends[i];
            bool refused = end->why.scope != WHY_HOST && why_permanent(&end->why);
            unsigned times = flight_taken(mx, end);
            if ((end->standing == STANDING_DELIVERED && !times) || times > 1 + end->doubts ||
                (left && !refused))
                fail_msg("%s, %s at reply %u: %s is %d, accepted %u times, %u doubts: %s",
                         extensions, fault ? fault : "missing", at, end->word, (int)end->standing,
                         times, end->doubts, end->why.text);
        }
        strike_the_stage();
        if (!struck)
            return;
    }
}

static void sweep_all(const char *fault)
{
    sweep("", FULL, fault);
    sweep("connections: {in_flight: 8}", CHUNKS, fault);
}

static void case_461_an_answer_too_many_anywhere(void **state)
{
    (void)state;
    sweep_all("250 2.0.0 taken");
    sweep_all("250 2.1.5 ok");
}

static void case_462_an_answer_missing_wherever(void **state)
{
    (void)state;
    sweep_all(NULL);
    sweep_all("=" MX_SILENT);
}

static void case_463_421_anywhere(void **state)
{
    (void)state;
    sweep_all("=421 4.3.2 going down");
}

static void case_464_a_connection_that_ends_anywhere(void **state)
{
    (void)state;
    sweep_all("=" MX_CLOSE);
}

static void case_465_an_answer_in_pieces_anywhere(void **state)
{
    (void)state;
    sweep_all("=250-2.0.0 in\n" MX_WAIT "\n250 2.0.0 pieces");
}

static void case_466_a_refusal_anywhere_is_nobody_elses(void **state)
{
    (void)state;
    sweep_all("=451 4.7.1 later");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_goes_out_behind_the_dot_once_that_is_earned),
        cmocka_unit_test(messages_for_one_recipient_alone_earn_nothing),
        cmocka_unit_test(hosts_whose_answers_look_alike_earn_nothing),
        cmocka_unit_test(without_enhanced_codes_the_answer_to_mail_must_always_be_the_same),
        cmocka_unit_test(whole_messages_go_out_behind_each_other_where_in_flight_allows),
        cmocka_unit_test(by_default_only_one_message_waits_for_its_answer),
        cmocka_unit_test(case_450_an_answer_that_is_missing_is_not_the_next_commands),
        cmocka_unit_test(case_467_an_answer_that_names_the_next_sender_is_not_the_messages),
        cmocka_unit_test(case_451_nor_is_a_refusal_of_the_next_sender_one_of_the_message),
        cmocka_unit_test(case_452_an_answer_too_many_costs_the_next_message_nothing),
        cmocka_unit_test(case_453_a_verdict_that_comes_late_is_not_the_next_senders),
        cmocka_unit_test(case_453_nor_where_its_recipient_is_refused_too),
        cmocka_unit_test(no_more_than_in_flight_await_their_answers),
        cmocka_unit_test(nor_do_hosts_whose_answer_to_mail_is_another_each_time),
        cmocka_unit_test(nor_do_hosts_whose_answer_to_mail_names_the_sender),
        cmocka_unit_test(case_454_what_was_said_behind_a_421_was_not_accepted),
        cmocka_unit_test(case_454_but_a_host_that_says_421_and_stays_is_heard),
        cmocka_unit_test(case_455_a_lost_connection_leaves_those_in_doubt_whose_end_was_sent),
        cmocka_unit_test(case_455_also_where_the_first_was_answered),
        cmocka_unit_test(case_456_behind_data_a_lost_connection_leaves_one_in_doubt),
        cmocka_unit_test(case_457_nobody_accepted_for_the_first_does_not_bind_the_next),
        cmocka_unit_test(case_458_a_host_that_answers_rset_as_it_does_a_message_gets_one_at_a_time),
        cmocka_unit_test(case_459_mailmax_is_obeyed),
        cmocka_unit_test(case_460_whose_answers_went_astray_is_known_to_all_workers_for_a_month),
        cmocka_unit_test(case_461_an_answer_too_many_anywhere),
        cmocka_unit_test(case_462_an_answer_missing_wherever),
        cmocka_unit_test(case_463_421_anywhere),
        cmocka_unit_test(case_464_a_connection_that_ends_anywhere),
        cmocka_unit_test(case_465_an_answer_in_pieces_anywhere),
        cmocka_unit_test(case_466_a_refusal_anywhere_is_nobody_elses),
    };
    if (argc > 1 && argv[1][0] == '!')
        cmocka_set_skip_filter(argv[1] + 1);
    else if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
