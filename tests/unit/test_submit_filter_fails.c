// SPDX-License-Identifier: ISC
// Filters that are dead, slow, lying or too much: none does more harm than its default says.
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

// ---- what goes wrong

static void case_220_a_connection_cut_at_any_step_is_a_failure(void **state)
{
    (void)state;
    for (const char *at = "OCHMRTLNBE"; *at; at++) {
        filter.cut_at = *at;
        filter_mail("451 4.7.1 The filter fake cannot be asked");
    }
    assert_int_equal(filter_noted(NOTED_FAILED), 10);
    filter.cut_at = 0;
    filter_mail("250 2.0.0 queued");
    assert_int_equal(shelf.nstored, 1);
}

// One client; each message meets a connection that is cut a byte later. How many bytes it takes until all is well.
static size_t first_cut_that_harms_nothing(size_t *cut)
{
    size_t n = 0, good = 0;
    struct client *c = NULL;
    for (; good < 8 && n < 4000; n++) {
        if (n % 20 == 0) {
            client_close(c);
            c = client_open(&story, 0, 0);
            client_expect(c, "220 ");
            client_say(c, "EHLO client.example", "250-");
        }
        *cut = n;
        size_t before = shelf.nstored;
        client_say(c, "MAIL FROM:<a@example.org>", "250");
        client_say(c, "RCPT TO:<rcpt@dest.example>", "250");
        client_say(c, "DATA", "354");
        client_send(c, FILTER_LETTER ".\r\n");
        const char *reply = client_reply(c);
        bool stored = strncmp(reply, "250 2.0.0", 9) == 0;
        assert_true(stored || (!good && strncmp(reply, "451 4.7.1", 9) == 0));
        assert_int_equal(shelf.nstored - before, stored);
        good += stored;
    }
    client_close(c);
    *cut = SIZE_MAX;
    return n - good;
}

static void
case_412_cut_at_every_byte_a_filter_costs_its_message_a_while_and_nothing_else(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Checked\0yes");
    fakefilter_change(&filter, 'b', "Another body.\r\n", 15);
    filter_mail("250 2.0.0 queued");
    filter_saw("Q");
    size_t said = filter.said, heard = filter.heard - 5; // the farewell is no matter
    uint64_t failed = filter_noted(NOTED_FAILED);
    assert_int_equal(first_cut_that_harms_nothing(&filter.cut_said), said);
    assert_int_equal(filter_noted(NOTED_FAILED) - failed, said);
    assert_int_equal(first_cut_that_harms_nothing(&filter.cut_heard), heard);
    assert_int_equal(filter_noted(NOTED_FAILED) - failed, said + heard);
    filter_mail("250 2.0.0 queued");
    story_sent_has("X-Checked: yes");
}

static void a_silent_filter_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    filter_patience = "1s";
    story_reload(&story, filter_yaml(""));
    filter_patience = "30s";
    filter.silent_at = 'O';
    filter_mail("451 4.7.1 The filter fake cannot be asked");
    filter.silent_at = 'E';
    filter_mail("451 4.7.1 The filter fake cannot be asked");
    filter_mail_from(2, FILTER_LETTER, "250 2.0.0 queued");
}

static void lies(const char *at, const void *bytes, size_t n)
{
    filter.say = bytes;
    filter.say_bytes = n;
    for (; *at; at++) {
        filter.say_at = *at;
        filter_mail("451 4.7.1 The filter fake cannot be asked");
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
    filter_mail("451 4.7.1 The filter fake cannot be asked");
}

static void case_229_changes_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 2001; i++)
        FAKEFILTER_CHANGE(&filter, 'h', "X-N\0v");
    filter_mail("451 4.7.1 The filter fake cannot be asked");
    filter.nchanges = 0;
    static char large[70000] = "X-L";
    memset(large + 4, 'x', sizeof large - 5);
    for (int i = 0; i < 4; i++)
        fakefilter_change(&filter, 'h', large, sizeof large);
    filter_mail("451 4.7.1 The filter fake cannot be asked");
    filter.nchanges = 0;
    static char body[60000];
    memset(body, 'x', sizeof body);
    for (int i = 0; i < 17; i++) // of which nearly 1 MiB may go on
        fakefilter_change(&filter, 'b', body, sizeof body);
    filter_mail("250 2.0.0 queued");
    static char small[4096];
    snprintf(small, sizeof small, "%s", filter_yaml(""));
    memcpy(strstr(small, "2MiB"), "9KiB", 4);
    story_reload(&story, small);
    filter_mail("451 4.7.1 The filter fake cannot be asked");
}

static void changes_of_a_filter_that_fails_are_not_kept(void **state)
{
    (void)state;
    FAKEFILTER_CHANGE(&filter, 'h', "X-Spam\0no");
    fakefilter_change(&filter, 'b', "New.\r\n", 6);
    filter.last = 'Z';
    filter_mail("250 2.0.0 queued");
    story_sent_lacks("X-Spam");
    story_sent_has("\r\n\r\nHello.\r\n");
}

static void a_filter_that_fails_may_hold_the_mail(void **state)
{
    (void)state;
    filter.cut_at = 'O';
    filter_mail("250 2.0.0 queued");
    assert_non_null(strstr(story_last()->env.held_for, "fake: it closed the connection"));
    assert_int_equal(story_last()->env.rcpts[0].next_ms, INT64_MAX);
}

static void case_221_a_dead_filter_harms_nobody_else(void **state)
{
    (void)state;
    fakefilter_end(&filter);
    filter_mail("451 4.7.1 The filter fake cannot be asked");
    filter_mail_from(2, FILTER_LETTER, "250 2.0.0 queued");
    assert_int_equal(filter_noted(NOTED_FAILED), 1);
    fakefilter_begin(&filter, NULL);
}

static struct client *begin_mail(void)
{
    struct client *c = client_open(&story, 0, 0);
    client_expect(c, "220 ");
    client_say(c, "EHLO client.example", "250-");
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<rcpt@dest.example>", "250");
    client_say(c, "DATA", "354");
    client_send(c, FILTER_LETTER ".\r\n");
    return c;
}

static void reload_with(const char *connect, const char *patience)
{
    filter_connect = connect;
    filter_patience = patience;
    story_reload(&story, filter_yaml(", connections: 1"));
    filter_connect = filter_patience = "30s";
}

static void case_232_more_than_a_filter_takes_at_once_wait_for_their_turn(void **state)
{
    (void)state;
    reload_with("30s", "1s");
    filter.silent_at = 'E';
    struct client *first = begin_mail();
    filter_saw("E");
    struct client *second = begin_mail();
    for (int i = 0; i < 20; i++)
        story_turn(&story);
    assert_int_equal(filter.connections, 1);
    filter.silent_at = 0;
    client_expect(first, "451 4.7.1 ");
    client_expect(second, "250 2.0.0 queued");
    client_close(first);
    client_close(second);
}

static void case_232_and_not_for_ever(void **state)
{
    (void)state;
    reload_with("1s", "30s");
    filter.silent_at = 'E';
    struct client *first = begin_mail();
    filter_saw("E");
    struct client *second = begin_mail();
    client_expect(second, "451 4.7.1 ");
    struct client *third = begin_mail(); // still waits when all ends
    for (int i = 0; i < 5; i++)
        story_turn(&story);
    story_stop(&story);
    client_close(first);
    client_close(second);
    client_close(third);
}

// The client goes, and the relay stops, while a filter has the message.
static void case_228_it_may_all_end_while_a_filter_thinks(void **state)
{
    (void)state;
    filter.silent_at = 'E';
    for (int i = 0; i < 2; i++) {
        struct client *c = begin_mail();
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

// A large body comes, another is made of it, and then the message goes nowhere.
static void case_227_no_file_is_left_of_what_is_not_taken(void **state)
{
    (void)state;
    static char text[700000];
    size_t n = (size_t)sprintf(text, "From: a@example.org\r\n\r\n");
    while (n < 600000)
        n += (size_t)sprintf(text + n, "line of the body, number %zu\r\n", n);
    filter_makes_large_body();
    for (const char *last = "ZrtdcM"; *last; last++) {
        filter.last = *last;
        if (*last == 'c')
            FAKEFILTER_CHANGE(&filter, 'e', "<boss@bank.example>"); // which is refused afterwards
        filter_mail_from(0, text,
                         *last == 'd'                   ? "250"
                         : *last == 'r' || *last == 'c' ? "550"
                                                        : "451");
    }
    for (int i = 0; i < 2000 && shelf.large_open; i++)
        story_turn(&story);
    assert_int_equal(shelf.large_open, 0);
    assert_int_equal(shelf.nstored, 0);
}

static void case_231_a_disk_that_is_full_for_the_new_body_is_its_failure(void **state)
{
    (void)state;
    filter_makes_large_body();
    shelf.fail_large = true;
    filter_mail("250 2.0.0 queued"); // as its default says
    story_sent_has("\r\n\r\nHello.\r\n");
    assert_int_equal(filter_noted(NOTED_FAILED), 1);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, filter_begin, filter_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_220_a_connection_cut_at_any_step_is_a_failure),
        STORY(case_412_cut_at_every_byte_a_filter_costs_its_message_a_while_and_nothing_else),
        STORY(a_silent_filter_is_not_waited_for_for_ever),
        STORY(lies_are_failures),
        STORY(what_was_not_announced_is_not_done),
        STORY(case_229_changes_are_bounded),
        cmocka_unit_test_setup_teardown(changes_of_a_filter_that_fails_are_not_kept,
                                        filter_begin_accepting, filter_end),
        cmocka_unit_test_setup_teardown(a_filter_that_fails_may_hold_the_mail, filter_begin_holding,
                                        filter_end),
        STORY(case_221_a_dead_filter_harms_nobody_else),
        STORY(case_232_more_than_a_filter_takes_at_once_wait_for_their_turn),
        STORY(case_232_and_not_for_ever),
        STORY(case_228_it_may_all_end_while_a_filter_thinks),
        STORY(case_227_no_file_is_left_of_what_is_not_taken),
        cmocka_unit_test_setup_teardown(
            case_231_a_disk_that_is_full_for_the_new_body_is_its_failure, filter_begin_accepting,
            filter_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
