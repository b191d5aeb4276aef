// SPDX-License-Identifier: ISC
// Who may have an own domain in From: what of a message shows that it is from here, what a stranger can write
// into one, and what becomes of it where nothing shows it.
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
#include "relay/base/mem.h"
#include "sign/message_auth.h"

#define PAY      "To: b@dest.example\r\n\r\nHello, please pay.\r\n"
#define CEO      "From: ceo@example.com\r\n" PAY
#define PAL      "From: pal@friend.example\r\n" PAY
#define AR(rest) "Authentication-Results: mx.example.com; " rest "\r\n"
#define HOP                                                                                        \
    "Received: from h (unknown [203.0.113.66])\r\n\tby mx.example.com (Postfix) with ESMTP id 1; " \
    "x\r\n"

static const char yaml[] =
    "listen:\n- address: '127.0.0.1:0'\n"
    "senders:\n"
    "- {user: postfix, from: [example.com, 'xn--grne-1ra.example'], forward: true, xforward: true,"
    " trust_results_of: [mx.example.com]}\n"
    "- {user: app, from: [example.com], forward: true, xforward: true, on_own_fail: seal,"
    " trust_results_of: [mx.example.com], trusted_hops: 1}\n"
    "- {user: other, from: [example.com], forward: true, xforward: true, on_own_fail: discard,"
    " on_dmarc_fail: refuse, trusted_sealers: [friend.example]}\n"
    "- {network: [127.0.0.9], from: [example.com], forward: true, require_signature: true}\n";

static int begin(void **state)
{
    (void)state;
    story_begin(&story, yaml);
    peer = client_open(&story, 0, 0);
    client_login(peer, "postfix", "secret");
    return 0;
}

static void from(const char *source, const char *text, const char *start)
{
    char line[200];
    snprintf(line, sizeof line, "XFORWARD %s", source);
    client_say(peer, line, "250");
    client_mail(peer, "x@bank.example", text, start);
}

#define STRANGER "ADDR=203.0.113.66 HELO=h SOURCE=REMOTE"
#define LOCAL    "SOURCE=LOCAL"

static bool is_signed(void)
{
    char *sent = story_sent();
    bool ours = strncmp(sent, "DKIM-Signature:", 15) == 0 && strstr(sent, "d=example.com; s=r;");
    free(sent);
    return ours;
}

static void assert_sealed(const char *results)
{
    char *sent = story_sent();
    assert_int_equal(strncmp(sent, "ARC-Seal:", 9), 0);
    assert_null(strstr(sent, "DKIM-Signature:"));
    if (!strstr(sent, results))
        fail_msg("no '%s' in:\n%s", results, sent);
    free(sent);
}

// ---- results of others

static void case_90_a_stranger_s_results_show_no_origin(void **state)
{
    (void)state;
    from(STRANGER, HOP AR("auth=pass smtp.auth=ceo") CEO, "550 5.7.1");
    from(STRANGER, HOP AR("auth=pass smtp.auth=ceo") HOP CEO, "550 5.7.1");
    from(STRANGER, AR("auth=pass smtp.auth=ceo") HOP CEO, "250");
    assert_true(is_signed());
    from(STRANGER, HOP AR("dmarc=pass header.from=friend.example") PAL, "250");
    assert_sealed("dmarc=fail");
    from(STRANGER, AR("dmarc=pass header.from=friend.example") HOP PAL, "250");
    assert_sealed("dmarc=pass header.from=friend.example");
    login("app"); // one Received field more
    from(STRANGER, HOP AR("auth=pass smtp.auth=ceo") CEO, "250");
    assert_true(is_signed());
    from(STRANGER, HOP HOP AR("auth=pass smtp.auth=ceo") CEO, "250");
    assert_sealed("dmarc=fail");
}

static void case_92_what_a_filter_hands_back_is_not_local(void **state)
{
    (void)state;
    from(LOCAL, CEO, "250");
    assert_true(is_signed());
    from(LOCAL, AR("dmarc=fail header.from=example.com") HOP CEO, "550 5.7.1");
    from(LOCAL, AR("spf=fail smtp.mailfrom=x@bank.example") HOP CEO, "550 5.7.1");
    from(LOCAL, AR("dmarc=pass header.from=example.com") HOP CEO, "250");
    assert_true(is_signed());
    from(LOCAL, HOP AR("dmarc=fail header.from=example.com") CEO,
         "250"); // a stranger's word against us
    assert_true(is_signed());
    from(STRANGER, AR("auth=pass") AR("dmarc=fail header.from=example.com") HOP CEO, "550 5.7.1");
}

// A HELO name that opens a comment hides the failure behind it, and a second one closes it.
static void case_93_a_hidden_failure_is_one(void **state)
{
    (void)state;
    from(
        LOCAL,
        AR("spf=none smtp.helo=h(; dmarc=fail header.from=example.com; x=y z.z=)") "Received: from "
                                                                                   "h( (unknown "
                                                                                   "[203.0.113.66])"
                                                                                   "\r\n\tby "
                                                                                   "mx.example.com;"
                                                                                   " x\r\n" CEO,
        "550 5.7.1");
    from(LOCAL, AR("spf=none smtp.helo=h (x)") HOP CEO, "250");
    assert_true(is_signed());
}

// ---- From fields that cannot be read

static void case_94_no_reading_of_from_hides_an_own_domain(void **state)
{
    (void)state;
    static const char *const forged[] = {
        "ceo@ example.com;",
        "ceo@(c)example.com;",
        "ceo@example.com\xc2\xa0",
        "ceo\xef\xbc\xa0"
        "example.com",
        "=?utf-8?q?ceo=40example.com?=",
        "=?utf-8?b?Y2VvQGV4YW1wbGUuY29t?=",
        "=?utf-8?b?PGNlb0BleGFtcGxlLmNvbT4?=", // without its padding
        "=?utf-8?q?ceo=40exam?= =?utf-8?q?ple.com?=",
        "=?utf-8?q?ceo=EF=BC=A0example=2Ecom?=",
        "ceo@example\xe3\x80\x82"
        "com",
        "ceo@\xef\xbd\x85xample.com",
        "ceo@exam\xe2\x80\x8bple.com",
        "ceo@exam\xc2\xadple.com x",
        "ceo@exam(x)ple.com;",
        "ceo@example .com x",
        "ceo@example\r\n .com x",
        "ceo@example..com",
        "ceo@.example.com",
        "ceo@example.com.;",
        "ceo@\"example.com\"",
        "ceo@[example.com]",
        "<<ceo@example.com>>",
        "ceo@exam\\ple.com",
        "ceo@example.com, ",
        "ceo@example.com\xff;",
        "ceo@exam\xffple.com;",
        "ceo\xef\xb9\xab"
        "example.com",
        "ceo at example.com;;",
        "ceo@sub.EXAMPLE.com;",
        "ceo@gr\xc3\xbcne.example;",
        "ceo@xn--grne-1ra.example;",
        "\"ceo@example.com\":;",
        "=?utf-8?q?ceo=40(x)example.com?=",
    };
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        char *text = mem_printf("From: %s\r\n" PAY, forged[i]);
        print_message("%s\n", forged[i]);
        from(STRANGER, text, "550 5.7.1");
        free(text);
        // A trusted pass for the stranger's domain is no word on what cannot be read.
        text =
            mem_printf(AR("dmarc=pass header.from=bank.example") HOP "From: %s\r\n" PAY, forged[i]);
        from(STRANGER, text, "550 5.7.1");
        free(text);
    }
}

static void case_94_who_names_no_own_domain_may_write_badly(void **state)
{
    (void)state;
    static const char *const others[] = {"pal@ bank.example;", "ceo@notexample.com;",
                                         "ceo@example.com.bank.example;",
                                         "=?utf-8?q?ceo=40bank.example?=", "example com x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *text = mem_printf("From: %s\r\n" PAY, others[i]);
        from(STRANGER, text, "250");
        free(text);
        assert_sealed("dmarc=permerror");
    }
}

// ---- what becomes of it

static void case_97_own_mail_from_a_list_is_sealed_or_dropped_where_asked(void **state)
{
    (void)state;
    login("app");
    from(STRANGER, CEO, "250");
    assert_sealed("dmarc=fail");
    from(STRANGER, "From: ceo@ example.com;\r\n" PAY, "250");
    assert_sealed("dmarc=permerror");
    login("other");
    size_t before = shelf.nstored;
    from(STRANGER, CEO, "250 2.0.0 queued as ");
    assert_int_equal(shelf.nstored, before);
    from(STRANGER, "From: x@bank.example\r\n" PAY, "250"); // the session goes on
    assert_int_equal(shelf.nstored, before + 1);
}

// Nobody said who the client was, so SPF might have passed.
static void case_95_where_spf_is_unknown_dmarc_refuses_nobody(void **state)
{
    (void)state;
    client_mail(peer, "x@example.com", CEO, "550 5.7.1"); // but an own domain has to be shown
    login("other");
    client_mail(peer, "pal@friend.example", PAL, "250");
    assert_sealed("dmarc=none (p=reject)");
    assert_sealed("SPF could not be looked at");
    from(STRANGER, PAL, "550 5.7.1 DMARC of friend.example fails");
}

static struct sign_key *key(void)
{
    return setup_keys_for(story.setup, "example.com")->keys[0];
}

// A set on top, by a hop whose key is in the domain and that saw `results`. Caller frees.
static char *sealed_by(const char *domain, const char *results, const char *text)
{
    static char *ids[] = {(char *)(uintptr_t) "hop.example"};
    static const struct strings trust = {ids, 1};
    struct header h;
    struct why why;
    size_t used;
    struct buf out;
    char *whole = mem_printf("Authentication-Results: hop.example; %s\r\n%s", results, text);
    buf_init(&out, 65536);
    assert_int_equal(header_parse(&h, span_text(whole), &used, &why), 0);
    struct message_auth_input in = {
        .header = &h, .authserv_id = "hop.example", .trust_results_of = &trust, .now_s = clock_s()};
    struct message_auth *a = message_auth_new(&in);
    struct facts *nothing = facts_new();
    body_hashes_feed(message_auth_hashes(a), whole + h.bytes.n, strlen(whole) - h.bytes.n);
    body_hashes_finish(message_auth_hashes(a));
    message_auth_give_up(a, nothing);
    struct seal how = {.domain = domain, .selector = "r", .key = key()};
    assert_int_equal(message_auth_seal(a, &how, &out, &why), 0);
    message_auth_free(a);
    facts_free(nothing);
    header_free(&h);
    free(whole);
    whole = mem_printf("%s%s", buf_text(&out), text);
    buf_free(&out);
    return whole;
}

static void case_97_a_chain_of_trusted_sealers_vouches_for_dmarc(void **state)
{
    (void)state;
    static const struct {
        const char *first, *said, *second;
        const char *start;
    } rows[] = {
        {"friend.example", "dmarc=pass header.from=friend.example", NULL, "250"},
        {"friend.example", "dmarc=pass header.from=friend.example; arc=pass", "friend.example",
         "250"},
        {"friend.example", "dmarc=fail header.from=friend.example", NULL, "550 5.7.1"},
        {"friend.example", "dmarc=pass header.from=bank.example", NULL, "550 5.7.1"},
        {"friend.example", "spf=pass", NULL, "550 5.7.1"},
        {"pub.example", "dmarc=pass header.from=friend.example", NULL, "550 5.7.1"},
        {"pub.example", "dmarc=pass header.from=friend.example", "friend.example", "550 5.7.1"},
        {"friend.example", "dmarc=pass header.from=friend.example", "pub.example", "550 5.7.1"},
    };
    login("other");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = sealed_by(rows[i].first, rows[i].said, PAL);
        if (rows[i].second) {
            char *again = sealed_by(rows[i].second, "arc=pass", text);
            free(text);
            text = again;
        }
        print_message("%s, %s: %s\n", rows[i].first, rows[i].second ? rows[i].second : "-",
                      rows[i].said);
        from(STRANGER, text, rows[i].start);
        free(text);
    }
    char *broken = sealed_by("friend.example", "dmarc=pass header.from=friend.example", PAL);
    strstr(broken, "pay")[0] = 'd';
    from(STRANGER, broken, "550 5.7.1");
    free(broken);
    // Own domains stay what they are: no chain makes them ours.
    char *own = sealed_by("friend.example", "dmarc=pass header.from=example.com", CEO);
    size_t before = shelf.nstored;
    from(STRANGER, own, "250");
    assert_int_equal(shelf.nstored, before);
    free(own);
}

// A chain that was closed as failed takes no further set: the message goes on without, unless it may not.
static void what_cannot_be_sealed_goes_on_unless_it_must_be(void **state)
{
    (void)state;
    static const char closed[] =
        "ARC-Seal: i=1; a=rsa-sha256; cv=fail; d=friend.example; s=r; b=\r\n" PAL;
    client_mail(peer, "x@bank.example", closed, "250");
    char *sent = story_sent();
    assert_int_equal(strncmp(sent, "Authentication-Results: relay.example.org;", 42), 0);
    free(sent);
    client_close(peer);
    peer = client_open(&story, 0, 9);
    client_expect(peer, "220 ");
    client_say(peer, "EHLO x", "250-");
    client_mail(peer, "x@bank.example", closed, "550 5.7.1 the message could not be sealed");
    client_mail(peer, "x@bank.example", PAL, "250");
    assert_sealed("dmarc=none");
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(case_90_a_stranger_s_results_show_no_origin),
        STORY(case_92_what_a_filter_hands_back_is_not_local),
        STORY(case_93_a_hidden_failure_is_one),
        STORY(case_94_no_reading_of_from_hides_an_own_domain),
        STORY(case_94_who_names_no_own_domain_may_write_badly),
        STORY(case_95_where_spf_is_unknown_dmarc_refuses_nobody),
        STORY(case_97_own_mail_from_a_list_is_sealed_or_dropped_where_asked),
        STORY(what_cannot_be_sealed_goes_on_unless_it_must_be),
        STORY(case_97_a_chain_of_trusted_sealers_vouches_for_dmarc),
    };
    return cmocka_run_group_tests_name("ingest_origin", tests, NULL, NULL);
}
