// SPDX-License-Identifier: ISC
// Filters between the last byte of a message and its 250: what they see, what they may change, what they say.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/unit/filter_story.h"

// ---- what a filter sees

static void a_filter_sees_the_message_step_by_step(void **state)
{
    (void)state;
    filter_mail("250 2.0.0 queued");
    filter_saw("DCj|relay.example.org|");
    filter_saw("C[127.0.0.1]|4");
    filter_saw("Hclient.example|");
    filter_saw("DMi|");
    filter_saw("M<a@example.org>|SIZE=");
    filter_saw("R<rcpt@dest.example>|");
    filter_saw("T");
    filter_saw("LFrom|a@example.org|");
    filter_saw("LSubject|hello/ folded|");
    filter_saw("N");
    filter_saw("BHello.");
    filter_saw("E");
    filter_saw("Q");
    assert_int_equal(filter_noted(NOTED_ACCEPTED), 1);
    story_sent_has("DKIM-Signature:");
}

static void the_client_is_the_one_that_a_forwarder_names(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 3);
    client_expect(c, "220 ");
    client_say(c, "EHLO mx.example.com", "250-");
    client_say(c, "XFORWARD NAME=mx.else.example ADDR=198.51.100.5 HELO=helo.else.example", "250");
    client_mail(c, "x@else.example", "From: x@else.example\r\n\r\nHello.\r\n", "250 2.0.0 queued");
    client_close(c);
    filter_saw("Cmx.else.example|4||198.51.100.5|");
    filter_saw("Hhelo.else.example|");
}

static void steps_that_it_declines_are_not_said(void **state)
{
    (void)state;
    filter.steps = 0x3f | 0x40 | 0x200;
    filter_mail("250 2.0.0 queued");
    filter_saw("E");
    for (const char *letter = "CHMRTLNB"; *letter; letter++) {
        char line[2] = {*letter, 0};
        assert_false(fakefilter_saw(&filter, line));
    }
}

static void steps_that_it_takes_in_silence_are_not_waited_for(void **state)
{
    (void)state;
    filter.steps = 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000;
    filter_mail("250 2.0.0 queued");
    filter_saw("BHello.");
    filter.steps |= 0x100000;
    fakefilter_change(&filter, 'h', "X-Space\0\tv", sizeof "X-Space\0\tv");
    filter_mail("250 2.0.0 queued");
    filter_saw("LFrom| a@example.org|");
    story_sent_has("\r\nX-Space:\tv\r\n");
}

static void who_asks_for_no_filter_has_none(void **state)
{
    (void)state;
    filter.cut_at = 'O';
    filter_mail_from(2, FILTER_LETTER, "250 2.0.0 queued");
    assert_int_equal(filter.connections, 0);
}

static void a_large_body_is_shown_whole(void **state)
{
    (void)state;
    static char text[1100000];
    size_t n = (size_t)sprintf(text, "From: a@example.org\r\n\r\n"), head = n;
    while (n < 1000000)
        n += (size_t)sprintf(text + n, "line of the body, number %zu\r\n", n);
    filter.steps = 0x80000;
    filter_mail_from(0, text, "250 2.0.0 queued");
    assert_int_equal(filter.body_bytes, n - head);
    assert_int_equal(shelf.large_bytes, n - head);
}

static void enough_of_a_body_is_enough(void **state)
{
    (void)state;
    filter.steps = 0x400;
    filter.answer_at = 'B';
    filter.answer = 's';
    filter_mail("250 2.0.0 queued");
    filter_saw("E");
}

// ---- what it may change

static void header_fields_are_added_changed_and_removed_before_signing(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no, 1.0\n\tsecond line");
    FAKEFILTER_CHANGE(&filter, 'i', "\0\0\0\0X-Top\0first");
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\2X-Old\0"); // the second goes
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1Subject\0other");
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1X-New\0new");
    filter_mail("250 2.0.0 queued");
    story_sent_has("\r\nX-Top: first\r\nFrom: a@example.org\r\n");
    story_sent_has("\r\nX-Old: one\r\nSubject: other\r\nX-Spam: no, 1.0\r\n\tsecond line\r\n"
                   "X-New: new\r\n\r\nHello.\r\n");
    story_sent_lacks("X-Old: two");
    story_sent_has("DKIM-Signature:");
    assert_int_equal(filter_noted(NOTED_CHANGED), 1);
}

static void a_value_stays_one_field(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Evil\0a\r\nFrom: b@example.org\r\n\r\nBody\rmore");
    filter_mail("250 2.0.0 queued");
    story_sent_has("\r\nX-Evil: a\r\n\tFrom: b@example.org\r\n\tBodymore\r\n\r\nHello.\r\n");
}

static void a_body_is_replaced_and_signed(void **state)
{
    (void)state;
    fakefilter_change(&filter, 'b', "One.\nTwo.\r", 10);
    fakefilter_change(&filter, 'b', "\nThree.\r\n", 9);
    filter_mail("250 2.0.0 queued");
    story_sent_has("\r\n\r\nOne.\r\nTwo.\r\nThree.\r\n");
    story_sent_lacks("Hello.");
    assert_int_equal(story_last()->body_bytes, 20);
}

static void case_227_a_body_is_replaced_by_a_large_one(void **state)
{
    (void)state;
    filter_makes_large_body();
    filter_mail("250 2.0.0 queued");
    assert_int_equal(story_last()->body_bytes, 900000);
    assert_non_null(story_last()->large);
    assert_int_equal(shelf.large_bytes, 900000);
    assert_int_equal(shelf.large_open, 1);
}

static void sender_and_recipients_are_changed(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'e', "<bounce@example.org>");
    FAKEFILTER_CHANGE(&filter, '+', "<copy@dest.example>");
    FAKEFILTER_CHANGE(&filter, '-', "<rcpt@dest.example>");
    filter_mail("250 2.0.0 queued");
    const struct envelope *env = &story_last()->env;
    assert_string_equal(env->from, "bounce@example.org");
    assert_int_equal(env->nrcpts, 1);
    assert_string_equal(env->rcpts[0].address, "copy@dest.example");
}

static void case_223_the_senders_rules_hold_for_what_filters_write(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1From\0boss@bank.example");
    filter_mail("550 5.7.1 a filter changed From: ");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'h', "From\0b@example.org");
    filter_mail("550 5.7.1 a filter changed From: there is more than one");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'e', "<boss@bank.example>");
    filter_mail("550 5.7.1 a filter changed the sender to <boss@bank.example>: that is not");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, '+', "<a b@dest.example>");
    filter_mail("501 5.1.3 a filter changed the recipients by <a b@dest.example>: ");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1From\0other@example.org");
    filter_mail("250 2.0.0 queued");
    story_sent_has("\r\nFrom: other@example.org\r\n");
    assert_int_equal(shelf.nstored, 1);
}

static void held_mail_is_taken_and_waits(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'q', "looks odd\n to me");
    filter_mail("250 2.0.0 queued");
    const struct envelope *env = &story_last()->env;
    assert_string_equal(env->held_for, "fake: looks odd? to me");
    assert_int_equal(env->rcpts[0].next_ms, INT64_MAX);
    assert_int_equal(filter_noted(NOTED_HELD), 1);
}

static void discarded_mail_goes_nowhere_and_nobody_is_told(void **state)
{
    (void)state;
    filter.last = 'd';
    filter_mail("250 2.0.0 queued");
    filter.last = 0;
    FAKEFILTER_CHANGE(&filter, '-', "<rcpt@dest.example>");
    filter_mail("250 2.0.0 queued");
    assert_int_equal(shelf.nstored, 0);
    assert_int_equal(filter_noted(NOTED_DISCARDED), 1);
}

static void strangers_mail_gains_no_own_from(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1From\0list@example.com");
    filter_mail_from(3, "From: x@else.example\r\n\r\nHello.\r\n",
                     "550 5.7.1 a filter changed From: it is an own domain now");
    assert_int_equal(shelf.nstored, 0);
}

static void case_222_strangers_mail_is_sealed_as_it_goes_on(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    fakefilter_change(&filter, 'b', "New.\r\n", 6);
    filter_mail_from(3, "From: x@else.example\r\nSubject: s\r\n\r\nHello.\r\n", "250 2.0.0 queued");
    story_sent_has("ARC-Seal: ");
    story_sent_has("\r\nX-Spam: no\r\n\r\nNew.\r\n");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'h', "ARC-Seal\0i=1; nonsense");
    filter_mail_from(3, "From: x@else.example\r\n\r\nHello.\r\n", "250 2.0.0 queued");
    story_sent_lacks("ARC-Message-Signature"); // a chain that a filter touched gets no further set
}

// ---- what it says to the client

static void case_225_its_refusal_is_passed_on(void **state)
{
    (void)state;
    static const struct {
        const char *said, *heard;
    } cases[] = {
        {"554 5.7.1 spam, 100%% sure", "554 5.7.1 spam, 100% sure\r\n"},
        {"451 4.7.0 later", "451 4.7.0 later\r\n"},
        {"550 no status", "550 5.7.1 no status\r\n"},
        {"550-5.7.1 one\r\n550 5.7.1 two", "550 5.7.1 one two\r\n"},
        {"421 4.3.2 away", "451 4.3.2 away\r\n"},
        {"550 5.7.1 \x01\xff\x7f%n%s", "550 5.7.1 ???%n%s\r\n"},
        {"550 4.7.1 classes differ", "550 5.7.1 4.7.1 classes differ\r\n"},
        {"550", "550 5.7.1 The message is refused\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char packet[256] = {0};
        size_t n = strlen(cases[i].said) + 1;
        packet[3] = (char)(n + 1);
        packet[4] = 'y';
        memcpy(packet + 5, cases[i].said, n);
        filter.say_at = i % 2 ? 'E' : 'R';
        filter.say = packet;
        filter.say_bytes = n + 5;
        filter.drip = i == 2;
        filter_mail(cases[i].heard);
    }
    assert_int_equal(shelf.nstored, 0);
    assert_int_equal(filter_noted(NOTED_FAILED), 0);
}

static void words_of_refusal_work_at_any_step(void **state)
{
    (void)state;
    filter.answer = 'r';
    for (const char *at = "CHMRTLNB"; *at; at++) {
        filter.answer_at = *at;
        filter_mail("550 5.7.1 The message is refused\r\n");
    }
    filter.answer = 't';
    filter.answer_at = 'M';
    filter_mail("451 4.7.1 The message is not taken now");
    filter.answer = 'a';
    filter_mail("250 2.0.0 queued");
    assert_false(fakefilter_saw(&filter, "E"));
}

static void a_unix_socket_serves_too(void **state)
{
    (void)state;
    static char text[4096], path[64];
    snprintf(path, sizeof path, "/tmp/waxwing-fakefilter-%d", (int)getpid());
    snprintf(text, sizeof text, FILTER_REST "%smilters: {name: fake, address: 'unix:%s'}\n",
             filter_senders, path);
    fakefilter_begin(&filter, path);
    story_begin(&story, text);
    story.relay.milters = NULL;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    filter_mail("250 2.0.0 queued");
    story_sent_has("\r\nX-Spam: no\r\n");
    filter_end(state);
}

static void filters_see_what_earlier_ones_made(void **state)
{
    (void)state;
    static struct fakefilter second;
    static char text[4096];
    fakefilter_begin(&second, NULL);
    snprintf(text, sizeof text, "%s- {name: second, address: '127.0.0.1:%u'}\n", filter_yaml(""),
             second.port);
    story_reload(&story, text);
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    FAKEFILTER_CHANGE(&filter, 'e', "<bounce@example.org>");
    FAKEFILTER_CHANGE(&filter, '+', "<copy@dest.example>");
    FAKEFILTER_CHANGE(&filter, '-', "<rcpt@dest.example>");
    fakefilter_change(&filter, 'b', "New.\r\n", 6);
    filter_mail("250 2.0.0 queued");
    assert_true(fakefilter_saw(&second, "LX-Spam|no|"));
    assert_true(fakefilter_saw(&second, "M<bounce@example.org>|"));
    assert_true(fakefilter_saw(&second, "R<copy@dest.example>|"));
    assert_false(fakefilter_saw(&second, "R<rcpt@dest.example>|"));
    assert_true(fakefilter_saw(&second, "BNew."));
    fakefilter_end(&second);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, filter_begin, filter_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_filter_sees_the_message_step_by_step),
        STORY(the_client_is_the_one_that_a_forwarder_names),
        STORY(steps_that_it_declines_are_not_said),
        STORY(steps_that_it_takes_in_silence_are_not_waited_for),
        STORY(who_asks_for_no_filter_has_none),
        STORY(a_large_body_is_shown_whole),
        STORY(enough_of_a_body_is_enough),
        STORY(header_fields_are_added_changed_and_removed_before_signing),
        STORY(a_value_stays_one_field),
        STORY(a_body_is_replaced_and_signed),
        STORY(case_227_a_body_is_replaced_by_a_large_one),
        STORY(sender_and_recipients_are_changed),
        STORY(case_223_the_senders_rules_hold_for_what_filters_write),
        STORY(held_mail_is_taken_and_waits),
        STORY(discarded_mail_goes_nowhere_and_nobody_is_told),
        STORY(strangers_mail_gains_no_own_from),
        STORY(case_222_strangers_mail_is_sealed_as_it_goes_on),
        STORY(case_225_its_refusal_is_passed_on),
        STORY(words_of_refusal_work_at_any_step),
        cmocka_unit_test(a_unix_socket_serves_too),
        STORY(filters_see_what_earlier_ones_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
