// SPDX-License-Identifier: ISC
// Rewritten senders and stripped fields through the relay: before the row's rules are asked, before anything is signed,
// and never so that a stranger's mail becomes ours.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "tests/unit/inbound_desk.h"

static const char yaml[] =
    "listen:\n- address: '127.0.0.1:0'\n"
    "senders:\n"
    "- {user: app, from: [example.org], strip_headers: [X-Internal-*, User-Agent, Date],"
    " rewrite: [{from: root@printer, to: alerts@example.org}], default_from: none@example.org}\n"
    "- {user: postfix, from: [example.com], forward: true, xforward: true,"
    " strip_headers: [X-Internal-*, Subject, X-Signed],"
    " rewrite: [{from: '*.lan', to: alerts@example.com}]}\n"
    "- {user: other, from: [example.org], force_from: only@example.org}\n"
    "limits: {message_size: 2MiB, header_size: 256KiB}\n";

static int begin(void **state)
{
    (void)state;
    story_begin(&story, yaml);
    return 0;
}

static void assert_sent(const char *part, bool there)
{
    char *sent = story_sent();
    if (!strstr(sent, part) == there)
        fail_msg("'%s' %s:\n%s", part, there ? "missing" : "there", sent);
    free(sent);
}

static void case_280_a_printer_becomes_somebody_who_may_send(void **state)
{
    (void)state;
    login("app");
    client_mail(peer, "root@printer",
                "From: Floor 3 <root@printer>\r\nTo: b@dest.example\r\nSender: root@printer\r\n"
                "Subject: toner\r\n" BODY,
                "250");
    assert_string_equal(story_last()->env.from, "alerts@example.org");
    char *sent = story_sent(), *signature = strstr(sent, "DKIM-Signature:");
    char *received = strstr(sent, "\r\nReceived:"), *from = strstr(sent, "\r\nFrom:");
    assert_true(signature == sent && received && from && received < from);
    assert_true(strncmp(from, "\r\nFrom: Floor 3 <alerts@example.org>\r\n", 38) == 0);
    assert_null(strstr(from + 1, "\r\nFrom:"));
    assert_non_null(strstr(sent, "\r\nReply-To: Floor 3 <root@printer>\r\n"));
    assert_non_null(strstr(sent, "\r\nSender: alerts@example.org\r\n"));
    assert_non_null(strstr(sent, "\r\nTo: b@dest.example\r\nSubject: toner\r\n\r\nHello."));
    free(sent);
    client_say(peer, "MAIL FROM:<root@scanner>", "550 5.7.1");
    client_mail(peer, "a@example.org", "From: root@scanner\r\n" BODY, "550 5.7.1");
}

static void an_address_without_a_domain_is_completed(void **state)
{
    (void)state;
    login("app");
    client_say(peer, "MAIL FROM:<root> SIZE=100", "250");
    client_say(peer, "RSET", "250");
    client_mail(peer, "cron", "Subject: no author\r\n" BODY, "250");
    assert_string_equal(story_last()->env.from, "cron@example.org");
    assert_sent("\r\nFrom: none@example.org\r\n", true);
    client_say(peer, "MAIL FROM:<two words>", "501");
    client_say(peer, "MAIL FROM:<>", "250");
    client_say(peer, "RSET", "250");
    client_say(peer, "MAIL FROM:<x> BODY=9BIT", "501");
    client_say(peer, "MAIL FROM:<x@y@z>", "501");
    login("postfix"); // a forwarder has to know whose mail it is
    client_say(peer, "MAIL FROM:<root>", "501");
}

static void force_from_is_what_everybody_sees(void **state)
{
    (void)state;
    login("other");
    client_mail(peer, "ceo@bank.example", "From: CEO <ceo@bank.example>\r\n" BODY, "250");
    assert_string_equal(story_last()->env.from, "only@example.org");
    assert_sent("\r\nFrom: CEO <only@example.org>\r\nReply-To: CEO <ceo@bank.example>\r\n", true);
    assert_sent("d=example.org", true);
    client_mail(peer, "", "From: a@x.example\r\nFrom: b@x.example\r\n" BODY, "250");
    assert_string_equal(story_last()->env.from, "");
    assert_sent("\r\nFrom: only@example.org\r\n", true);
    assert_sent("x.example", false);
}

// Rewritten, a stranger's From would be an own one.
static void case_281_a_stranger_is_never_rewritten_into_one_of_ours(void **state)
{
    (void)state;
    login("postfix");
    client_mail(peer, "root@web.lan", "From: root@web.lan\r\n" BODY, "250");
    assert_string_equal(story_last()->env.from, "root@web.lan");
    assert_sent("\r\nFrom: root@web.lan\r\n", true);
    assert_sent("DKIM-Signature", false);
    client_say(peer, "XFORWARD SOURCE=LOCAL", "250");
    client_mail(peer, "root@web.lan", "From: root@web.lan\r\n" BODY, "250");
    assert_string_equal(story_last()->env.from, "alerts@example.com");
    assert_sent("\r\nFrom: alerts@example.com\r\n", true);
    assert_sent("DKIM-Signature", true);
    assert_sent("ARC-Seal", false);
}

static void listed_fields_are_not_sent(void **state)
{
    (void)state;
    login("app");
    client_mail(peer, "a@example.org",
                "X-Internal-Host: web1\r\nFrom: a@example.org\r\nuser-agent : x\r\n y\r\n"
                "Date: Sat, 21 Nov 1996 20:00:00 +0000\r\nX-Internal-: z\r\nX-Internal: stays\r\n"
                "To: b@dest.example\r\n" BODY,
                "250");
    assert_sent("web1", false);
    assert_sent("\r\nuser-agent", false);
    assert_sent("\r\nFrom: a@example.org\r\nX-Internal: stays\r\nTo: b@dest.example\r\n\r\nHello",
                true);
    assert_sent("1996", false); // what is needed comes back as ours
    assert_sent("\r\nDate: ", true);
}

#define SIGNED(h)                                                                                  \
    "DKIM-Signature: v=1; a=rsa-sha256; d=friend.example; s=x;\r\n h=" h "; bh=x; b=x\r\n"
#define PAL "From: pal@friend.example\r\nX-Internal-A: one\r\nX-Signed: two\r\nSubject: hi\r\n" BODY

static void case_282_what_a_strangers_signature_covers_is_kept(void **state)
{
    (void)state;
    login("postfix");
    client_mail(peer, "pal@friend.example", SIGNED("From:\r\n\tX-signed : to") PAL, "250");
    assert_sent("X-Internal-A", false);
    assert_sent("\r\nX-Signed: two\r\nSubject: hi\r\n\r\nHello", true);
    assert_sent("ARC-Seal", true); // which covers Subject
    client_mail(peer, "pal@friend.example", SIGNED("from:x-internal-a") PAL, "250");
    assert_sent("\r\nX-Internal-A: one\r\nSubject: hi\r\n", true);
    assert_sent("X-Signed", false);
    client_mail(peer, "pal@friend.example", PAL, "250");
    assert_sent("\r\nFrom: pal@friend.example\r\nSubject: hi\r\n\r\nHello", true);
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

static void hostile_headers(void **state)
{
    (void)state;
    login("postfix");
    // More signatures than are looked at: nothing is stripped.
    char *text = many(SIGNED("from"), 21, PAL);
    client_mail(peer, "pal@friend.example", text, "250");
    assert_sent("X-Internal-A", true);
    free(text);
    text = many("X-Internal-A: b\r\n", 1990, PAL);
    client_mail(peer, "pal@friend.example", text, "250");
    assert_sent("X-Internal-A", false);
    free(text);
    login("app");
    char *big = mem_new(200001);
    memset(big, 'x', 200000);
    text = mem_printf("From: \"%s\" <root@printer>\r\n" BODY, big);
    client_mail(peer, "root@printer", text, "552 5.3.4");
    free(text);
    free(big);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_280_a_printer_becomes_somebody_who_may_send),
        STORY(an_address_without_a_domain_is_completed),
        STORY(force_from_is_what_everybody_sees),
        STORY(case_281_a_stranger_is_never_rewritten_into_one_of_ours),
        STORY(listed_fields_are_not_sent),
        STORY(case_282_what_a_strangers_signature_covers_is_kept),
        STORY(hostile_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
