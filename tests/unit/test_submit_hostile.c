// SPDX-License-Identifier: ISC
// Clients that would be read for ever: before AUTH, in error, and after it. What each costs is bounded.
#include "tests/unit/inbound_desk.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

static const char yaml[] =
    "listen:\n- address: '127.0.0.1:0'\n"
    "senders:\n"
    "- {user: app, from: [example.org, '*.example.org'], bounces_from: [mta.inside.example]}\n"
    "- {user: other, from: [example.org], long_lines: refuse}\n"
    "- {network: [127.0.0.8], tls: required, from: [example.org]}\n"
    "limits: {message_size: 2MiB, header_size: 256KiB}\n";

static int begin(void **state)
{
    (void)state;
    story_begin(&story, yaml);
    peer = client_open(&story, 0, 0);
    return 0;
}

static void greet(void)
{
    client_expect(peer, "220 ");
    client_say(peer, "EHLO x", "250-");
}

static char *letters(size_t n, const char *end)
{
    char *text = mem_new(n + strlen(end) + 1);
    memset(text, 'x', n);
    memcpy(text + n, end, strlen(end));
    return text;
}

static void case_101_overlong_lines_are_errors_like_others(void **state)
{
    (void)state;
    greet();
    char *line = letters(MAX_PLAIN_COMMAND + 10, "\r\n");
    for (int i = 0; i <= MAX_BAD_COMMANDS; i++) {
        client_send(peer, line);
        client_expect(peer, "500 5.5.2");
    }
    client_expect(peer, "421 4.7.0 Too many errors");
    client_closed(peer);
    free(line);
}

static void case_101_a_line_without_end_ends(void **state)
{
    (void)state;
    greet();
    char *line = letters(2 * MAX_SKIPPED, "");
    client_send(peer, line);
    client_expect(peer, "421 4.7.0 Line too long");
    client_closed(peer);
    free(line);
}

static void case_101_a_stranger_s_chunk_is_not_read(void **state)
{
    (void)state;
    greet();
    client_send(peer, "BDAT 4000000000000000000 LAST\r\n");
    client_expect(peer, "503 5.5.1");
    client_expect(peer, "421 4.7.0");
    client_closed(peer);
}

static void case_101_a_small_chunk_keeps_the_replies_in_step(void **state)
{
    (void)state;
    greet();
    client_send(
        peer,
        "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@dest.example>\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n");
    client_expect(peer, "530 5.7.0");
    client_expect(peer, "503");
    client_expect(peer, "503");
    client_expect(peer, "250"); // NOOP: "RSET" CR LF was the chunk
}

static void case_101_a_message_that_is_refused_does_not_go_on_for_ever(void **state)
{
    (void)state;
    client_login(peer, "app", "secret");
    char *piece = letters(65000, "\r\n");
    for (int chunked = 0; chunked < 2; chunked++) {
        client_say(peer, "MAIL FROM:<a@example.org>", "250");
        client_say(peer, "RCPT TO:<b@dest.example>", "250");
        client_send(peer, chunked ? "BDAT 4000000000000000000 LAST\r\n" : "DATA\r\n");
        if (!chunked)
            client_expect(peer, "354");
        client_send(peer, "From: a@example.org\r\n\r\n");
        for (int i = 0; i < 70; i++)
            client_send(peer, piece);
        client_expect(peer, "552 5.3.4");
        client_expect(peer, "421 4.7.0");
        client_closed(peer);
        login("app");
    }
    free(piece);
}

static void case_101_a_stranger_has_ten_minutes_to_log_in(void **state)
{
    (void)state;
    greet();
    clock_mono_advance(590000);
    client_say(peer, "NOOP", "250");
    client_say(peer, "NOOP", "250");
    clock_mono_advance(11000);
    client_say(peer, "NOOP", "250");
    client_expect(peer, "421 4.4.2");
    client_closed(peer);
    login("app");
    clock_mono_advance(700000);
    client_say(peer, "NOOP", "250");
    client_mail(peer, "a@example.org", HELLO, "250");
}

static void case_102_who_may_not_speak_in_clear_hears_of_starttls(void **state)
{
    (void)state;
    greet();
    client_say(peer, "MAIL FROM:<a@example.org>", "530 5.7.0 Must issue a STARTTLS command first");
    client_say(peer, "STARTTLS", "220");
    client_tls(peer);
    client_say(peer, "EHLO x", "250-");
    client_say(peer, "MAIL FROM:<a@example.org>", "530 5.7.0 Authentication required");
    client_close(peer);
    peer = client_open(&story, 0, 8);
    greet();
    client_say(peer, "MAIL FROM:<a@example.org>", "530 5.7.0 Must issue a STARTTLS command first");
}

static void case_100_bounces_of_a_host_that_is_named(void **state)
{
    (void)state;
#define BOUNCE(who) "From: " who "\r\n\r\nNo such user.\r\n"
    client_login(peer, "app", "secret");
    client_mail(peer, "", BOUNCE("MAILER-DAEMON@mta.inside.example (Mail Delivery System)"), "250");
    client_mail(peer, "", BOUNCE("<postmaster@MTA.inside.example>"), "250");
    client_mail(peer, "", BOUNCE("double-bounce@mta.inside.example"), "250");
    client_mail(peer, "double-bounce@mta.inside.example",
                BOUNCE("MAILER-DAEMON@mta.inside.example"), "250");
    client_mail(peer, "", BOUNCE("ceo@mta.inside.example"), "550 5.7.1");
    client_mail(peer, "", BOUNCE("MAILER-DAEMON@sub.mta.inside.example"), "550 5.7.1");
    client_mail(
        peer, "", BOUNCE("MAILER-DAEMON@inside.example"),
        "550 5.7.1 app may not send as From MAILER-DAEMON@inside.example: inside.example is not "
        "in its senders.bounces_from");
    client_mail(peer, "a@example.org", BOUNCE("MAILER-DAEMON@mta.inside.example"), "550 5.7.1");
    client_say(peer, "MAIL FROM:<ceo@mta.inside.example>", "550 5.7.1");
}

static char *many(const char *line, size_t n, const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < n; i++)
        buf_adds(&out, line);
    buf_adds(&out, text);
    return buf_take(&out);
}

static void case_98_more_fields_than_a_signature_takes_is_final(void **state)
{
    (void)state;
    client_login(peer, "app", "secret");
    char *text = many("References: <a@b>\r\n", 301, HELLO);
    client_mail(peer, "a@example.org", text, "550 5.6.0 too many header fields to sign");
    free(text);
    text = many("X-Other: y\r\n", 301, HELLO); // not signed, so no matter
    client_mail(peer, "a@example.org", text, "250");
    free(text);
}

static void case_98_a_line_that_is_no_field_is_quoted(void **state)
{
    (void)state;
    client_login(peer, "app", "secret");
    client_mail(peer, "a@example.org", "Subject: x\r\n>From a@example.org Fri Nov 27\r\n" HELLO,
                "550 5.6.0 line 2 of the header is no field: '>From a@example.org Fri Nov 27'");
    char *text = mem_printf("\x01%0100d\r\n" HELLO, 0);
    client_mail(
        peer, "a@example.org", text,
        "550 5.6.0 line 1 of the header is no field: '?000000000000000000000000000000000000000"
        "00000000000000000000...'");
    free(text);
}

static void case_98_lines_that_are_too_long(void **state)
{
    (void)state;
    char *fits = letters(998, "\r\n"), *over = letters(999, "\r\n");
    char *good = mem_printf(HELLO "%s", fits), *bad = mem_printf(HELLO "%s", over);
    client_login(peer, "app", "secret");
    client_mail(peer, "a@example.org", bad, "250");
    login("other");
    client_mail(peer, "a@example.org", good, "250");
    client_mail(peer, "a@example.org", bad, "550 5.6.0 a line of 999 octets");
    char *head = mem_printf("X-Long: %s" HELLO, over);
    client_mail(peer, "a@example.org", head, "550 5.6.0 a line of 1007 octets");
    free(head);
    free(fits);
    free(over);
    free(good);
    free(bad);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(case_101_overlong_lines_are_errors_like_others),
        STORY(case_101_a_line_without_end_ends),
        STORY(case_101_a_stranger_s_chunk_is_not_read),
        STORY(case_101_a_small_chunk_keeps_the_replies_in_step),
        STORY(case_101_a_message_that_is_refused_does_not_go_on_for_ever),
        STORY(case_101_a_stranger_has_ten_minutes_to_log_in),
        STORY(case_102_who_may_not_speak_in_clear_hears_of_starttls),
        STORY(case_100_bounces_of_a_host_that_is_named),
        STORY(case_98_more_fields_than_a_signature_takes_is_final),
        STORY(case_98_a_line_that_is_no_field_is_quoted),
        STORY(case_98_lines_that_are_too_long),
    };
    return cmocka_run_group_tests_name("submit_hostile", tests, NULL, NULL);
}
