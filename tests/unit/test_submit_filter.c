// SPDX-License-Identifier: ISC
// Filters between the last byte of a message and its 250: what they see, what they may change, and that none of
// them, dead or lying, does more harm than its default says.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/milter/book.h"
#include "tests/unit/fakefilter.h"
#include "tests/unit/inbound_story.h"

#define HELLO                                                                                      \
    "From: a@example.org\r\nTo: b@dest.example\r\nX-Old: one\r\nSubject: hello\r\n folded\r\n"     \
    "X-Old: two\r\n\r\nHello.\r\n"
#define REST                                                                                       \
    "listen: '127.0.0.1:0'\n"                                                                      \
    "limits: {message_size: 2MiB, header_size: 8KiB, recipients: 5}\n"

static struct story story;
static struct fakefilter filter;

static const char senders[] =
    "senders:\n"
    "- {network: [127.0.0.1], tls: optional, from: [example.org]}\n"
    "- {network: [127.0.0.2], tls: optional, from: [example.org], milters: none}\n"
    "- {network: [127.0.0.3], tls: optional, from: [example.com], forward: true, xforward: true}\n";

static const char *patience = "30s";

static char *yaml(const char *more)
{
    static char text[4096];
    snprintf(text, sizeof text,
             REST "%smilters:\n- {name: fake, address: '127.0.0.1:%u',"
                  " timeouts: {command: %s, content: %s}%s}\n",
             senders, filter.port, patience, patience, more);
    return text;
}

static void start_with(const char *more)
{
    fakefilter_begin(&filter, NULL);
    story_begin(&story, yaml(more));
    story.relay.milters = milter_book_new();
}

static int begin(void **state)
{
    (void)state;
    start_with("");
    return 0;
}

static int end(void **state)
{
    (void)state;
    story_end(&story);
    milter_book_free(story.relay.milters);
    fakefilter_end(&filter);
    return 0;
}

static void mail_from(unsigned from, const char *message, const char *reply)
{
    struct client *c = client_open(&story, 0, from);
    client_expect(c, "220 ");
    client_say(c, "EHLO client.example", "250-");
    client_mail(c, from == 3 ? "x@else.example" : "a@example.org", message, reply);
    client_close(c);
}

static void mail(const char *reply)
{
    mail_from(0, HELLO, reply);
}

static uint64_t noted(enum milter_noted what)
{
    struct milter_row rows[MILTER_BOOK_ROWS];
    assert_int_equal(milter_book_read(story.relay.milters, rows), 1);
    return rows[0].n[what];
}

// The last packets may still be on their way.
static void saw(const char *line)
{
    for (int i = 0; i < 2000 && !fakefilter_saw(&filter, line); i++)
        story_turn(&story);
    if (!fakefilter_saw(&filter, line))
        fail_msg("'%s' is not in:\n%s", line, filter.seen);
}

// ---- what a filter sees

static void a_filter_sees_the_message_step_by_step(void **state)
{
    (void)state;
    mail("250 2.0.0 queued");
    saw("DCj|relay.example.org|");
    saw("C[127.0.0.1]|4");
    saw("Hclient.example|");
    saw("DMi|");
    saw("M<a@example.org>|SIZE=");
    saw("R<rcpt@dest.example>|");
    saw("T");
    saw("LFrom|a@example.org|");
    saw("LSubject|hello/ folded|");
    saw("N");
    saw("BHello.");
    saw("E");
    saw("Q");
    assert_int_equal(noted(NOTED_ACCEPTED), 1);
    story_sent_has("DKIM-Signature:");
}

static void steps_that_it_declines_are_not_said(void **state)
{
    (void)state;
    filter.steps = 0x3f | 0x40 | 0x200;
    mail("250 2.0.0 queued");
    saw("E");
    for (const char *letter = "CHMRTLNB"; *letter; letter++) {
        char line[2] = {*letter, 0};
        assert_false(fakefilter_saw(&filter, line));
    }
}

static void steps_that_it_takes_in_silence_are_not_waited_for(void **state)
{
    (void)state;
    filter.steps = 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000;
    mail("250 2.0.0 queued");
    saw("BHello.");
    filter.steps |= 0x100000;
    fakefilter_change(&filter, 'h', "X-Space\0\tv", sizeof "X-Space\0\tv");
    mail("250 2.0.0 queued");
    saw("LFrom| a@example.org|");
    story_sent_has("\r\nX-Space:\tv\r\n");
}

static void who_asks_for_no_filter_has_none(void **state)
{
    (void)state;
    filter.cut_at = 'O';
    mail_from(2, HELLO, "250 2.0.0 queued");
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
    mail_from(0, text, "250 2.0.0 queued");
    assert_int_equal(filter.body_bytes, n - head);
    assert_int_equal(shelf.large_bytes, n - head);
}

static void enough_of_a_body_is_enough(void **state)
{
    (void)state;
    filter.steps = 0x400;
    filter.answer_at = 'B';
    filter.answer = 's';
    mail("250 2.0.0 queued");
    saw("E");
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
    mail("250 2.0.0 queued");
    story_sent_has("\r\nX-Top: first\r\nFrom: a@example.org\r\n");
    story_sent_has("\r\nX-Old: one\r\nSubject: other\r\nX-Spam: no, 1.0\r\n\tsecond line\r\n"
                   "X-New: new\r\n\r\nHello.\r\n");
    story_sent_lacks("X-Old: two");
    story_sent_has("DKIM-Signature:");
    assert_int_equal(noted(NOTED_CHANGED), 1);
}

static void a_value_stays_one_field(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Evil\0a\r\nFrom: b@example.org\r\n\r\nBody\rmore");
    mail("250 2.0.0 queued");
    story_sent_has("\r\nX-Evil: a\r\n\tFrom: b@example.org\r\n\tBodymore\r\n\r\nHello.\r\n");
}

static void a_body_is_replaced_and_signed(void **state)
{
    (void)state;
    fakefilter_change(&filter, 'b', "One.\nTwo.\r", 10);
    fakefilter_change(&filter, 'b', "\nThree.\r\n", 9);
    mail("250 2.0.0 queued");
    story_sent_has("\r\n\r\nOne.\r\nTwo.\r\nThree.\r\n");
    story_sent_lacks("Hello.");
    assert_int_equal(story_last()->body_bytes, 20);
}

static void a_body_is_replaced_by_a_large_one(void **state)
{
    (void)state;
    static char piece[60001];
    for (size_t i = 0; i < 60000; i += 60)
        sprintf(piece + i, "%058zu\r\n", i);
    for (int i = 0; i < 15; i++)
        fakefilter_change(&filter, 'b', piece, 60000);
    mail("250 2.0.0 queued");
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
    mail("250 2.0.0 queued");
    const struct envelope *env = &story_last()->env;
    assert_string_equal(env->from, "bounce@example.org");
    assert_int_equal(env->nrcpts, 1);
    assert_string_equal(env->rcpts[0].address, "copy@dest.example");
}

static void the_senders_rules_hold_for_what_filters_write(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1From\0boss@bank.example");
    mail("550 5.7.1 a filter changed From: ");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'h', "From\0b@example.org");
    mail("550 5.7.1 a filter changed From: there is more than one");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'e', "<boss@bank.example>");
    mail("550 5.7.1 a filter changed the sender to <boss@bank.example>: that is not");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, '+', "<a b@dest.example>");
    mail("501 5.1.3 a filter changed the recipients by <a b@dest.example>: ");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1From\0other@example.org");
    mail("250 2.0.0 queued");
    story_sent_has("\r\nFrom: other@example.org\r\n");
    assert_int_equal(shelf.nstored, 1);
}

static void held_mail_is_taken_and_waits(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'q', "looks odd\n to me");
    mail("250 2.0.0 queued");
    const struct envelope *env = &story_last()->env;
    assert_string_equal(env->held_for, "fake: looks odd? to me");
    assert_int_equal(env->rcpts[0].next_ms, INT64_MAX);
    assert_int_equal(noted(NOTED_HELD), 1);
}

static void discarded_mail_goes_nowhere_and_nobody_is_told(void **state)
{
    (void)state;
    filter.last = 'd';
    mail("250 2.0.0 queued");
    filter.last = 0;
    FAKEFILTER_CHANGE(&filter, '-', "<rcpt@dest.example>");
    mail("250 2.0.0 queued");
    assert_int_equal(shelf.nstored, 0);
    assert_int_equal(noted(NOTED_DISCARDED), 1);
}

static void strangers_mail_gains_no_own_from(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'm', "\0\0\0\1From\0list@example.com");
    mail_from(3, "From: x@else.example\r\n\r\nHello.\r\n",
              "550 5.7.1 a filter changed From: it is an own domain now");
    assert_int_equal(shelf.nstored, 0);
}

static void strangers_mail_is_sealed_as_it_goes_on(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    fakefilter_change(&filter, 'b', "New.\r\n", 6);
    mail_from(3, "From: x@else.example\r\nSubject: s\r\n\r\nHello.\r\n", "250 2.0.0 queued");
    story_sent_has("ARC-Seal: ");
    story_sent_has("\r\nX-Spam: no\r\n\r\nNew.\r\n");
    filter.nchanges = 0;
    FAKEFILTER_CHANGE(&filter, 'h', "ARC-Seal\0i=1; nonsense");
    mail_from(3, "From: x@else.example\r\n\r\nHello.\r\n", "250 2.0.0 queued");
    story_sent_lacks("ARC-Message-Signature"); // a chain that a filter touched gets no further set
}

// ---- what it says to the client

static void its_refusal_is_passed_on(void **state)
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
        mail(cases[i].heard);
    }
    assert_int_equal(shelf.nstored, 0);
    assert_int_equal(noted(NOTED_FAILED), 0);
}

static void words_of_refusal_work_at_any_step(void **state)
{
    (void)state;
    filter.answer = 'r';
    for (const char *at = "CHMRTLNB"; *at; at++) {
        filter.answer_at = *at;
        mail("550 5.7.1 The message is refused\r\n");
    }
    filter.answer = 't';
    filter.answer_at = 'M';
    mail("451 4.7.1 The message is not taken now");
    filter.answer = 'a';
    mail("250 2.0.0 queued");
    assert_false(fakefilter_saw(&filter, "E"));
}

// ---- what goes wrong

static void a_connection_cut_at_any_step_is_a_failure_of_its_own(void **state)
{
    (void)state;
    for (const char *at = "OCHMRTLNBE"; *at; at++) {
        filter.cut_at = *at;
        mail("451 4.7.1 The filter fake cannot be asked");
    }
    assert_int_equal(noted(NOTED_FAILED), 10);
    filter.cut_at = 0;
    mail("250 2.0.0 queued");
    assert_int_equal(shelf.nstored, 1);
}

static void a_silent_filter_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    patience = "1s";
    story_reload(&story, yaml(""));
    patience = "30s";
    filter.silent_at = 'O';
    mail("451 4.7.1 The filter fake cannot be asked");
    filter.silent_at = 'E';
    mail("451 4.7.1 The filter fake cannot be asked");
    mail_from(2, HELLO, "250 2.0.0 queued");
}

static void lies(const char *at, const void *bytes, size_t n)
{
    filter.say = bytes;
    filter.say_bytes = n;
    for (; *at; at++) {
        filter.say_at = *at;
        mail("451 4.7.1 The filter fake cannot be asked");
    }
}

static void lies_are_failures(void **state)
{
    (void)state;
    lies("OCE", "\xff\xff\xff\xff garbage", 12);
    lies("OE", "\0\0\0\0", 4);
    lies("OCE", "HTTP/1.1 400 Bad Request\r\n", 26);
    lies("OHE", "\0\0\0\1Z", 5);
    lies("O", "\0\0\0\5O\0\0\0\6", 9);
    lies("O", "\0\0\0\15O\0\0\0\7\0\0\0\0\0\0\0\0", 17);
    lies("O", "\0\0\0\24O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\x9x\0", 24);
    lies("E", "\0\0\0\7hX\0unended", 11);
    lies("E", "\0\0\0\7hX:Y\0a\0", 11);
    lies("E", "\0\0\0\7h\0name\0", 11);
    lies("E", "\0\0\0\4m\0\0\0", 8);
    lies("E", "\0\0\0\5y999\0", 9);
    lies("E", "\0\0\0\6yab\nc\0", 10);
    lies("E", "\0\0\0\4bA\rB\0\0\0\1c", 13); // a bare CR in a body
    lies("E", "\0\0\0\3bA\0\0\0\0\1c", 12);  // a NUL
    lies("C",
         "\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c"
         "\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c\0\0\0\1c",
         90); // answers to what was not asked yet
    assert_int_equal(shelf.nstored, 0);
}

static void what_was_not_announced_is_not_done(void **state)
{
    (void)state;
    filter.actions = 0x10; // header changes alone
    FAKEFILTER_CHANGE(&filter, '+', "<copy@dest.example>");
    mail("451 4.7.1 The filter fake cannot be asked");
}

static void changes_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 2001; i++)
        FAKEFILTER_CHANGE(&filter, 'h', "X-N\0v");
    mail("451 4.7.1 The filter fake cannot be asked");
    filter.nchanges = 0;
    static char large[70000] = "X-L";
    memset(large + 4, 'x', sizeof large - 5);
    for (int i = 0; i < 4; i++)
        fakefilter_change(&filter, 'h', large, sizeof large);
    mail("451 4.7.1 The filter fake cannot be asked");
    filter.nchanges = 0;
    static char body[60000];
    memset(body, 'x', sizeof body);
    for (int i = 0; i < 17; i++) // of which nearly 1 MiB may go on
        fakefilter_change(&filter, 'b', body, sizeof body);
    mail("250 2.0.0 queued");
    static char small[4096];
    snprintf(small, sizeof small, "%s", yaml(""));
    memcpy(strstr(small, "2MiB"), "9KiB", 4);
    story_reload(&story, small);
    mail("451 4.7.1 The filter fake cannot be asked");
}

static void changes_of_a_filter_that_fails_are_not_kept(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    fakefilter_change(&filter, 'b', "New.\r\n", 6);
    filter.last = 'Z';
    mail("250 2.0.0 queued");
    story_sent_lacks("X-Spam");
    story_sent_has("\r\n\r\nHello.\r\n");
}

static void a_filter_that_fails_may_hold_the_mail(void **state)
{
    (void)state;
    filter.cut_at = 'O';
    mail("250 2.0.0 queued");
    assert_non_null(strstr(story_last()->env.held_for, "fake: it closed the connection"));
    assert_int_equal(story_last()->env.rcpts[0].next_ms, INT64_MAX);
}

static void a_dead_filter_harms_nobody_else(void **state)
{
    (void)state;
    fakefilter_end(&filter);
    mail("451 4.7.1 The filter fake cannot be asked");
    mail_from(2, HELLO, "250 2.0.0 queued");
    assert_int_equal(noted(NOTED_FAILED), 1);
    fakefilter_begin(&filter, NULL);
}

// The client goes, and the relay stops, while a filter has the message.
static void it_may_all_end_while_a_filter_thinks(void **state)
{
    (void)state;
    filter.silent_at = 'E';
    for (int i = 0; i < 2; i++) {
        struct client *c = client_open(&story, 0, 0);
        client_expect(c, "220 ");
        client_say(c, "EHLO client.example", "250-");
        client_say(c, "MAIL FROM:<a@example.org>", "250");
        client_say(c, "RCPT TO:<rcpt@dest.example>", "250");
        client_say(c, "DATA", "354");
        client_send(c, HELLO ".\r\n");
        while (!fakefilter_saw(&filter, i ? "E" : "LFrom"))
            story_turn(&story);
        if (i == 1)
            story_stop(&story);
        client_close(c);
        if (i == 0)
            for (int k = 0; k < 10; k++)
                story_turn(&story);
    }
}

static void a_unix_socket_serves_too(void **state)
{
    (void)state;
    static char text[4096], path[64];
    snprintf(path, sizeof path, "/tmp/waxwing-fakefilter-%d", (int)getpid());
    snprintf(text, sizeof text, REST "%smilters: {name: fake, address: 'unix:%s'}\n", senders,
             path);
    fakefilter_begin(&filter, path);
    story_begin(&story, text);
    story.relay.milters = NULL;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    mail("250 2.0.0 queued");
    story_sent_has("\r\nX-Spam: no\r\n");
    end(state);
}

static void filters_see_what_earlier_ones_made(void **state)
{
    (void)state;
    static struct fakefilter second;
    static char text[4096];
    fakefilter_begin(&second, NULL);
    snprintf(text, sizeof text, "%s- {name: second, address: '127.0.0.1:%u'}\n", yaml(""),
             second.port);
    story_reload(&story, text);
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    FAKEFILTER_CHANGE(&filter, 'e', "<bounce@example.org>");
    FAKEFILTER_CHANGE(&filter, '+', "<copy@dest.example>");
    FAKEFILTER_CHANGE(&filter, '-', "<rcpt@dest.example>");
    fakefilter_change(&filter, 'b', "New.\r\n", 6);
    mail("250 2.0.0 queued");
    assert_true(fakefilter_saw(&second, "LX-Spam|no|"));
    assert_true(fakefilter_saw(&second, "M<bounce@example.org>|"));
    assert_true(fakefilter_saw(&second, "R<copy@dest.example>|"));
    assert_false(fakefilter_saw(&second, "R<rcpt@dest.example>|"));
    assert_true(fakefilter_saw(&second, "BNew."));
    fakefilter_end(&second);
}

static int begin_accepting(void **state)
{
    (void)state;
    start_with(", default: accept");
    return 0;
}

static int begin_holding(void **state)
{
    (void)state;
    start_with(", default: quarantine");
    return 0;
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_filter_sees_the_message_step_by_step),
        STORY(steps_that_it_declines_are_not_said),
        STORY(steps_that_it_takes_in_silence_are_not_waited_for),
        STORY(who_asks_for_no_filter_has_none),
        STORY(a_large_body_is_shown_whole),
        STORY(enough_of_a_body_is_enough),
        STORY(header_fields_are_added_changed_and_removed_before_signing),
        STORY(a_value_stays_one_field),
        STORY(a_body_is_replaced_and_signed),
        STORY(a_body_is_replaced_by_a_large_one),
        STORY(sender_and_recipients_are_changed),
        STORY(the_senders_rules_hold_for_what_filters_write),
        STORY(held_mail_is_taken_and_waits),
        STORY(discarded_mail_goes_nowhere_and_nobody_is_told),
        STORY(strangers_mail_gains_no_own_from),
        STORY(strangers_mail_is_sealed_as_it_goes_on),
        STORY(its_refusal_is_passed_on),
        STORY(words_of_refusal_work_at_any_step),
        STORY(a_connection_cut_at_any_step_is_a_failure_of_its_own),
        STORY(a_silent_filter_is_not_waited_for_for_ever),
        STORY(lies_are_failures),
        STORY(what_was_not_announced_is_not_done),
        STORY(changes_are_bounded),
        cmocka_unit_test_setup_teardown(changes_of_a_filter_that_fails_are_not_kept,
                                        begin_accepting, end),
        cmocka_unit_test_setup_teardown(a_filter_that_fails_may_hold_the_mail, begin_holding, end),
        STORY(a_dead_filter_harms_nobody_else),
        STORY(it_may_all_end_while_a_filter_thinks),
        cmocka_unit_test(a_unix_socket_serves_too),
        STORY(filters_see_what_earlier_ones_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
