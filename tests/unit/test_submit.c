// SPDX-License-Identifier: ISC
// The submission session as clients see it: greeting, TLS, AUTH, limits, the order of commands.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/inbound_desk.h"

// An application logs in over TLS and sends; the message is stored before 250 and then queued.
static void app_sends(void **state)
{
    (void)state;
    struct client *app = client_open(&story, 0, 0);
    client_login(app, "app", "secret");
    client_mail(app, "a@example.org", HELLO, "250 2.0.0 queued as ");
    assert_int_equal(shelf.nstored, 1);
    assert_int_equal(shelf.nqueued, 1);
    const struct message *m = story_last();
    assert_string_equal(m->env.from, "a@example.org");
    assert_string_equal(m->env.principal, "app");
    assert_int_equal(m->env.nrcpts, 1);
    char *sent = story_sent();
    assert_non_null(strstr(sent, "DKIM-Signature: "));
    assert_non_null(strstr(sent, "with ESMTPSA id "));
    assert_non_null(strstr(sent, "\r\nDate: "));
    assert_non_null(strstr(sent, "@relay.example.org>\r\n"));
    free(sent);
    client_say(app, "QUIT", "221 2.0.0");
    client_closed(app);
    client_close(app);
}

static void implicit_tls_serves_too(void **state)
{
    (void)state;
    struct client *app = client_open(&story, 1, 0);
    client_tls(app);
    client_expect(app, "220 relay.example.org ");
    client_say(app, "EHLO x", "250-");
    client_auth(app, "app", "secret", "235");
    client_mail(app, "a@example.org", HELLO, "250 2.0.0");
    client_close(app);
}

static void ehlo_offers_what_the_moment_allows(void **state)
{
    (void)state;
    struct client *app = client_open(&story, 0, 0);
    client_expect(app, "220 ");
    client_send(app, "EHLO x\r\n");
    const char *reply = client_reply(app);
    assert_non_null(strstr(reply, "250-STARTTLS\r\n"));
    assert_null(strstr(reply, "AUTH"));
    assert_null(strstr(reply, "REQUIRETLS"));
    assert_non_null(strstr(reply, "250-SIZE 2097152\r\n"));
    assert_non_null(strstr(reply, "250-LIMITS RCPTMAX=5\r\n"));
    client_say(app, "STARTTLS", "220 2.0.0");
    client_tls(app);
    client_send(app, "EHLO x\r\n");
    reply = client_reply(app);
    assert_null(strstr(reply, "STARTTLS"));
    assert_non_null(strstr(reply, "250-AUTH PLAIN LOGIN\r\n"));
    assert_non_null(strstr(reply, "250-REQUIRETLS\r\n"));
    assert_non_null(strstr(reply, "250 CHUNKING\r\n"));
    client_close(app);
}

// What a man in the middle puts behind STARTTLS in clear is neither answered nor obeyed, and what
// was said before TLS is forgotten.
static void case_38_bytes_behind_starttls_are_dropped(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7); // a trusted network: MAIL would be allowed
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_send(c, "STARTTLS\r\nEHLO evil\r\nMAIL FROM:<a@example.org>\r\n");
    client_expect(c, "220 2.0.0");
    client_tls(c);
    client_say(c, "NOOP", "250 2.0.0");
    client_say(c, "MAIL FROM:<a@example.org>", "503 5.5.1"); // EHLO is due again
    client_say(c, "EHLO x", "250-");
    client_say(c, "RCPT TO:<b@dest.example>", "503 5.5.1");
    client_close(c);
}

static void case_38_no_auth_in_clear(void **state)
{
    (void)state;
    struct client *app = client_open(&story, 0, 0);
    client_expect(app, "220 ");
    client_say(app, "EHLO x", "250-");
    client_auth(app, "app", "secret", "538 5.7.11");
    client_say(app, "MAIL FROM:<a@example.org>", "530 5.7.0");
    client_close(app);
}

// A trusted network needs no AUTH; where its row says `tls: required` it needs TLS.
static void case_38_trusted_networks(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_mail(c, "a@example.org", HELLO, "250 2.0.0");
    assert_string_equal(story_last()->env.principal, "network:127.0.0.7/32");
    client_close(c);
    c = client_open(&story, 0, 8);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_say(c, "MAIL FROM:<a@example.org>", "530 5.7.0 Must issue");
    client_say(c, "STARTTLS", "220");
    client_tls(c);
    client_say(c, "EHLO x", "250-");
    client_mail(c, "a@example.org", HELLO, "250 2.0.0");
    client_close(c);
}

static void case_39_auth_dialogues(void **state)
{
    (void)state;
    struct client *c = secured(0);
    client_say(c, "AUTH PLAIN", "334 ");
    client_say(c, "*", "501 5.7.0");
    client_say(c, "AUTH PLAIN =", "501 5.5.2"); // an empty initial response is no PLAIN message
    client_say(c, "AUTH LOGIN", "334 VXNlcm5hbWU6");
    client_say(c, "YXBw", "334 UGFzc3dvcmQ6");
    client_say(c, "*", "501 5.7.0");
    client_say(c, "AUTH PLAIN !!!!", "501 5.5.2");
    client_say(c, "AUTH PLAIN AGFwcABzZWNy\x01ZXQ=", "500 5.5.2");
    client_say(c, "AUTH PLAIN AGFwcABzZQBjcmV0", "501 5.5.2"); // a NUL inside the password
    client_say(c, "AUTH PLAIN AGFwcABzZQdjcmV0", "501 5.5.2"); // a BEL
    client_say(c, "AUTH CRAM-MD5", "504 5.5.4");
    client_say(c, "AUTH LOGIN YXBw", "334 UGFzc3dvcmQ6");
    client_say(c, "c2VjcmV0", "235 2.7.0");
    client_say(c, "AUTH LOGIN YXBw", "503 5.5.1");
    client_close(c);
}

static void case_39_up_to_12288_octets(void **state)
{
    (void)state;
    static char line[20000];
    struct client *c = secured(0);
    memset(line, 'A', 12200); // base64 of NULs: within the limit, no password
    line[12200] = 0;
    client_say(c, "AUTH PLAIN", "334 ");
    client_say(c, line, "501 5.5.2");
    memset(line, 'A', 16000);
    line[16000] = 0;
    client_say(c, "AUTH PLAIN", "334 ");
    client_say(c, line, "500 5.5.2 Line too long");
    client_say(c, "NOOP", "250");
    client_close(c);
}

// The second login with the same words comes from the cache; wrong words never do; a removed user
// is out at the next MAIL of a session that stands.
static void a_removed_user_stops_sending(void **state)
{
    (void)state;
    struct client *first = client_open(&story, 0, 0), *second = client_open(&story, 0, 0);
    client_login(first, "app", "secret");
    client_login(second, "app", "secret");
    client_mail(first, "a@example.org", HELLO, "250 2.0.0");
    story_write_users("other:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n");
    story_reload(&story, NULL);
    client_say(first, "MAIL FROM:<a@example.org>", "530 5.7.0");
    struct client *third = secured(0);
    client_auth(third, "app", "secret", "535 5.7.8");
    client_close(first);
    client_close(second);
    client_close(third);
}

static void case_40_early_talkers(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 0);
    client_send(c, "EHLO spam\r\nMAIL FROM:<a@example.org>\r\n");
    client_expect(c, "554 5.5.1");
    client_closed(c);
    client_close(c);
}

static void case_40_overlong_lines(void **state)
{
    (void)state;
    static char line[40000];
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    memset(line, 'x', sizeof line - 1);
    client_say(c, line, "500 5.5.2 Line too long");
    line[3000] = 0;
    memcpy(line, "NOOP ", 5);
    client_say(c, line, "500 5.5.2 Line too long");
    line[2000] = 0;
    client_say(c, line, "250 2.0.0");
    client_send(c, "NOOP\n");
    client_expect(c, "500 5.5.2 Lines end in CR LF");
    client_close(c);
}

static void case_40_endless_commands(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    for (int i = 0; i < 20; i++)
        client_say(c, "WHAT", "500 5.5.2");
    client_send(c, "WHAT\r\n");
    client_expect(c, "500 5.5.2");
    client_expect(c, "421 4.7.0");
    client_closed(c);
    client_close(c);
}

static void case_40_eight_bits_in_the_envelope(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_say(c, "MAIL FROM:<j\xc3\xb6rg@example.org>", "553 5.6.7");
    client_say(c, "MAIL FROM:<j\xc3\xb6rg@example.org> SMTPUTF8", "250");
    client_say(c,
               "RCPT TO:<j\xc3\xb6rg@b\xc3\xbc"
               "cher.example>",
               "250");
    client_say(c, "RSET", "250");
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<j\xc3\xb6rg@dest.example>", "553 5.6.7");
    client_say(c, "RCPT TO:<j\xff@dest.example>", "501 5.1.3");
    client_say(c, "NOOP \xc3\xb6", "500 5.5.2");
    client_close(c);
}

static void case_41_pipelined_envelope(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_send(
        c, "MAIL FROM:<a@example.org>\r\nRCPT TO:<bad\r\nRCPT TO:<b@dest.example>\r\nDATA\r\n" HELLO
           ".\r\nQUIT\r\n");
    client_expect(c, "250 2.1.0");
    client_expect(c, "501 5.1.3");
    client_expect(c, "250 2.1.5");
    client_expect(c, "354");
    client_expect(c, "250 2.0.0");
    client_expect(c, "221");
    client_closed(c);
    assert_int_equal(shelf.nstored, 1);
    client_close(c);
}

static void the_order_of_commands_is_kept(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "MAIL FROM:<a@example.org>", "503 5.5.1");
    client_say(c, "EHLO", "501 5.5.4");
    client_say(c, "HELO x", "250 relay.example.org");
    client_say(c, "RCPT TO:<b@dest.example>", "503 5.5.1");
    client_say(c, "DATA", "503 5.5.1");
    client_say(c, "MAIL FROM:<a@example.org> SIZE=99999999", "552 5.3.4");
    client_say(c, "MAIL FROM:<a@example.org> FOO=1", "555 5.5.4");
    client_say(c, "MAIL FROM:<a@example.org> AUTH=<>", "250");
    client_say(c, "MAIL FROM:<a@example.org>", "503 5.5.1");
    client_say(c, "DATA", "554 5.5.1");
    client_say(c, "RCPT TO:<b@[192.0.2.1]>", "550 5.1.2");
    client_say(c, "VRFY b", "252");
    client_say(c, "EXPN b", "502");
    client_say(c, "XCLIENT ADDR=1.2.3.4", "503 5.5.1");
    client_say(c, "HELP", "214");
    client_say(c, "RSET", "250");
    client_say(c, "RCPT TO:<b@dest.example>", "503 5.5.1");
    client_close(c);
}

static void recipients_are_limited_and_kept_once(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<Same@Dest.example> NOTIFY=NEVER", "250");
    client_say(c, "RCPT TO:<Same@dest.example>", "250");
    client_say(c, "RCPT TO:<same@dest.example>",
               "250"); // another mailbox: the case of the local part counts
    client_say(c, "RCPT TO:<@a.example,@b.example:routed@dest.example>", "250");
    client_say(c, "RCPT TO:<\"quo ted\"@dest.example>", "250");
    client_say(c, "RCPT TO:<postmaster>", "250");
    client_say(c, "RCPT TO:<one@more.example>", "452 4.5.3");
    client_say(c, "DATA", "354");
    client_send(c, HELLO ".\r\n");
    client_expect(c, "250 2.0.0");
    const struct envelope *env = &story_last()->env;
    assert_int_equal(env->nrcpts, 5);
    assert_string_equal(env->rcpts[0].address, "Same@Dest.example");
    assert_string_equal(env->rcpts[0].domain, "dest.example");
    assert_int_equal(env->rcpts[0].notify, NOTIFY_NEVER);
    assert_string_equal(env->rcpts[2].address, "routed@dest.example");
    assert_string_equal(env->rcpts[3].address, "\"quo ted\"@dest.example");
    assert_string_equal(env->rcpts[4].address, "admin@example.org");
    client_close(c);
}

static void our_own_addresses_go_to_the_postmaster(void **state)
{
    (void)state;
    static const char *const names[] = {"postmaster@relay.example.org", "ABUSE@Relay.Example.Org",
                                        "mailer-daemon@relay.example.org"};
    struct client *c = client_open(&story, 0, 7);
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    for (int i = 0; i < 3; i++) {
        char line[128];
        client_say(c, "MAIL FROM:<a@example.org>", "250");
        snprintf(line, sizeof line, "RCPT TO:<%s>", names[i]);
        client_say(c, line, "250");
        client_say(c, "DATA", "354");
        client_send(c, HELLO ".\r\n");
        client_expect(c, "250 2.0.0");
        assert_string_equal(story_last()->env.rcpts[0].address, "admin@example.org");
        assert_string_equal(story_last()->env.rcpts[0].domain, "example.org");
    }
    client_close(c);
}

static void dsn_and_requiretls_parameters_are_kept(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 0);
    client_login(c, "app", "secret");
    client_say(c, "MAIL FROM:<a@example.org> RET=HDRS ENVID=a+2Bb BODY=8BITMIME REQUIRETLS", "250");
    client_say(c, "RCPT TO:<b@dest.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y", "250");
    client_say(c, "DATA", "354");
    client_send(c, HELLO ".\r\n");
    client_expect(c, "250 2.0.0");
    const struct envelope *env = &story_last()->env;
    assert_int_equal(env->ret, RET_HDRS);
    assert_string_equal(env->envid, "a+b");
    assert_int_equal(env->body, BODY_8BITMIME);
    assert_true(env->requiretls);
    assert_int_equal(env->rcpts[0].notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
    assert_string_equal(env->rcpts[0].orcpt, "rfc822;x@y");
    client_close(c);
    c = client_open(&story, 0, 7); // in clear nobody may ask for it
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_say(c, "MAIL FROM:<a@example.org> REQUIRETLS", "530 5.7.0");
    client_close(c);
}

static void a_proxy_speaks_for_its_client(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 2, 0);
    client_send(c, "PROXY TCP4 127.0.0.7 198.51.100.1 40000 587\r\n");
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    client_mail(c, "a@example.org", HELLO, "250 2.0.0"); // the network row is the proxied client's
    client_close(c);
    c = client_open(&story, 2, 0);
    client_send(c, "EHLO x\r\n"); // mandatory from this host
    client_closed(c);
    client_close(c);
    c = client_open(&story, 2, 7);
    client_send(c, "PROXY TCP4 127.0.0.7 198.51.100.1 40000 587\r\n"); // refused from others
    client_expect(c, "554 5.5.1");
    client_close(c);
    c = client_open(&story, 3, 0); // and the handshake may come in one packet with it
    client_send(c, "PROXY TCP4 127.0.0.7 198.51.100.1 40000 465\r\n");
    client_tls(c);
    client_expect(c, "220 ");
    client_close(c);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin_alone, end)
    const struct CMUnitTest tests[] = {
        STORY(app_sends),
        STORY(implicit_tls_serves_too),
        STORY(ehlo_offers_what_the_moment_allows),
        STORY(case_38_bytes_behind_starttls_are_dropped),
        STORY(case_38_no_auth_in_clear),
        STORY(case_38_trusted_networks),
        STORY(case_39_auth_dialogues),
        STORY(case_39_up_to_12288_octets),
        STORY(a_removed_user_stops_sending),
        STORY(case_40_early_talkers),
        STORY(case_40_overlong_lines),
        STORY(case_40_endless_commands),
        STORY(case_40_eight_bits_in_the_envelope),
        STORY(case_41_pipelined_envelope),
        STORY(the_order_of_commands_is_kept),
        STORY(recipients_are_limited_and_kept_once),
        STORY(our_own_addresses_go_to_the_postmaster),
        STORY(dsn_and_requiretls_parameters_are_kept),
        STORY(a_proxy_speaks_for_its_client),
    };
    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
