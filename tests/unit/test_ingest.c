// SPDX-License-Identifier: ISC
// Who may say what, and what is made of it: principals and From (ARCHITECTURE.md, Who may
// say what), what is added and left out, whose message it is. Real keys; the signatures are judged by the
// verifier's own engine.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/ingest/ingest.h"
#include "relay/setup/publication.h"
#include "relay/base/mem.h"
#include "tests/unit/inbound_desk.h"

// Sends a message with this header from this envelope sender; the reply to the final dot has to
// begin so.
static void mail(const char *from, const char *header, const char *start)
{
    char *text = mem_printf("%s%s", header, BODY);
    client_mail(peer, from, text, start);
    free(text);
}

static bool sent_has(const char *part)
{
    char *sent = story_sent();
    bool has = strstr(sent, part) != NULL;
    free(sent);
    return has;
}

static void from_must_be_the_principals(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "From: A <a@Example.ORG>\r\n", "250");
    mail("a@example.org", "From: x@sub.example.org\r\n", "250");
    mail("a@example.org", "From: x@notexample.org\r\n", "550 5.7.1");
    mail("a@example.org", "From: x@example.org.evil.example\r\n", "550 5.7.1");
    mail("alerts@example.net", "From: Alerts@example.net\r\n", "250");
    mail("a@example.org", "From: \"alerts\"@example.net\r\n", "250");
    mail("a@example.org", "From: other@example.net\r\n", "550 5.7.1");
    mail("a@example.org", "From: <ceo@bank.example> a@example.org\r\n", "550 5.6.0");
    mail("a@example.org", "From: a@example.org (ceo@bank.example)\r\n", "250");
}

static void every_from_address_must_match(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "From: a@example.org, b@example.org\r\nSender: a@example.org\r\n", "250");
    mail("a@example.org", "From: a@example.org, ceo@bank.example\r\n", "550 5.7.1");
}

static void from_must_be_an_author(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "Subject: none\r\n", "550 5.6.0");
    mail("a@example.org", "From: undisclosed:;\r\n", "550 5.6.0 the From field names a group");
    mail("a@example.org", "From: Team: a@example.org, b@example.org;\r\n", "550 5.6.0");
    mail("a@example.org", "From: nobody\r\n", "550 5.6.0");
    mail("a@example.org", "From:\r\n", "550 5.6.0 the From field is empty");
    mail("a@example.org", "no field at all\r\nFrom: a@example.org\r\n", "550 5.6.0");
}

static void case_9_two_from_fields_are_refused(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "From: a@example.org\r\nfrom : b@example.org\r\n", "550 5.6.0");
    login("postfix");
    mail("a@elsewhere.example", "From: a@elsewhere.example\r\nFrom: b@example.org\r\n",
         "550 5.6.0");
}

static void the_envelope_sender_must_be_the_principals(void **state)
{
    (void)state;
    login("app");
    client_say(peer, "MAIL FROM:<a@bank.example>", "550 5.7.1");
    client_say(peer, "MAIL FROM:<A@EXAMPLE.org>", "250 2.1.0");
    client_say(peer, "RSET", "250");
    login("postfix"); // `forward: true` lifts it
    client_say(peer, "MAIL FROM:<a@bank.example>", "250 2.1.0");
}

static void a_user_without_a_rule_sends_nothing(void **state)
{
    (void)state;
    login("other");
    client_say(peer, "MAIL FROM:<a@example.org>", "550 5.7.1");
}

// The null sender: its From matches, or is a bounce name at or below an own domain.
static void the_null_sender_may_bounce(void **state)
{
    (void)state;
    login("app");
    mail("", "From: a@example.org\r\n", "250");
    mail("", "From: MAILER-DAEMON@deep.below.example.org\r\n", "250");
    mail("", "From: Postmaster@example.org\r\n", "250");
    mail("", "From: MAILER-DAEMON@example.net\r\n", "550 5.7.1"); // only an address of it is own
    mail("", "From: ceo@bank.example\r\n", "550 5.7.1");
    login("postfix");
    client_say(peer, "XFORWARD SOURCE=LOCAL", "250");
    mail("", "From: MAILER-DAEMON@mail.example.com\r\n", "250");
    assert_false(sent_has("ARC-Seal"));
}

static void case_8_date_and_message_id_are_added_before_signing(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "From: a@example.org\r\n", "250");
    char *sent = story_sent();
    char *signature = strstr(sent, "DKIM-Signature:"), *received = strstr(sent, "Received:");
    char *date = strstr(sent, "Date: "), *id = strstr(sent, "Message-ID: <");
    assert_true(signature == sent);
    assert_true(signature < received && received < date && date < id);
    assert_non_null(strstr(strstr(signature, "h="), "date"));
    free(sent);
    mail("a@example.org",
         "From: a@example.org\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <1@x>\r\n",
         "250");
    sent = story_sent();
    assert_null(strstr(strstr(sent, "\r\nDate: ") + 1, "\r\nDate: "));
    assert_null(strstr(sent, "@relay.example.org>"));
    free(sent);
}

static void bcc_is_left_out_and_nothing_else(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org",
         "Authentication-Results: relay.example.org; dkim=pass header.d=secret@x\r\n"
         "Return-Path: <x@y>\r\nBcc: secret@dest.example\r\nFrom: a@example.org\r\nTo: "
         "b@dest.example\r\nBCC : also\r\n secret@dest.example\r\nResent-Bcc: z@z\r\nX-Bcc: "
         "kept\r\n",
         "250");
    char *sent = story_sent();
    assert_null(strstr(sent, "secret@"));
    assert_null(strstr(sent, "Return-Path"));
    assert_null(strstr(sent, "Resent-Bcc"));
    assert_non_null(
        strstr(sent, "From: a@example.org\r\nTo: b@dest.example\r\nX-Bcc: kept\r\n\r\nHello"));
    free(sent);
    assert_int_equal(story_last()->nleft_out, 2);
}

static void every_key_of_the_domain_signs(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "From: x@sub.example.org\r\n", "250"); // subdomains: true
    assert_true(sent_has("a=rsa-sha256"));
    assert_true(sent_has("a=ed25519-sha256"));
    assert_true(sent_has("d=example.org; s=r"));
    mail("alerts@example.net", "From: alerts@example.net\r\n", "250"); // no key: unsigned
    assert_false(sent_has("DKIM-Signature"));
}

// A key that receivers do not find is left out while another of its domain is published; where none
// is, all sign: a broken DNS must not make mail unsigned.
static void unpublished_keys_are_left_out(void **state)
{
    (void)state;
    login("app");
    struct publication *publication =
        publication_open(&story.worker.loop, story.worker.mail, story.relay.dns, story.setup);
    bool left_out = false;
    for (int i = 0; i < 50 && !left_out; i++) { // the keys are looked up while mail passes
        mail("a@pub.example", "From: a@pub.example\r\n", "250");
        assert_true(sent_has("d=pub.example; s=r"));
        left_out = !sent_has("a=ed25519-sha256");
    }
    assert_true(left_out);
    mail("a@example.org", "From: a@example.org\r\n", "250");
    assert_true(sent_has("a=rsa-sha256"));
    assert_true(sent_has("a=ed25519-sha256"));
    publication_close(publication);
}

static void case_44_loops_are_refused(void **state)
{
    (void)state;
    struct buf header;
    buf_init(&header, 65536);
    buf_adds(&header, "From: a@example.org\r\n");
    for (int i = 0; i < 50; i++)
        buf_adds(&header, "Received: by x; y\r\n");
    login("app");
    mail("a@example.org", buf_text(&header), "250");
    buf_adds(&header, "Received: by x; y\r\n");
    mail("a@example.org", buf_text(&header), "554 5.4.6");
    buf_free(&header);
}

static void received_tells_how_it_came(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "From: a@example.org\r\n", "250");
    assert_true(
        sent_has("Received: from client.example ([127.0.0.1])\r\n\tby relay.example.org (Waxwing) "
                 "with ESMTPSA id "));
    assert_true(sent_has("for <rcpt@dest.example>;\r\n"));
    client_say(peer, "EHLO we(ird)<name>", "250-");
    mail("a@example.org", "From: a@example.org\r\n", "250");
    assert_true(sent_has("from we?ird??name? ([127.0.0.1])"));
    client_say(peer, "MAIL FROM:<a@example.org> SMTPUTF8", "250");
    client_say(peer, "RCPT TO:<x@dest.example>", "250");
    client_say(peer, "RCPT TO:<y@dest.example>", "250");
    client_say(peer, "DATA", "354");
    client_send(peer, "From: a@example.org\r\n\r\n.\r\n");
    client_expect(peer, "250");
    assert_true(sent_has("with UTF8SMTPSA id"));
    assert_false(sent_has("for <")); // two recipients: neither is told of the other
}

static void tls_required_no_is_for_owned_mail(void **state)
{
    (void)state;
    login("app");
    mail("a@example.org", "From: a@example.org\r\nTLS-Required: no \r\n", "250");
    assert_true(story_last()->env.tls_optional);
    mail("a@example.org", "From: a@example.org\r\nTLS-Required: Not\r\n", "250");
    assert_false(story_last()->env.tls_optional);
    client_say(peer, "MAIL FROM:<a@example.org> REQUIRETLS", "250"); // stronger than the header
    client_say(peer, "RCPT TO:<x@dest.example>", "250");
    client_say(peer, "DATA", "354");
    client_send(peer, "From: a@example.org\r\nTLS-Required: No\r\n\r\n.\r\n");
    client_expect(peer, "250");
    assert_false(story_last()->env.tls_optional);
    login("postfix");
    mail("a@foreign.example", "From: a@foreign.example\r\nTLS-Required: No\r\n", "250");
    assert_false(story_last()->env.tls_optional);
}

// ---- forwarded mail

static void foreign_mail_is_sealed_and_not_signed(void **state)
{
    (void)state;
    login("postfix");
    mail("a@friend.example",
         "Authentication-Results: relay.example.org; dkim=pass header.d=bank.example\r\n"
         "Bcc: kept@dest.example\r\nFrom: a@friend.example\r\nTo: b@dest.example\r\n",
         "250");
    char *sent = story_sent();
    char *seal = strstr(sent, "ARC-Seal:"), *ams = strstr(sent, "ARC-Message-Signature:");
    char *aar = strstr(sent, "ARC-Authentication-Results:");
    char *ar = strstr(sent, "\r\nAuthentication-Results: relay.example.org"),
         *received = strstr(sent, "Received:");
    assert_true(seal == sent && seal < ams && ams < aar && aar < ar && ar < received);
    assert_null(strstr(sent, "DKIM-Signature:"));
    assert_null(strstr(sent, "bank.example")); // the forged results went
    assert_non_null(strstr(sent, "Bcc: kept@"));
    assert_null(strstr(sent, "\r\nMessage-ID:")); // nothing is invented for others
    free(sent);
}

// What shows that an own From is genuine: XFORWARD SOURCE=LOCAL, or a client of own_networks. The
// host that hands it on shows nothing.
static void no_laundering(void **state)
{
    (void)state;
    static const char ceo[] = "From: ceo@example.com\r\n";
    login("postfix");
    mail("x@bank.example", ceo, "550 5.7.1"); // nobody knows from where, and DMARC fails
    client_say(peer, "XFORWARD ADDR=203.0.113.5 NAME=evil SOURCE=REMOTE", "250");
    mail("x@bank.example", ceo, "550 5.7.1");
    client_say(peer, "XFORWARD ADDR=192.0.2.77 NAME=desk SOURCE=REMOTE", "250");
    mail("x@example.com", ceo, "250");
    assert_true(sent_has("d=example.com; s=r"));
    assert_false(sent_has("ARC-Seal"));
    mail("x@example.com", ceo, "550 5.7.1"); // XFORWARD held for one transaction
    client_say(peer, "XFORWARD SOURCE=LOCAL", "250");
    mail("x@example.com", ceo, "250");
    assert_true(sent_has("d=example.com; s=r"));
    client_say(peer, "XFORWARD SOURCE=LOCAL", "250"); // local, but somebody else's From
    mail("x@example.com", "From: x@bank.example\r\n", "250");
    assert_false(sent_has("DKIM-Signature"));
    assert_true(sent_has("ARC-Seal"));
}

static void trusted_results_show_origin(void **state)
{
    (void)state;
    login("postfix");
    mail("x@example.com",
         "Authentication-Results: mx.example.com; auth=pass smtp.auth=ceo\r\n"
         "Received: by mx.example.com; x\r\nFrom: ceo@example.com\r\n",
         "250");
    assert_true(sent_has("d=example.com; s=r"));
    mail("x@example.com",
         "Authentication-Results: mx.example.com.evil.example; auth=pass smtp.auth=ceo\r\n"
         "Received: by mx.example.com; x\r\nFrom: ceo@example.com\r\n",
         "550 5.7.1");
}

static void only_who_may_says_xforward(void **state)
{
    (void)state;
    login("app");
    client_say(peer, "XFORWARD SOURCE=LOCAL", "550 5.7.0");
    login("postfix");
    client_say(peer, "XFORWARD ADDR=junk", "501 5.5.4");
    client_say(peer, "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] HELO=+41", "250");
}

// ---- our own messages

static void what_the_relay_writes_is_signed(void **state)
{
    (void)state;
    struct message *m = message_new();
    struct why why;
    buf_adds(&m->prefix, "Auto-Submitted: auto-replied\r\n");
    buf_adds(&m->header, "From: MAILER-DAEMON@relay.example.org\r\nTo: a@example.org\r\n\r\n");
    buf_adds(&m->body, "It failed.\r\n");
    assert_int_equal(ingest_own(story.setup, m, &why), 0);
    const char *prefix = buf_text(&m->prefix);
    assert_true(strstr(prefix, "DKIM-Signature: ") == prefix);
    assert_non_null(strstr(prefix, "d=example.org; s=r"));
    assert_non_null(strstr(prefix, "\r\nAuto-Submitted: auto-replied\r\n"));
    message_unref(m);
    m = message_new();
    buf_adds(&m->header, "From: MAILER-DAEMON@relay.other.example\r\n\r\n");
    assert_int_equal(ingest_own(story.setup, m, &why), 0);
    assert_int_equal(m->prefix.len, 0);
    message_unref(m);
    login("app");
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin_alone, end)
    const struct CMUnitTest tests[] = {
        STORY(from_must_be_the_principals),
        STORY(every_from_address_must_match),
        STORY(from_must_be_an_author),
        STORY(case_9_two_from_fields_are_refused),
        STORY(the_envelope_sender_must_be_the_principals),
        STORY(a_user_without_a_rule_sends_nothing),
        STORY(the_null_sender_may_bounce),
        STORY(case_8_date_and_message_id_are_added_before_signing),
        STORY(bcc_is_left_out_and_nothing_else),
        STORY(every_key_of_the_domain_signs),
        STORY(unpublished_keys_are_left_out),
        STORY(case_44_loops_are_refused),
        STORY(received_tells_how_it_came),
        STORY(tls_required_no_is_for_owned_mail),
        STORY(foreign_mail_is_sealed_and_not_signed),
        STORY(no_laundering),
        STORY(trusted_results_show_origin),
        STORY(only_who_may_says_xforward),
        STORY(what_the_relay_writes_is_signed),
    };
    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
