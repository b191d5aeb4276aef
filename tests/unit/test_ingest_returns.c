// SPDX-License-Identifier: ISC
// Return paths through the relay: what goes out under another sender, what comes back and from whom it is taken, reports
// that are read, copies for an archive. Any file of lines holds secrets: the users' here.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/setup/return_keys.h"
#include "tests/unit/inbound_desk.h"

#define PAL  "From: pal@friend.example\r\nTo: b@dest.example\r\n" BODY
#define NOTE "From: MAILER-DAEMON@friend.example\r\nSubject: undelivered\r\n" BODY

static const char yaml[] =
    "listen:\n- address: '127.0.0.1:0'\n"
    "senders:\n"
    "- {user: app, from: [example.org], archive: copies@archive.example,"
    " verp: {domain: b.example.org, key_file: users, to: human@example.org}}\n"
    "- {user: postfix, from: [example.com], forward: true,"
    " srs: {domain: srs.example.com, key_file: users}}\n"
    "- {user: other, from: [example.org], returns: true}\n"
    "limits: {message_size: 2MiB, header_size: 256KiB}\n";

static int begin(void **state)
{
    (void)state;
    story_begin(&story, yaml);
    return 0;
}

static void rcpt(const char *address, const char *reply)
{
    char *line = mem_printf("RCPT TO:<%s>", address);
    client_say(peer, line, reply);
    free(line);
}

// One message from `from` to `to`.
static void send_to(const char *from, const char *to, const char *text, const char *reply)
{
    char *line = mem_printf("MAIL FROM:<%s>", from);
    client_say(peer, line, "250");
    free(line);
    rcpt(to, "250");
    client_say(peer, "DATA", "354");
    client_send(peer, text);
    client_send(peer, ".\r\n");
    client_expect(peer, reply);
}

static const char *return_path(size_t i)
{
    return story_last()->env.rcpts[i].return_path;
}

static char *verp_of(const char *recipient)
{
    login("app");
    send_to("a@example.org", recipient, "From: a@example.org\r\n" BODY, "250");
    return mem_dup(return_path(0));
}

static char *srs_of(const char *sender)
{
    login("postfix");
    send_to(sender, "b@dest.example", PAL, "250");
    return mem_dup(return_path(0));
}

static char *report(const char *action, const char *status)
{
    return mem_printf(
        "From: MAILER-DAEMON@mx.dest.example\r\n"
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
        "Final-Recipient: rfc822; gone@dest.example\r\nAction: %s\r\nStatus: %s\r\n\r\n"
        "--b--\r\n",
        action, status);
}

static void a_stranger_goes_out_under_an_own_address(void **state)
{
    (void)state;
    char *path = srs_of("Pal@friend.example");
    assert_true(strncmp(path, "SRS0=", 5) == 0);
    assert_non_null(strstr(path, "=friend.example=Pal@srs.example.com"));
    assert_string_equal(story_last()->env.from, "Pal@friend.example"); // who hears of failures
    free(path);
    path = srs_of("a@example.com"); // an own sender
    assert_string_equal(path, "");
    free(path);
    path = srs_of(""); // nobody
    assert_string_equal(path, "");
    free(path);
    path = srs_of("x@srs.example.com"); // what we wrote ourselves
    assert_string_equal(path, "");
    free(path);
    path = srs_of("SRS0=aaaa=bb=orig.example=joe@first.example");
    assert_non_null(strstr(path, "=first.example==aaaa=bb=orig.example=joe@srs.example.com"));
    free(path);
    char *longest = mem_printf("%0240d@friend.example", 1);
    path = srs_of(longest); // a path has an end: then it goes as it is
    assert_string_equal(path, "");
    free(path);
    free(longest);
}

static void case_283_what_comes_back_is_taken_from_whom_returns_says_and_no_one_else(void **state)
{
    (void)state;
    char *path = srs_of("Pal@friend.example");
    login("other");
    send_to("", path, NOTE, "250");
    assert_string_equal(story_last()->env.rcpts[0].address, "Pal@friend.example");
    assert_string_equal(story_last()->env.rcpts[0].domain, "friend.example");
    char *sent = story_sent();
    assert_null(strstr(sent, "DKIM-Signature")); // somebody else's
    assert_non_null(strstr(sent, "ARC-Seal"));
    free(sent);
    // Without `returns` it is an address like any other.
    login("app");
    send_to("a@example.org", path, "From: a@example.org\r\n" BODY, "250");
    assert_string_equal(story_last()->env.rcpts[0].address, path);
    assert_string_equal(story_last()->env.rcpts[0].domain, "srs.example.com");
    free(path);
}

static void case_284_no_address_relays_for_strangers(void **state)
{
    (void)state;
    char *path = srs_of("Pal@friend.example");
    login("other");
    client_say(peer, "MAIL FROM:<>", "250");
    path[6] = path[6] == 'x' ? 'y' : 'x';
    rcpt(path, "550 5.7.1 this is no return address of ours");
    rcpt("SRS0=aaaa=AA=bank.example=ceo@srs.example.com", "550 5.7.1");
    rcpt("SRS1=aaaa=bank.example==aaaa=AA=x.example=y@srs.example.com", "550 5.7.1");
    rcpt("verp=0000000000000=aaaaaaaaaa=dest.example=x@b.example.org", "550 5.7.1");
    client_say(peer, "RSET", "250");
    // Nobody's mail beside it is judged as ever, and a stranger's sender is none of the row's.
    path[6] = path[6] == 'x' ? 'y' : 'x';
    client_say(peer, "MAIL FROM:<spam@evil.example>", "550 5.7.1");
    send_to("", "someone@dest.example", NOTE, "550 5.7.1");
    free(path);
}

static void case_285_an_address_that_is_too_old_is_refused(void **state)
{
    (void)state;
    clock_fix(1795000000000);
    char *path = srs_of("Pal@friend.example"), *verp = verp_of("x@dest.example");
    clock_advance(22LL * 86400 * 1000);
    login("other");
    client_say(peer, "MAIL FROM:<>", "250");
    rcpt(path, "550 5.1.1 this return address is too old");
    client_say(peer, "RSET", "250");
    clock_advance(30LL * 86400 * 1000);
    client_say(peer, "MAIL FROM:<>", "250");
    rcpt(verp, "550 5.1.1");
    clock_release();
    free(path);
    free(verp);
}

static void each_recipient_has_its_own_path_and_the_archive_none(void **state)
{
    (void)state;
    login("app");
    client_say(peer, "MAIL FROM:<a@example.org>", "250");
    rcpt("x@dest.example", "250");
    rcpt("y@dest.example", "250");
    client_say(peer, "DATA", "354");
    client_send(peer, "From: a@example.org\r\n" BODY ".\r\n");
    client_expect(peer, "250");
    const struct envelope *env = &story_last()->env;
    assert_int_equal(env->nrcpts, 3);
    assert_non_null(strstr(return_path(0), "=dest.example=x@b.example.org"));
    assert_non_null(strstr(return_path(1), "=dest.example=y@b.example.org"));
    assert_string_equal(env->rcpts[2].address, "copies@archive.example");
    assert_string_equal(return_path(2), "<>");
    assert_true(env->rcpts[2].copy && env->rcpts[2].notify == NOTIFY_NEVER);
    send_to("a@example.org", "copies@archive.example", "From: a@example.org\r\n" BODY, "250");
    assert_int_equal(story_last()->env.nrcpts, 1); // no copy of a copy
    send_to("", "x@dest.example", "From: a@example.org\r\n" BODY, "250");
    assert_string_equal(return_path(0), ""); // nobody stays nobody
}

static void case_286_a_report_is_read_and_goes_no_further(void **state)
{
    (void)state;
    char *path = verp_of("gone@dest.example"), *text = report("failed", "5.1.1");
    size_t stored = shelf.nstored;
    login("other");
    send_to("", path, text, "250");
    assert_int_equal(shelf.nstored, stored);
    assert_int_equal(atomic_load(&story.relay.counters.returns), 1);
    free(text);
    // One that comes with a large message is read from its beginning.
    struct buf big;
    buf_init(&big, 1 << 20);
    text = report("failed", "5.2.2");
    buf_adds(&big, text);
    for (int i = 0; i < 6000; i++)
        buf_adds(&big, "a line of the message that came back, of some length or other\r\n");
    send_to("", path, buf_text(&big), "250");
    assert_int_equal(shelf.nstored, stored);
    for (int i = 0; i < 5000 && shelf.large_open; i++) // removed in the thread pool
        story_turn(&story);
    assert_int_equal(shelf.large_open, 0);
    buf_free(&big);
    free(text);
    free(path);
}

static void case_287_what_is_no_report_goes_to_a_human(void **state)
{
    (void)state;
    char *path = verp_of("gone@dest.example");
    login("other");
    send_to("", path, "From: x@dest.example\r\nSubject: I am away\r\n" BODY, "250");
    const struct envelope *env = &story_last()->env;
    assert_int_equal(env->nrcpts, 1);
    assert_string_equal(env->rcpts[0].address, "human@example.org");
    assert_string_equal(env->rcpts[0].domain, "example.org");
    free(path);
}

static void secrets_are_read_again_and_older_ones_still_count(void **state)
{
    (void)state;
    char *path = srs_of("Pal@friend.example");
    story_write_users("newer-secret:x\napp:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n"
                      "postfix:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n"
                      "other:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n");
    struct config_load load;
    config_load_init(&load);
    struct setup *now = setup_refresh(story.setup, &load);
    assert_non_null(now);
    struct srs srs;
    assert_true(return_keys_srs(now, &now->config->senders[1], &srs));
    assert_int_equal(secrets_count(srs.secrets), 4);
    struct buf out;
    struct why why;
    bool ours;
    buf_init(&out, 1024);
    assert_int_equal(
        return_keys_reverse(now, path, "srs.example.com", clock_s(), &out, &ours, &why), 0);
    buf_free(&out);
    // An unusable file leaves the secrets as they were.
    story_write_users("x\n");
    struct setup *later = setup_refresh(now, &load);
    struct setup *last = later ? later : now;
    assert_true(return_keys_srs(last, &last->config->senders[1], &srs));
    assert_int_equal(secrets_count(srs.secrets), 4);
    assert_true(load.errors.len > 0);
    setup_unref(later);
    setup_unref(now);
    config_load_free(&load);
    free(path);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_stranger_goes_out_under_an_own_address),
        STORY(case_283_what_comes_back_is_taken_from_whom_returns_says_and_no_one_else),
        STORY(case_284_no_address_relays_for_strangers),
        STORY(case_285_an_address_that_is_too_old_is_refused),
        STORY(each_recipient_has_its_own_path_and_the_archive_none),
        STORY(case_286_a_report_is_read_and_goes_no_further),
        STORY(case_287_what_is_no_report_goes_to_a_human),
        STORY(secrets_are_read_again_and_older_ones_still_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
