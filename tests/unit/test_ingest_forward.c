// SPDX-License-Identifier: ISC
// Mail that a principal forwards, through the relay (ARCHITECTURE.md, Who may say what; RFC 8617): what
// shows origin, what is sealed, what is refused, and what is put off because the DNS does not answer.
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
#include "sign/message_auth.h"
#include "sign/dkim_sign.h"
#include "tests/unit/inbound_desk.h"

#define CEO "From: ceo@example.com\r\nTo: b@dest.example\r\nSubject: pay\r\n" BODY
#define PAL "From: pal@friend.example\r\nTo: b@dest.example\r\nSubject: hi\r\n" BODY

static const char yaml[] =
    "listen:\n- address: '127.0.0.1:0'\n"
    "senders:\n"
    "- {user: postfix, from: [example.com, dead.example], forward: true, xforward: true,"
    " own_networks: [192.0.2.0/24], trust_results_of: [mx.example.com]}\n"
    "- {user: other, from: [example.com], forward: true, xforward: true, on_dmarc_fail: refuse}\n"
    "- {user: app, from: [example.com], forward: true, xclient: true, own_networks: "
    "[192.0.2.0/24]}\n"
    "limits: {message_size: 2MiB, header_size: 256KiB}\n";

static int begin(void **state)
{
    (void)state;
    story_begin(&story, yaml);
    peer = client_open(&story, 0, 0);
    client_login(peer, "postfix", "secret");
    return 0;
}

// The reply to a message begins so. Frees the text.
static void mail(const char *from, char *text, const char *start)
{
    client_mail(peer, from, text, start);
    free(text);
}

static void forwarded_for(const char *client)
{
    char line[200];
    snprintf(line, sizeof line, "XFORWARD NAME=h ADDR=%s HELO=h.friend.example SOURCE=REMOTE",
             client);
    client_say(peer, line, "250");
}

static void assert_sent(const char *part, bool there)
{
    char *sent = story_sent();
    if (!strstr(sent, part) == there)
        fail_msg("'%s' %s:\n%s", part, there ? "missing" : "there", sent);
    free(sent);
}

// Signed as our own, and nothing else said of it.
static void assert_owned(void)
{
    char *sent = story_sent();
    assert_true(strstr(sent, "DKIM-Signature:") == sent);
    assert_non_null(strstr(sent, "d=example.com; s=r;"));
    assert_null(strstr(sent, "ARC-Seal:"));
    free(sent);
}

// Sealed as somebody else's, on top of whatever it carried.
static void assert_sealed(const char *results)
{
    char *sent = story_sent();
    assert_true(strstr(sent, "ARC-Seal:") == sent);
    const char *first = strstr(sent, "\r\nReceived: from ");
    assert_non_null(first);
    char *ours = span_dup(span_of(sent, (size_t)(first - sent)));
    assert_null(strstr(ours, "DKIM-Signature:"));
    if (!strstr(ours, results))
        fail_msg("no '%s' in:\n%s", results, ours);
    free(ours);
    free(sent);
}

static struct sign_key *key(void)
{
    return setup_keys_for(story.setup, "example.com")->keys[0];
}

static struct body_hashes *hash(const struct header *h, const char *text,
                                struct body_hashes *hashes)
{
    body_hashes_feed(hashes, text + h->bytes.n, strlen(text) - h->bytes.n);
    body_hashes_finish(hashes);
    return hashes;
}

// The message signed by the domain; `headers` NULL: the default list. Caller frees.
static char *signed_by(const char *domain, const char *headers, const char *text)
{
    struct header h;
    struct why why;
    size_t used;
    struct buf out;
    buf_init(&out, 8192);
    assert_int_equal(header_parse(&h, span_text(text), &used, &why), 0);
    struct body_hashes *hashes = body_hashes_new();
    body_hashes_want(hashes, CANON_RELAXED, CANON_NO_LIMIT);
    hash(&h, text, hashes);
    struct dkim_sign how = {.domain = domain,
                            .selector = "r",
                            .key = key(),
                            .header_canon = CANON_RELAXED,
                            .body_canon = CANON_RELAXED,
                            .headers = headers,
                            .oversign = headers ? "from" : NULL};
    assert_int_equal(dkim_sign(&how, &h, hashes, &out, &why), 0);
    body_hashes_free(hashes);
    header_free(&h);
    char *whole = mem_printf("%s%s", buf_text(&out), text);
    buf_free(&out);
    return whole;
}

// The message with the first set of a chain, by a hop whose key is in the domain. Caller frees.
static char *sealed_by(const char *domain, const char *text)
{
    struct header h;
    struct why why;
    size_t used;
    struct buf out;
    buf_init(&out, 16384);
    assert_int_equal(header_parse(&h, span_text(text), &used, &why), 0);
    struct message_auth_input in = {.header = &h, .authserv_id = "hop.example", .now_s = clock_s()};
    struct message_auth *a = message_auth_new(&in);
    struct facts *nothing = facts_new();
    hash(&h, text, message_auth_hashes(a));
    message_auth_give_up(a, nothing);
    struct seal how = {.domain = domain, .selector = "r", .key = key()};
    assert_int_equal(message_auth_seal(a, &how, &out, &why), 0);
    message_auth_free(a);
    facts_free(nothing);
    header_free(&h);
    char *whole = mem_printf("%s%s", buf_text(&out), text);
    buf_free(&out);
    return whole;
}

static char *received(int64_t ago_s, char *text)
{
    char date[40];
    clock_rfc5322(clock_ms() - ago_s * 1000, date);
    char *whole = mem_printf("Received: from x by mx.example.com; %s\r\n%s", date, text);
    free(text);
    return whole;
}

// ---- origin

static void an_aligned_signature_shows_origin(void **state)
{
    (void)state;
    forwarded_for("203.0.113.5");
    mail("list@bank.example", signed_by("example.com", NULL, CEO), "250");
    assert_owned();
    char *changed = signed_by("example.com", NULL, CEO);
    strstr(changed, "pay")[0] = 'd';
    mail("x@bank.example", changed, "550 5.7.1");
    mail("x@bank.example", signed_by("friend.example", NULL, CEO), "550 5.7.1"); // not aligned
}

// What the signature left open a stranger may have written: DMARC passes, but ours would vouch for it.
static void a_signature_that_leaves_fields_open_shows_no_origin(void **state)
{
    (void)state;
    mail("x@bank.example", signed_by("example.com", "from:to:subject", CEO), "250");
    assert_owned(); // all there is was covered
    char *open = signed_by("example.com", "from:to:subject", CEO);
    mail("x@bank.example", mem_printf("Reply-To: thief@bank.example\r\n%s", open), "250");
    assert_sealed("dmarc=pass");
    free(open);
    open = signed_by("example.com", "from:to:subject", CEO);
    mail("x@bank.example", mem_printf("Subject: give me money\r\n%s", open), "250");
    assert_sealed("dmarc=pass");
    free(open);
}

static void trusted_results_show_origin(void **state)
{
    (void)state;
    static const char said[] = "Authentication-Results: %s; auth=%s smtp.auth=ceo\r\n%s";
    static const char foreign[] = "Received: by elsewhere.example; x\r\n";
    mail("x@example.com", mem_printf(said, "mx.example.com", "pass", CEO), "250");
    assert_owned();
    mail("x@example.com", mem_printf(said, "mx.example.com", "fail", CEO), "550 5.7.1");
    mail("x@example.com", mem_printf(said, "mx.example.com.evil.example", "pass", CEO),
         "550 5.7.1");
    mail("x@example.com", mem_printf(said, "relay.example.org", "pass", CEO), "550 5.7.1");
    char *below = mem_printf(said, "mx.example.com", "pass", CEO);
    mail("x@example.com", mem_printf("%s%s", foreign, below), "550 5.7.1"); // anybody wrote that
    free(below);
}

static void the_session_shows_origin(void **state)
{
    (void)state;
    forwarded_for("192.0.2.8");
    mail("x@example.com", mem_dup(CEO), "250");
    assert_owned();
    client_say(peer, "XFORWARD SOURCE=LOCAL", "250");
    mail("x@example.com", mem_dup(CEO), "250");
    assert_owned();
    forwarded_for("192.0.3.8");
    mail("x@example.com", mem_dup(CEO), "550 5.7.1");
    client_say(peer, "XFORWARD SOURCE=LOCAL", "250");
    client_say(peer, "MAIL FROM:<x@example.com> SIZE=99999999",
               "552"); // no transaction, so nothing is kept
    mail("x@example.com", mem_dup(CEO), "550 5.7.1");
}

// RFC 7489 section 6.6.1's old trick: a second author, so that no single domain answers for From.
static void a_second_author_hides_no_forgery(void **state)
{
    (void)state;
    static const char two[] =
        "From: ceo@example.com, me@bank.example\r\nSender: me@bank.example\r\n" BODY;
    forwarded_for("203.0.113.5");
    mail("me@bank.example", mem_dup(two), "550 5.7.1");
    client_say(peer, "XFORWARD SOURCE=LOCAL", "250"); // from here, but not ours alone: not signed
    mail("ceo@example.com", mem_dup(two), "250");
    assert_sealed("dmarc=permerror");
}

// What our reader refuses, another may show.
static void a_from_that_cannot_be_read_hides_no_forgery(void **state)
{
    (void)state;
    static const char *const forged[] = {
        "From: <ceo@example.com> Big Boss\r\n", "From: (ceo <ceo@EXAMPLE.com>\r\n",
        "From: \"ceo@example.com\r\n", "From: ceo@example.com me@bank.example\r\n",
        "From: Us: ceo@example.com, x@bank.example;\r\n"};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        mail("me@bank.example", mem_printf("%s" BODY, forged[i]), "550 5.7.1");
    mail("me@bank.example", mem_dup("From: (pal <pal@bank.example>\r\n" BODY), "250");
    assert_sealed("dmarc=permerror");
    mail("me@bank.example", mem_dup("From: x@notexample.com y\r\n" BODY), "250");
}

// SPF that passes for the own domain: the message is from a host that may send for it. It goes on
// sealed, not signed, since SPF says nothing of who wrote it.
static void foreign_mail_tells_what_was_found(void **state)
{
    (void)state;
    forwarded_for("203.0.113.9");
    mail("pal@friend.example", signed_by("friend.example", NULL, PAL), "250");
    assert_sealed("spf=pass");
    assert_sealed("dkim=pass");
    assert_sealed("dmarc=pass");
    assert_sealed("smtp.remote-ip=203.0.113.9");
    forwarded_for("203.0.113.10");
    mail("pal@friend.example", mem_dup(PAL), "250");
    assert_sealed("spf=fail");
    assert_sealed("dmarc=fail");
}

static void on_dmarc_fail_refuses_where_asked(void **state)
{
    (void)state;
    login("other");
    forwarded_for("203.0.113.10");
    mail("pal@friend.example", mem_dup(PAL), "550 5.7.1");
    mail("pal@friend.example", signed_by("friend.example", NULL, PAL), "250");
    assert_sealed("dmarc=pass");
    mail("x@bank.example", mem_dup("From: x@bank.example\r\n" BODY), "250"); // no record
    mail("x@dead.example", mem_dup("From: x@dead.example\r\n" BODY), "451 4.4.3");
}

static void only_who_may_now_says_xforward(void **state)
{
    (void)state;
    login("app");
    client_say(peer, "XFORWARD SOURCE=LOCAL", "550 5.7.0");
    mail("x@example.com", mem_dup(CEO), "550 5.7.1");
}

// XCLIENT names the client of the whole session, and begins it anew; the principal stays.
static void an_original_client_by_xclient(void **state)
{
    (void)state;
    client_say(peer, "XCLIENT ADDR=192.0.2.8", "550 5.7.0");
    login("app");
    client_say(peer, "XFORWARD SOURCE=LOCAL", "550 5.7.0");
    client_say(peer, "XCLIENT ADDR=192.0.2.8 SOURCE=LOCAL", "501 5.5.4");
    client_say(peer, "XCLIENT NAME=h ADDR=203.0.113.9 PROTO=ESMTP LOGIN=[UNAVAILABLE]", "220 ");
    client_say(peer, "MAIL FROM:<pal@friend.example>", "503");
    client_say(peer, "EHLO h.friend.example", "250-");
    for (int i = 0; i < 2; i++) { // both transactions of the session
        mail("pal@friend.example", mem_dup(PAL), "250");
        assert_sealed("spf=pass");
        assert_sealed("smtp.remote-ip=203.0.113.9");
    }
    mail("x@bank.example", mem_dup(CEO), "550 5.7.1");
    client_say(peer, "XCLIENT ADDR=192.0.2.8 HELO=desk", "220 ");
    client_say(peer, "EHLO client.example", "250-");
    mail("x@example.com", mem_dup(CEO), "250");
    assert_owned();
}

// ---- the DNS does not answer

static void case_42_own_domains_wait_for_the_dns(void **state)
{
    (void)state;
    // The record of the own domain is out of reach.
    mail("x@bank.example", mem_dup("From: x@dead.example\r\n" BODY), "451 4.4.3");
    // The record is there, and a signature of the domain might have held.
    char *text = signed_by("example.com", NULL, CEO);
    memcpy(strstr(text, "s=r;"), "s=x;", 4);
    mail("x@bank.example", text, "550 5.7.1"); // no such key: it does not
    mail("x@bank.example", signed_by("dead.example", NULL, CEO), "550 5.7.1"); // not aligned
}

static void foreign_mail_goes_on_without_the_dns(void **state)
{
    (void)state;
    forwarded_for("203.0.113.5");
    mail("x@dead.example", signed_by("dead.example", NULL, PAL), "250");
    assert_sealed("dkim=temperror");
    assert_sealed("spf=temperror");
    assert_sealed("dmarc=fail"); // of friend.example, for whom neither could have spoken
}

// A chain is closed for good by cv=fail, so trouble with the DNS puts the message off; for an hour.
static void a_chain_is_not_broken_by_the_dns_at_once(void **state)
{
    (void)state;
    mail("pal@friend.example", received(30, sealed_by("dead.example", PAL)), "451 4.4.3");
    mail("pal@friend.example", received(3700, sealed_by("dead.example", PAL)), "250");
    assert_sealed("arc=fail");
    assert_sent("cv=fail", true);
    mail("pal@friend.example", sealed_by("dead.example", PAL), "250"); // nobody says since when
    char *broken = received(30, sealed_by("friend.example", PAL));
    strstr(broken, "Hello")[0] = 'J';
    mail("pal@friend.example", broken, "250"); // that is no matter of the DNS
    assert_sealed("arc=fail");
}

// ---- ARC

static void case_13_a_chain_goes_on(void **state)
{
    (void)state;
    mail("pal@friend.example", sealed_by("friend.example", PAL), "250");
    assert_sealed("arc=pass");
    char *sent = story_sent();
    const char *seal = strstr(sent, "ARC-Seal:"), *ams = strstr(sent, "ARC-Message-Signature:"),
               *aar = strstr(sent, "ARC-Authentication-Results: i=2; relay.example.org;"),
               *ar = strstr(sent, "\r\nAuthentication-Results: relay.example.org;"),
               *older = aar ? strstr(aar, "ARC-Seal:") : NULL;
    assert_true(seal == sent && seal < ams && ams < aar && aar < ar && ar < older);
    assert_non_null(strstr(seal, "cv=pass"));
    free(sent);
}

static void case_10_a_closed_chain_is_left_alone(void **state)
{
    (void)state;
    char *broken = sealed_by("friend.example", PAL);
    strstr(broken, "Hello")[0] = 'J';
    mail("pal@friend.example", broken, "250");
    assert_sent("cv=fail", true);
    assert_sent("ARC-Seal: ", true);
    char *sent = story_sent();
    sent[strlen(sent)] = 0;
    mail("pal@friend.example", sent, "250"); // a second time round
    sent = story_sent();
    assert_true(strncmp(sent, "Authentication-Results: relay.example.org", 41) == 0);
    assert_null(strstr(sent, "i=3"));
    free(sent);
}

static void case_12_what_claims_our_name_is_left_out_of_all(void **state)
{
    (void)state;
    mail("pal@friend.example",
         mem_printf("%s%s%s", "authentication-results : (c) RELAY.example.org/1; dkim=pass\r\n",
                    "Authentication-Results: \"relay.example.org\" 1;\r\n spf=pass\r\n"
                    "Authentication-Results: relay.example.org.evil.example; dkim=pass\r\n",
                    PAL),
         "250");
    char *sent = story_sent();
    assert_null(strstr(sent, "RELAY.example.org"));
    assert_null(strstr(sent, "\"relay.example.org\""));
    assert_non_null(strstr(sent, "\r\nAuthentication-Results: relay.example.org.evil.example"));
    assert_null(strstr(sent, "dkim=pass\r\n Rec"));
    free(sent);
    assert_int_equal(story_last()->nleft_out, 1);
}

// ---- hostile headers

static char *many(const char *line, size_t n, const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < n; i++)
        buf_adds(&out, line);
    buf_adds(&out, text);
    return buf_take(&out);
}

static void thousands_of_fields(void **state)
{
    (void)state;
    mail("x@friend.example", many("A: b\r\n", 1997, PAL), "250");
    mail("x@friend.example", many("A: b\r\n", 2001, PAL), "550 5.6.0");
    mail("x@friend.example",
         many("Authentication-Results: relay.example.org; dkim=pass\r\n", 1990, PAL), "250");
    assert_int_equal(story_last()->nleft_out, 1);
    assert_sent("relay.example.org; dkim=pass", false);
    mail("x@friend.example", many("DKIM-Signature: v=1\r\n", 250, PAL), "250");
    mail("x@friend.example", many("DKIM-Signature: v=1\r\n", 1990, PAL), "550 5.6.0");
    mail("x@friend.example", many("ARC-Seal: i=51\r\n", 1990, PAL), "250");
    mail("x@friend.example", many("Received: by x; y\r\n", 51, PAL), "554 5.4.6");
}

static void a_huge_from(void **state)
{
    (void)state;
    struct buf from;
    buf_init(&from, 1 << 20);
    buf_adds(&from, "From: a@friend.example");
    for (int i = 0; i < 2500; i++)
        buf_addf(&from, ",\r\n x%d@example.com", i);
    buf_adds(&from, "\r\n" BODY);
    mail("x@friend.example", buf_take(&from), "550 5.7.1"); // it shows an own domain
    buf_init(&from, 1 << 20);
    buf_adds(&from, "From: ");
    for (int i = 0; i < 20000; i++)
        buf_addc(&from, '(');
    buf_adds(&from, "\r\n" BODY);
    mail("x@friend.example", buf_take(&from), "250");
    assert_sealed("dmarc=permerror");
}

static void eight_bits_and_control_characters(void **state)
{
    (void)state;
    forwarded_for("203.0.113.10");
    mail("\"a\\\"; dmarc=pass\"@friend.example",
         mem_dup("From: \"\x01\xff\" <p\xe4l@friend.example>\r\n"
                 "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=\x7f; b=; i=\"; "
                 "dmarc=pass\r\n" BODY),
         "250");
    char *sent = story_sent();
    char *end = strstr(sent, "Received: from client.example");
    *end = 0;
    for (const char *p = sent; *p; p++)
        assert_true((*p >= ' ' && *p <= '~') || *p == '\r' || *p == '\n' || *p == '\t');
    assert_null(strstr(sent, "; dmarc=pass\r\n"));
    assert_null(strstr(sent, "\n dmarc=pass"));
    free(sent);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(an_aligned_signature_shows_origin),
        STORY(a_signature_that_leaves_fields_open_shows_no_origin),
        STORY(trusted_results_show_origin),
        STORY(the_session_shows_origin),
        STORY(a_second_author_hides_no_forgery),
        STORY(a_from_that_cannot_be_read_hides_no_forgery),
        STORY(foreign_mail_tells_what_was_found),
        STORY(on_dmarc_fail_refuses_where_asked),
        STORY(only_who_may_now_says_xforward),
        STORY(an_original_client_by_xclient),
        STORY(case_42_own_domains_wait_for_the_dns),
        STORY(foreign_mail_goes_on_without_the_dns),
        STORY(a_chain_is_not_broken_by_the_dns_at_once),
        STORY(case_13_a_chain_goes_on),
        STORY(case_10_a_closed_chain_is_left_alone),
        STORY(case_12_what_claims_our_name_is_left_out_of_all),
        STORY(thousands_of_fields),
        STORY(a_huge_from),
        STORY(eight_bits_and_control_characters),
    };
    return cmocka_run_group_tests_name("ingest_forward", tests, NULL, NULL);
}
