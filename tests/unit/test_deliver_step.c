// SPDX-License-Identifier: ISC
// Stories of hosts that answer more, less or something else than was asked, and of what they are believed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include "tests/unit/deliver_pair.h"

#define PLAIN  "SIZE 1000000\n8BITMIME"
#define FULL   PLAIN "\nPIPELINING\nDSN\nENHANCEDSTATUSCODES"
#define CHUNKS FULL "\nCHUNKING"
#define LETTER "From: <a@us.test>\r\nSubject: hello\r\n\r\nfirst line\r\n"
// What a host would take for commands that read a chunk so.
#define SPEECH                                                                                     \
    "From: <a@us.test>\r\n\r\nRSET\r\nMAIL FROM:<ceo@bank.test>\r\nRCPT TO:<v@example.test>\r\n"   \
    "DATA\r\nSend money\r\n.\r\n"
#define OWN "BDAT 25" // the line "Received: by relay.test"

static int begin(void **state)
{
    (void)state;
    return pair_begin(CHUNKS);
}

static void letter(const char *text, const char *to)
{
    story_message(&s, "a@us.test", text, to, NULL);
    story_run(&s);
}

// The host has taken a BDAT, so that the next message goes out in one flight with its envelope.
static void proven(void)
{
    letter(LETTER, "first@example.test");
    assert_delivered("first@example.test");
    assert_true(mx_message(mx, 0)->bdat);
}

static void case_50_an_answer_for_each_recipient_is_believed_for_none_of_them(void **state)
{
    (void)state;
    proven();
    mx_next(mx, "bdat", "250 2.0.0 for b\n250 2.0.0 for c");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", NULL);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "4.5.0");
    assert_int_equal(refused("c@example.test")->scope, WHY_HOST);
    mx_on(mx, "dot", "554 5.7.1 spam");
    letter(LETTER, "d@example.test");
    assert_string_equal(refused("d@example.test")->status, "5.7.1");
}

static void case_50_the_surplus_may_come_when_the_next_message_is_out(void **state)
{
    (void)state;
    proven();
    mx_next(mx, "bdat", "250 for b\n" MX_WAIT "\n250 for c");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", NULL);
    story_run(&s);
    mx_on(mx, "bdat", MX_WAIT "\n554 5.7.1 spam");
    mx_on(mx, "dot", "554 5.7.1 spam");
    letter(LETTER, "d@example.test");
    assert_int_equal(story_of(&s, "d@example.test")->standing, STANDING_REFUSED);
}

static void rcpt_is_answered_twice(const char *reply, const char *verdict)
{
    mx_on(mx, "rcpt", reply);
    mx_on(mx, "bdat", verdict);
    mx_on(mx, "dot", "554 5.7.1 spam");
    letter(LETTER, "b@example.test");
    assert_int_equal(story_of(&s, "b@example.test")->standing, STANDING_REFUSED);
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "5.7.1");
}

static void case_51_a_rcpt_answered_twice_is_no_answer_to_the_message(void **state)
{
    (void)state;
    rcpt_is_answered_twice("250 2.1.5 ok\n250 2.1.5 ok", "554 5.7.1 spam");
}

static void case_51_nor_where_the_host_is_proven(void **state)
{
    (void)state;
    proven();
    rcpt_is_answered_twice("250 2.1.5 ok\n250 2.1.5 ok", "554 5.7.1 spam");
}

// Only an answer to RCPT or VRFY is 251 or 252 (RFC 5321 section 4.2.3).
static void case_51_nor_where_its_code_is_one_of_recipients(void **state)
{
    (void)state;
    proven();
    rcpt_is_answered_twice("250 2.1.5 ok\n" MX_WAIT "\n251 elsewhere", MX_WAIT "\n554 5.7.1 spam");
    rcpt_is_answered_twice("250 2.1.5 ok\n" MX_WAIT "\n252 who knows", MX_WAIT "\n554 5.7.1 spam");
}

static void case_51_nor_where_all_of_it_is_late(void **state)
{
    (void)state;
    proven();
    rcpt_is_answered_twice("250 ok\n" MX_WAIT "\n250 ok", MX_WAIT "\n554 5.7.1 spam");
}

static void case_51_nor_where_it_names_the_recipient(void **state)
{
    (void)state;
    proven();
    rcpt_is_answered_twice("250 one B@example.test\n" MX_WAIT "\n250 two b@Example.test",
                           MX_WAIT "\n554 spam");
}

// A surplus of the message before comes when the next is out, and no answer says what it answers.
static void case_51_nor_where_the_shift_began_with_the_message_before(void **state)
{
    (void)state;
    mx_on(mx, "mail", "250 sender fine");
    mx_on(mx, "rcpt", "250 recipient fine");
    mx_next(mx, "bdat", "250 queued as 1");
    letter(LETTER, "a@example.test");
    assert_delivered("a@example.test");
    mx_next(mx, "bdat", "250 queued as 2\n" MX_WAIT "\n250 and queued as 3");
    mx_on(mx, "bdat", MX_WAIT "\n554 5.7.1 spam");
    mx_on(mx, "dot", "554 5.7.1 spam");
    for (int i = 0; i < 3; i++) { // there is something to send at once
        letter(LETTER, i ? "c@example.test" : "b@example.test");
        if (i)
            assert_int_equal(story_of(&s, "c@example.test")->standing, STANDING_REFUSED);
    }
}

// Nor is it forgotten when it comes while the connection is idle.
static void case_52_what_an_idle_host_says_is_remembered(void **state)
{
    (void)state;
    proven();
    mx_next(mx, "bdat", "250 2.0.0 fine\n" MX_WAIT "\n250 2.0.0 fine");
    letter(LETTER, "b@example.test");
    assert_delivered("b@example.test");
    story_turn(&s);
    assert_int_equal(s.nidle, 0);
    letter(LETTER, "c@example.test");
    assert_delivered("c@example.test");
    assert_false(mx_message(mx, mx_count(mx) - 1)->bdat);
}

static void case_51_a_host_whose_answers_all_look_alike_is_believed_after_a_reset(void **state)
{
    (void)state;
    proven();
    const char *steps[] = {"mail", "rcpt", "bdat", "rset"};
    for (size_t i = 0; i < 4; i++)
        mx_on(mx, steps[i], "250 OK");
    letter(LETTER, "b@example.test");
    assert_delivered("b@example.test");
    assert_int_equal(mx_lines(mx, "RSET"), 1);
    for (int i = 0; i < 3; i++) {
        letter(LETTER, "c@example.test"); // by DATA, whose 354 tells
        assert_delivered("c@example.test");
    }
    assert_int_equal(mx_connections(mx), 2);
    assert_int_equal(mx_lines(mx, "RSET"), 1);
}

static void case_51_a_refusal_pipelined_behind_a_surplus_is_nobodys_bounce(void **state)
{
    (void)state;
    mx_extensions(mx, FULL);
    mx_next(mx, "rcpt", "250 2.1.5 ok\n" MX_WAIT "\n250 2.1.5 ok");
    mx_next(mx, "rcpt", "550 5.1.1 nobody");
    mx_next(mx, "data", MX_WAIT "\n354 go");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", NULL);
    story_run(&s);
    // Asked again one command at a time, both are taken.
    assert_delivered("b@example.test");
    assert_delivered("c@example.test");
}

static void case_52_a_host_out_of_step_is_asked_one_command_at_a_time(void **state)
{
    (void)state;
    mx_on(mx, "rcpt", "250 2.1.5 ok\n250 2.1.5 ok");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", "d@example.test",
                  NULL);
    story_run(&s);
    assert_delivered("b@example.test");
    assert_delivered("d@example.test");
    assert_int_equal(mx_count(mx), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mx_message(mx, i)->nrcpts, 1);
        assert_false(mx_message(mx, i)->bdat);
    }
}

static void case_52_nor_does_a_message_leave_while_a_greeting_too_many_waits(void **state)
{
    (void)state;
    mx_on(mx, "connect", "220 mx ESMTP\n220 mx ESMTP");
    letter(LETTER, "b@example.test");
    assert_delivered("b@example.test");
    assert_int_equal(mx_count(mx), 1);
}

static void case_52_an_answer_told_twice_over_data_is_one(void **state)
{
    (void)state;
    mx_extensions(mx, FULL);
    mx_on(mx, "dot", "250 2.0.0 taken\n250 2.0.0 taken");
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "4.5.0"); // not known
    letter(LETTER, "b@example.test");
    assert_delivered("b@example.test"); // one command at a time it is clear
}

static void a_host_that_takes_leave_behind_its_answer_is_in_step(void **state)
{
    (void)state;
    mx_next(mx, "bdat", "550 5.7.1 no\n421 4.3.2 bye");
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "5.7.1");
    mx_next(mx, "bdat", "250 2.0.0 fine\n421 4.3.2 bye");
    letter(LETTER, "c@example.test");
    assert_delivered("c@example.test");
    assert_true(mx_message(mx, 0)->bdat);
}

static void case_53_a_body_that_speaks_smtp_is_not_heard(void **state)
{
    (void)state;
    mx_on(mx, "bdat?", "502 5.5.1 what?");
    letter(SPEECH, "b@example.test");
    assert_delivered("b@example.test");
    assert_int_equal(mx_count(mx), 1);
    assert_false(mx_message(mx, 0)->bdat);
    assert_true(mx_heard(mx, OWN "\n"));
    assert_false(mx_heard(mx, "BDAT 0"));
    assert_false(mx_heard(mx, "ceo@bank.test"));
}

static void case_53_the_rest_waits_for_the_answer_to_our_own_lines(void **state)
{
    (void)state;
    proven();
    assert_true(mx_heard(mx, OWN "\n"));
    assert_true(mx_heard(mx, "BDAT 49 LAST\n"));
    letter(LETTER, "b@example.test");
    assert_delivered("b@example.test");
    assert_true(mx_heard(mx, "BDAT 74 LAST\n"));
    assert_int_equal(mx_lines(mx, "BDAT"), 3);
    story_demand_key(&s.route->hosts[0], "another"); // proved under one key alone
    letter(LETTER, "c@example.test");
    assert_int_equal(mx_lines(mx, "BDAT"), 5);
}

static void case_54_bdat_refused_as_a_command_means_data_and_is_remembered(void **state)
{
    (void)state;
    const char *words[] = {"500 5.5.1 what?", "502 5.5.1 not here", "503 5.5.1 bad sequence"};
    for (size_t i = 0; i < 3; i++) {
        struct mx *one = mx_start(CHUNKS);
        s.route->hosts[0].port = mx_port(one);
        ((struct sockaddr_in *)s.route->hosts[0].addresses)->sin_port = htons(mx_port(one));
        mx_on(one, i == 1 ? "bdat?" : "chunk", words[i]);
        letter(LETTER, "b@example.test");
        assert_delivered("b@example.test");
        letter(LETTER, "c@example.test");
        assert_delivered("c@example.test");
        assert_int_equal(mx_lines(one, "BDAT"), 1);
        assert_int_equal(mx_lines(one, "DATA"), 2);
        assert_int_equal(mx_connections(one), 2);
        mx_hang_up(one);
        story_turn(&s);
        mx_stop(one);
    }
}

static void case_54_another_refusal_is_about_the_message(void **state)
{
    (void)state;
    mx_next(mx, "chunk", "552 5.3.4 too big");
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "5.3.4");
    mx_next(mx, "bdat", "504 5.5.4 no");
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "5.5.4");
    assert_int_equal(mx_lines(mx, "DATA"), 0);
}

static void case_55_mail_refused_then_closed_is_refused(void **state)
{
    (void)state;
    static const char *const where[] = {"rcpt", "bdat"};
    for (size_t i = 0; i < 2; i++) {
        mx_next(mx, "mail", "550 5.7.1 your network is on our block list");
        mx_next(mx, where[i], MX_CLOSE);
        letter(LETTER, "b@example.test");
        assert_string_equal(refused("b@example.test")->status, "5.7.1");
        assert_int_equal(refused("b@example.test")->scope, WHY_MESSAGE);
        assert_non_null(strstr(story_of(&s, "b@example.test")->reply, "block list"));
    }
}

static void case_55_for_a_while_too_and_421_changes_nothing(void **state)
{
    (void)state;
    mx_next(mx, "mail", "451 4.7.650 rate limited");
    mx_next(mx, "rcpt", MX_CLOSE);
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "4.7.650");
    mx_next(mx, "mail", "550 5.7.1 go away");
    mx_next(mx, "rcpt", "421 4.3.2 bye");
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "5.7.1");
}

static void case_55_recipients_refused_before_the_end_stay_refused(void **state)
{
    (void)state;
    second_host();
    mx_extensions(mx, PLAIN);
    mx_next(mx, "rcpt", "550 5.1.1 nobody");
    mx_next(mx, "rcpt", MX_CLOSE);
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", NULL);
    story_run(&s);
    assert_string_equal(refused("b@example.test")->status, "5.1.1");
    assert_delivered("c@example.test");
    assert_int_equal(mx_message(other, 0)->nrcpts, 1);
}

static void case_59_each_recipient_has_the_facts_of_its_own_attempt(void **state)
{
    (void)state;
    second_host();
    mx_next(mx, "rcpt", "550 5.1.1 no such user");
    mx_next(mx, "rcpt", "250 2.1.5 ok");
    mx_next(mx, "chunk", "421 4.3.2 bye");
    mx_next(other, "rcpt", "450 4.2.1 later");
    mx_next(other, "rcpt", "250 2.1.5 ok");
    story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", "d@example.test",
                  NULL);
    story_run(&s);
    const struct story_end *b = story_of(&s, "b@example.test"), *c = story_of(&s, "c@example.test");
    assert_string_equal(b->attempt.host, "mx1.test");
    assert_string_equal(b->reply, "550 5.1.1 no such user");
    assert_string_equal(c->attempt.host, "mx2.test");
    assert_string_equal(c->reply, "450 4.2.1 later");
    assert_string_equal(story_of(&s, "d@example.test")->reply, "250 2.0.0 taken");
}

static void case_59_a_lost_connection_has_facts_as_well(void **state)
{
    (void)state;
    mx_on(mx, "rcpt", MX_CLOSE);
    letter(LETTER, "b@example.test");
    const struct attempt *a = &story_of(&s, "b@example.test")->attempt;
    assert_string_equal(a->host, "mx1.test");
    assert_string_equal(a->ip, "127.0.0.1");
    assert_string_equal(a->tls, "none");
    assert_string_equal(a->demand, "opportunistic");
    assert_string_equal(a->source, "default");
    assert_string_equal(a->proof, "none");
}

// "Too many messages on this connection": another one takes the rest.
static void a_host_that_has_had_enough_is_asked_again_at_the_same_address(void **state)
{
    (void)state;
    static const char *const ways[] = {"421 4.7.0 too many messages", MX_CLOSE};
    mx_extensions(mx, PLAIN);
    for (size_t i = 0; i < 2; i++) {
        mx_next(mx, "rcpt", "250 2.1.5 ok");
        mx_next(mx, "rcpt", "452 4.5.3 too many");
        mx_next(mx, "mail", "250 2.1.0 ok");
        mx_next(mx, "mail", ways[i]);
        story_message(&s, "a@us.test", LETTER, "b@example.test", "c@example.test", NULL);
        story_run(&s);
        assert_delivered("b@example.test");
        assert_delivered("c@example.test");
        mx_hang_up(mx);
        story_turn(&s);
    }
    assert_int_equal(mx_connections(mx), 4);
}

static void case_63_a_host_that_hangs_up_at_rset_costs_no_connection(void **state)
{
    (void)state;
    mx_on(mx, "rset", MX_CLOSE);
    mx_next(mx, "rcpt", "550 5.1.1 nobody");
    letter(LETTER, "b@example.test");
    assert_string_equal(refused("b@example.test")->status, "5.1.1");
    assert_int_equal(mx_connections(mx), 1);
    letter(LETTER, "c@example.test");
    assert_delivered("c@example.test");
    assert_int_equal(mx_connections(mx), 2);
}

static void case_64_a_closed_connection_says_when(void **state)
{
    (void)state;
    static const struct {
        const char *step, *when;
    } rows[] = {
        {"connect", "the host closed the connection before its greeting"},
        {"ehlo", "the host closed the connection after EHLO"},
        {"mail", "the host closed the connection after MAIL"},
        {"rcpt", "the host closed the connection after RCPT"},
        {"data", "the host closed the connection after DATA"},
        {"dot", "the host closed the connection after the end of the message, before its answer"},
    };
    mx_extensions(mx, PLAIN);
    // The greeting last: its host is left alone for a while.
    for (size_t i = sizeof rows / sizeof *rows; i-- > 0;) {
        mx_next(mx, rows[i].step, MX_CLOSE);
        letter(LETTER, "b@example.test");
        assert_string_equal(refused("b@example.test")->text, rows[i].when);
        assert_string_equal(refused("b@example.test")->status, "4.4.2");
    }
}

static void case_64_a_long_reply_keeps_its_address(void **state)
{
    (void)state;
    mx_on(mx, "mail", "550-5.7.1 blocked\n550 5.7.1 see https://example.test/why");
    letter(LETTER, "b@example.test");
    assert_string_equal(story_of(&s, "b@example.test")->reply,
                        "550 5.7.1 blocked 5.7.1 see https://example.test/why");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_50_an_answer_for_each_recipient_is_believed_for_none_of_them),
        STORY(case_50_the_surplus_may_come_when_the_next_message_is_out),
        STORY(case_51_a_rcpt_answered_twice_is_no_answer_to_the_message),
        STORY(case_51_nor_where_the_host_is_proven),
        STORY(case_51_nor_where_its_code_is_one_of_recipients),
        STORY(case_51_nor_where_all_of_it_is_late),
        STORY(case_51_nor_where_it_names_the_recipient),
        STORY(case_51_nor_where_the_shift_began_with_the_message_before),
        STORY(case_52_what_an_idle_host_says_is_remembered),
        STORY(case_51_a_host_whose_answers_all_look_alike_is_believed_after_a_reset),
        STORY(case_51_a_refusal_pipelined_behind_a_surplus_is_nobodys_bounce),
        STORY(case_52_a_host_out_of_step_is_asked_one_command_at_a_time),
        STORY(case_52_nor_does_a_message_leave_while_a_greeting_too_many_waits),
        STORY(case_52_an_answer_told_twice_over_data_is_one),
        STORY(a_host_that_takes_leave_behind_its_answer_is_in_step),
        STORY(case_53_a_body_that_speaks_smtp_is_not_heard),
        STORY(case_53_the_rest_waits_for_the_answer_to_our_own_lines),
        STORY(case_54_bdat_refused_as_a_command_means_data_and_is_remembered),
        STORY(case_54_another_refusal_is_about_the_message),
        STORY(case_55_mail_refused_then_closed_is_refused),
        STORY(case_55_for_a_while_too_and_421_changes_nothing),
        STORY(case_55_recipients_refused_before_the_end_stay_refused),
        STORY(case_59_each_recipient_has_the_facts_of_its_own_attempt),
        STORY(case_59_a_lost_connection_has_facts_as_well),
        STORY(a_host_that_has_had_enough_is_asked_again_at_the_same_address),
        STORY(case_63_a_host_that_hangs_up_at_rset_costs_no_connection),
        STORY(case_64_a_closed_connection_says_when),
        STORY(case_64_a_long_reply_keeps_its_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
