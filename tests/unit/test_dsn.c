// SPDX-License-Identifier: ISC
// Delivery reports, read as their receivers would: parts, groups, fields.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/queue/dsn.h"
#include "sign/header.h"

static struct relay relay;
static struct config config;
static struct message *about;
static struct content *content;
static struct why why;
static struct dsn_row rows[4];
static struct dsn dsn;

static void letter(const char *from, const char *header, const char *body)
{
    about = message_new();
    free(about->env.from);
    about->env.from = strdup(from);
    about->env.created_ms = 1700000000000;
    buf_adds(&about->prefix, "Received: by relay.test\r\n");
    buf_adds(&about->header, header);
    buf_adds(&about->body, body);
    message_add_recipient(about, "b@example.test", "example.test");
    message_add_recipient(about, "c@example.test", "example.test");
    content = content_take(&relay, about);
    rows[0] = (struct dsn_row){.recipient = &about->env.rcpts[0],
                               .why = &why,
                               .attempts = 3,
                               .tried_ms = 1700000100000,
                               .until_ms = 1700400000000};
    rows[1] = rows[0];
    rows[1].recipient = &about->env.rcpts[1];
    dsn = (struct dsn){.config = &config,
                       .kind = DSN_FAILED,
                       .about = about,
                       .content = content,
                       .rows = rows,
                       .nrows = 1,
                       .now_ms = 1700000200000};
}

static int begin(void **state)
{
    (void)state;
    clock_fix(1700000200000);
    config = (struct config){.hostname = (char *)"relay.test",
                             .dsn_from = (char *)"MAILER-DAEMON@relay.test",
                             .dsn_expire = 86400000};
    why_say(&why, RCPT_REFUSED, "RCPT TO");
    why_host(&why, "mx.example.test");
    why_reply(&why, "550 5.1.1 <b@example.test>: no such user");
    letter("a@us.test", "Subject: hello\r\nFrom: a@us.test\r\n\r\n", "the body\r\n");
    return 0;
}

static int end(void **state)
{
    (void)state;
    content_unref(content);
    message_unref(about);
    clock_release();
    return 0;
}

static struct message *report;
static struct header header;
static char *parts[8]; // of the multipart, the part's own header included
static size_t nparts;

static void compose(void)
{
    report = dsn_compose(&dsn);
    assert_non_null(report);
    size_t used;
    struct why bad;
    assert_int_equal(header_parse(&header, buf_span(&report->header), &used, &bad), 0);
    assert_int_equal(used, report->header.len);
    const char *type = strstr(buf_text(&report->header), "boundary=\"");
    assert_non_null(type);
    char mark[80] = "\r\n--";
    strncat(mark, type + 10, strcspn(type + 10, "\""));
    char *text = strdup(buf_text(&report->body));
    assert_int_equal(strncmp(text, mark + 2, strlen(mark) - 2), 0);
    nparts = 0;
    for (char *p = text + strlen(mark) - 2; strncmp(p, "--", 2) != 0;) {
        p += 2;
        char *stop = strstr(p, mark);
        assert_non_null(stop);
        parts[nparts++] = strndup(p, (size_t)(stop - p));
        p = stop + strlen(mark);
    }
    free(text);
}

static void release(void)
{
    for (size_t i = 0; i < nparts; i++)
        free(parts[i]);
    header_free(&header);
    message_unref(report);
}

static void assert_field(const char *name, const char *value)
{
    const struct field *f = header_find(&header, name, 0);
    assert_non_null(f);
    char *text = span_dup(span_trim(f->value));
    assert_string_equal(text, value);
    free(text);
}

#define has(part, text) (strstr(parts[part], (text)) != NULL)

// In the part for people, wherever its lines are broken.
static bool says(const char *text)
{
    char flat[8192];
    size_t n = 0;
    for (const char *c = parts[0]; *c && n + 1 < sizeof flat; c++)
        if (*c != '\r' && !(strchr(" \n", *c) && n && flat[n - 1] == ' '))
            flat[n++] = *c == '\n' ? ' ' : *c;
    flat[n] = 0;
    return strstr(flat, text);
}

static void case_45_a_report_has_what_rfc_3464_asks(void **state)
{
    (void)state;
    compose();
    assert_field("To", "<a@us.test>");
    assert_field("From", "Mail Delivery System <MAILER-DAEMON@relay.test>");
    assert_field("Auto-Submitted", "auto-replied");
    assert_field("Subject", "Undelivered mail returned to sender");
    assert_null(header_find(&header, "In-Reply-To", 0));
    assert_string_equal(report->env.from, "");
    assert_true(report->env.dsn);
    assert_int_equal(report->env.rcpts[0].notify, NOTIFY_NEVER);
    assert_string_equal(report->env.rcpts[0].domain, "us.test");
    assert_int_equal(report->env.expire_ms, dsn.now_ms + 86400000);
    assert_int_equal(nparts, 3);
    assert_true(has(0, "your message could not be delivered to the address below."));
    assert_true(says("Check the address for typing mistakes."));
    assert_true(
        has(1, "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.test\r\n"));
    assert_true(has(
        1,
        "\r\n\r\nFinal-Recipient: rfc822; b@example.test\r\nAction: failed\r\n"
        "Status: 5.1.1\r\nRemote-MTA: dns; mx.example.test\r\nDiagnostic-Code: smtp; 550 5.1.1"));
    assert_false(has(1, "c@example.test"));
    assert_true(
        has(2, "Content-Type: message/rfc822\r\n\r\nReceived: by relay.test\r\nSubject: hello"));
    assert_true(has(2, "the body\r\n"));
    release();
}

static void case_45_one_group_for_each_recipient_envid_and_ret(void **state)
{
    (void)state;
    dsn.nrows = 2;
    free(about->env.rcpts[1].orcpt);
    about->env.rcpts[1].orcpt = strdup("rfc822;old@else.test");
    compose();
    assert_true(has(1, "\r\n\r\nFinal-Recipient: rfc822; b@example.test"));
    assert_true(has(1, "\r\n\r\nOriginal-Recipient: rfc822;old@else.test\r\n"
                       "Final-Recipient: rfc822; c@example.test"));
    release();
    free(about->env.envid);
    about->env.envid = strdup("QQ 314");
    about->env.ret = RET_HDRS;
    compose();
    assert_true(has(1, "Original-Envelope-Id: QQ 314\r\n"));
    assert_true(has(2, "Content-Type: text/rfc822-headers\r\n\r\nReceived: by relay.test\r\n"));
    assert_false(has(2, "the body"));
    release();
}

static void case_45_requiretls_returns_headers_only_and_asks_for_it(void **state)
{
    (void)state;
    about->env.requiretls = true;
    about->env.ret = RET_FULL;
    compose();
    assert_true(report->env.requiretls);
    assert_false(has(2, "the body"));
    release();
    about->env.requiretls = false;
    about->env.tls_optional = true;
    compose();
    assert_field("TLS-Required", "No");
    assert_true(report->env.tls_optional);
    release();
}

static void case_45_international_addresses_have_their_own_types(void **state)
{
    (void)state;
    free(about->env.rcpts[0].address);
    about->env.rcpts[0].address = strdup("j\xc3\xbcrg@example.test");
    compose();
    assert_true(has(0, "charset=utf-8"));
    assert_true(has(1, "Content-Type: message/global-delivery-status\r\n"));
    assert_true(has(1, "Final-Recipient: utf-8; j\xc3\xbcrg@example.test\r\n"));
    assert_true(report->env.eightbit);
    assert_false(report->env.utf8_header);
    release();
}

static void a_delay_says_until_when(void **state)
{
    (void)state;
    dsn.kind = DSN_DELAYED;
    why_set(&why, WHY_HOST, "4.4.1", "nobody answers");
    compose();
    assert_true(has(0, "You need not do anything"));
    release();
    why_say(&why, AUTH_NO_MECHANISM);
    compose();
    assert_false(
        has(0, "You need not do anything")); // waiting alone does not give this relay a login
    assert_true(says("Who can fix it: those who run this relay (postmaster@relay.test)."));
    release();
    why_set(&why, WHY_HOST, "4.7.4", "TLS is demanded");
    why.tls = WHY_STARTTLS_NOT_SUPPORTED;
    why.asker = "default";
    compose();
    assert_false(has(0, "You need not do anything")); // case 86
    assert_true(
        says("those who run this relay (postmaster@relay.test), by an exception for example.test"));
    assert_true(has(0, "If it cannot be delivered by Sun, 19 Nov 2023"));
    assert_true(has(1, "Action: delayed\r\nStatus: 4.7.4\r\n"));
    assert_true(has(1, "Will-Retry-Until: Sun, 19 Nov 2023"));
    assert_true(has(1, "Diagnostic-Code: X-Waxwing; TLS is demanded\r\n"));
    assert_false(has(2, "the body"));
    release();
}

static void case_86_a_report_names_who_demanded_what_failed(void **state)
{
    (void)state;
    static const struct {
        const char *asker, *demands, *other; // who else can fix it
    } all[] = {
        {"mta-sts", "That is demanded by the owner of example.test (MTA-STS).", NULL},
        {"dane", "That is demanded by the owner of example.test (DANE).", NULL},
        {"memory", "by this relay, since earlier mail", "by letting the message go"},
        {"rule", "by the rule of this relay for example.test", "by changing their rule for"},
        {"default", "example.test itself does not demand it", "by an exception for"},
        {"requiretls", "by the message itself (REQUIRETLS)", "you, by sending the message again"},
        {NULL, NULL, NULL}};
    for (int given = 0; given < 2; given++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            char other[160];
            const char *us = given ? "those who run this relay (admin@us.test), "
                                   : "those who run this relay (postmaster@relay.test), ";
            config.postmaster = given ? (char *)(uintptr_t) "admin@us.test" : NULL;
            why_say(&why, CERTIFICATE_EXPIRED, "2023-11-01");
            why_status(&why, "5.7.5");
            why_host(&why, "mx.example.test");
            why.asker = all[i].asker;
            compose();
            assert_true(says("Who can fix it: the postmaster of mx.example.test, by renewing the "
                             "certificate"));
            assert_int_equal(says("That is demanded by"), all[i].demands != NULL);
            assert_true(!all[i].demands || says(all[i].demands));
            snprintf(other, sizeof other, "; or %s%s",
                     all[i].other && strncmp(all[i].other, "by", 2) == 0 ? us : "",
                     all[i].other ? all[i].other : "");
            assert_int_equal(says(other), all[i].other != NULL);
            release();
        }
}

// Each report: who can fix it, and what is next for whoever reads it; nothing of that contradicts the rest.
static void case_536_what_is_next_fits_who_can_fix_it(void **state)
{
    (void)state;
    config.postmaster = (char *)(uintptr_t) "admin@us.test";
    why_say(&why, NULL_MX, "d.test");
    compose();
    assert_true(says("That means: The domain says by its MX record that it takes no mail at all"));
    assert_true(says("Who can fix it: you, by writing to an address at another domain."));
    assert_true(says("What you can do: Check whether example.test is spelled right."));
    assert_false(says("typing") || says("admin@us.test"));
    release();
    why_say(&why, RCPT_REFUSED, "RCPT TO");
    why_reply(&why, "550 5.7.1 blocked using zen.spamhaus.org");
    why_status(&why, "5.7.1");
    why.act = ACT_US;
    compose();
    assert_true(says("That means: The host takes no mail from this relay"));
    assert_true(says("Who can fix it: those who run this relay (admin@us.test), by having this"));
    assert_true(says("What you can do: Forward this report to those who run this relay "
                     "(admin@us.test), and ask to be told when it is fixed. Once it is fixed, send "
                     "the message again: this relay has given it up. For those who run this relay "
                     "(admin@us.test): Find the cause"));
    assert_true(has(1, "X-Waxwing-Why: rcpt-refused; act=us\r\n"));
    release();
    why_say(&why, NO_ADDRESS, "mx.d.test");
    compose();
    assert_true(says("Who can fix it: whoever runs the DNS of example.test, by giving"));
    assert_true(says("to be shown to whoever runs the DNS of example.test."));
    assert_false(says("Forward this report"));
    release();
    why_say(&why, MAIL_REFUSED, "MAIL FROM");
    why_reply(&why, "550 5.1.8 Sender address rejected: Domain not found");
    why_status(&why, "5.1.8");
    compose();
    assert_true(says("it says what is wrong with your own address or its domain, us.test."));
    release();
    why_say(&why, AUTH_REFUSED, "AUTH");
    rows[0].expired = true;
    compose(); // no fault of the receiver's
    assert_true(says("Forward this report to those who run this relay (admin@us.test), and ask"));
    assert_true(has(1, "X-Waxwing-Why: auth-refused; act=us; or=receiver-host\r\n"));
    release();
}

// One order of those who can fix it, on every line and in the fields.
static void case_554_who_can_fix_it_has_one_order(void **state)
{
    (void)state;
    config.postmaster = (char *)(uintptr_t) "admin@us.test";
    dsn.kind = DSN_DELAYED;
    rows[0].next_ms = 1700000300000;
    why_say(&why, CERTIFICATE_EXPIRED, "yesterday");
    why_host(&why, "mx.example.test");
    why.asker = "rule";
    compose();
    assert_true(says("Who can fix it: the postmaster of mx.example.test, by renewing the "
                     "certificate; or those who run this relay (admin@us.test), by changing their "
                     "rule for example.test."));
    assert_true(says("Forward this report to those who run this relay (admin@us.test): they can "
                     "tell the postmaster of mx.example.test what is wrong. You need not send the "
                     "message again"));
    assert_true(says("For those who run this relay (admin@us.test): The postmaster of "
                     "mx.example.test has to renew it."));
    assert_true(has(0, "The next attempt is at Tue, 14 Nov 2023 22:18:20"));
    assert_true(has(1, "X-Waxwing-Why: certificate-expired; act=receiver-host; or=us\r\n"));
    assert_true(has(1, "X-Waxwing-TLS-Result: certificate-expired\r\n"));
    release();
    rows[0].next_ms = dsn.now_ms + 2000;
    why_say(&why, TLSA_MISMATCH);
    why.asker = "dane";
    compose();
    assert_true(says("Who can fix it: the postmaster of the mail host of example.test, by"));
    assert_true(says("Its name in the log: tlsa-mismatch (kind: tls; in TLS reports: "
                     "tlsa-invalid)"));
    assert_true(says("The next attempt follows within a minute."));
    assert_true(says("they can find out whether it is an attack"));
    release();
    dsn.kind = DSN_FAILED;
    why_say(&why, REQUIRETLS_NO_NAME, "mx.example.test");
    why.asker = "requiretls";
    compose();
    assert_true(says("Who can fix it: you, by sending the message again without REQUIRETLS; or "
                     "whoever looks after mail for example.test, by setting up"));
    assert_true(says("send it again without REQUIRETLS"));
    assert_true(has(1, "X-Waxwing-Why: requiretls-no-name; act=sender; or=receiver\r\n"));
    release();
}

// Their first 30 characters, wherever lines are broken.
static bool begin_alike(const char *a, const char *b)
{
    for (int same = 0; same < 30; same++) {
        a += strspn(a, " \r\n"), b += strspn(b, " \r\n");
        if (!*a || *a++ != *b++)
            return false;
    }
    return true;
}

// Every reason, delayed and given up: what the sender reads is not what whoever runs the relay
// reads, no word is left to be filled in, and what is given up is said to be.
static void case_567_each_report_has_a_text_for_each_of_its_readers(void **state)
{
    (void)state;
    for (int i = 1; i < (int)reason_count(); i++)
        for (int kind = DSN_FAILED; kind <= DSN_DELAYED; kind++) {
            why_fill(&why, (enum reason)i, "it failed");
            dsn.kind = (enum dsn_kind)kind;
            compose();
            const char *can = strstr(parts[0], "What you can do: ");
            const char *us = strstr(parts[0], "For those who run this relay (");
            assert_non_null(can);
            assert_false(has(0, "OPERATOR") || has(0, "HOST ") || has(0, "SENDER-DOMAIN"));
            assert_int_equal(says("does not try again."), kind == DSN_FAILED);
            assert_int_equal(says("it comes back to you."), kind == DSN_DELAYED);
            assert_false(us && begin_alike(strstr(us, "): ") + 3, strstr(can, ": ") + 2));
            release();
        }
}

static void case_555_a_path_of_ours_is_not_for_senders(void **state)
{
    (void)state;
    why_set(&why, WHY_OURS, "4.3.5",
            "the file (/etc/waxwing/secret) is /no/good: see /var/x, a / b");
    compose();
    assert_false(has(0, "/etc") || has(0, "/no") || has(0, "/var"));
    assert_false(has(1, "/etc") || has(1, "/no") || has(1, "/var"));
    assert_true(
        says("the file ([its path is in the log]) is [its path is in the log]: see [its path is in "
             "the log], a / b"));
    release();
}

static void case_556_a_lost_message_is_to_be_sent_again_by_its_reader(void **state)
{
    (void)state;
    why_say(&why, STORED_BODY_GONE);
    compose();
    assert_true(says("This relay has lost the message: send it again now."));
    release();
    dsn.content = NULL;
    compose();
    assert_int_equal(nparts, 2);
    release();
}

static void case_557_a_report_says_which_message_it_is_about(void **state)
{
    (void)state;
    end(state);
    char header_of[900] = "Message-ID: <1\x01\xff@us.test>\r\nSubject: hello\r\n  world ";
    memset(header_of + strlen(header_of), 'x', 500);
    strcat(header_of, "\r\n\r\n");
    letter("a@us.test", header_of, "body\r\n");
    compose();
    assert_true(has(0, "    Message-ID: <1??@us.test>\r\n"));
    assert_true(says(" Subject: hello world xxx"));
    assert_true(has(0, "...\r\n"));
    assert_true(has(0, "    Id in the log of this relay: "));
    release();
}

// Of a site that is left alone: what shut it is what is to be mended.
static void case_558_what_shut_a_site_is_what_is_to_be_mended(void **state)
{
    (void)state;
    dsn.kind = DSN_DELAYED;
    rows[0].unmet = true;
    why_say(&why, SITE_SHUT, "the host refused AUTH");
    why_reply(&why, "535 5.7.8 no");
    why.behind = REASON_AUTH_REFUSED;
    why.act = ACT_US;
    compose();
    assert_true(says("It said then: 535 5.7.8 no"));
    assert_true(says("Its name in the log: site-shut, caused by auth-refused (kind: login)"));
    assert_true(says("Check auth of next hop")); // what to look at is the login
    release();
}

static void what_expired_never_claims_class_5(void **state)
{
    (void)state;
    rows[0].expired = true;
    why_set(&why, WHY_HOST, "4.4.1", "nobody answers");
    compose();
    assert_true(has(1, "Action: failed\r\nStatus: 4.4.7\r\n"));
    assert_true(says("This relay has tried for as long as a message may wait."));
    release();
}

static void hostile_replies_stay_inside_their_field(void **state)
{
    (void)state;
    char evil[400];
    memset(evil, 'x', sizeof evil - 1);
    evil[sizeof evil - 1] = '\0';
    memcpy(evil, "550 a\x01\xff b ", 10);
    memcpy(why.reply, evil, sizeof evil);
    compose();
    for (const char *p = parts[1]; p; p = strstr(p + 1, "\r\n")) {
        const char *stop = strstr(p + 2, "\r\n");
        assert_true(!stop || stop - p < 400);
    }
    assert_true(has(1, "Diagnostic-Code: smtp; 550 a?? b"));
    assert_false(report->env.eightbit);
    release();
}

static void the_postmaster_gets_a_header_copy_of_what_was_dropped(void **state)
{
    (void)state;
    dsn.postmaster = "admin@us.test";
    compose();
    assert_field("To", "<admin@us.test>");
    assert_string_equal(report->env.rcpts[0].address, "admin@us.test");
    assert_false(has(2, "the body"));
    release();
}

static void a_large_message_comes_back_as_its_header(void **state)
{
    (void)state;
    end(state);
    char *big = malloc(DSN_RETURN_MAX + 1000);
    memset(big, 'x', DSN_RETURN_MAX + 999);
    big[DSN_RETURN_MAX + 999] = '\0';
    letter("a@us.test", "Subject: big\r\n\r\n", big);
    compose();
    assert_true(has(2, "text/rfc822-headers"));
    release();
    about->env.ret = RET_FULL;
    compose();
    assert_true(has(2, "message/rfc822"));
    assert_true(report->body.len > DSN_RETURN_MAX);
    release();
    free(big);
}

static void case_124_a_delay_says_whether_somebody_must_act(void **state)
{
    (void)state;
    dsn.kind = DSN_DELAYED;
    why_say(&why, RCPT_DEFERRED, "RCPT TO");
    compose();
    assert_non_null(strstr(parts[0], "You need not do anything"));
    assert_null(strstr(parts[0], "protected"));
    release();
    why_set(&why, WHY_HOST, "4.7.5", "the certificate has expired");
    why.tls = WHY_CERTIFICATE_EXPIRED;
    compose();
    assert_null(strstr(parts[0], "You need not do anything"));
    assert_true(says("somebody has to fix something first"));
    release();
}

static void case_124_a_report_of_success_names_host_and_reply(void **state)
{
    (void)state;
    dsn.kind = DSN_RELAYED;
    rows[0].why = NULL;
    rows[0].host = "mx.example.test";
    rows[0].reply = "250 2.0.0 queued as 4711";
    compose();
    assert_true(has(0, "handed on to the host mx.example.test,"));
    assert_true(has(0, "It said: 250 2.0.0 queued as 4711"));
    assert_true(has(1, "Remote-MTA: dns; mx.example.test\r\n"));
    assert_true(has(1, "Diagnostic-Code: smtp; 250 2.0.0 queued as 4711\r\n"));
    release();
    rows[0].host = rows[0].reply = NULL;
    compose();
    assert_true(has(1, "Action: relayed\r\nStatus: 2.0.0\r\n"));
    assert_false(has(1, "Diagnostic-Code"));
    release();
}

static void case_124_an_operators_bounce_says_so(void **state)
{
    (void)state;
    why_set(&why, WHY_MESSAGE, "5.7.1", "the operator of this relay returned the message");
    rows[0].returned = true;
    compose();
    assert_true(has(0, "It was the operator of this relay who took the message out"));
    assert_false(has(0, "receiving system turned"));
    release();
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(case_45_a_report_has_what_rfc_3464_asks),
        STORY(case_45_one_group_for_each_recipient_envid_and_ret),
        STORY(case_45_requiretls_returns_headers_only_and_asks_for_it),
        STORY(case_45_international_addresses_have_their_own_types),
        STORY(a_delay_says_until_when),
        STORY(case_86_a_report_names_who_demanded_what_failed),
        STORY(case_536_what_is_next_fits_who_can_fix_it),
        STORY(case_554_who_can_fix_it_has_one_order),
        STORY(case_567_each_report_has_a_text_for_each_of_its_readers),
        STORY(case_555_a_path_of_ours_is_not_for_senders),
        STORY(case_556_a_lost_message_is_to_be_sent_again_by_its_reader),
        STORY(case_557_a_report_says_which_message_it_is_about),
        STORY(case_558_what_shut_a_site_is_what_is_to_be_mended),
        STORY(what_expired_never_claims_class_5),
        STORY(hostile_replies_stay_inside_their_field),
        STORY(the_postmaster_gets_a_header_copy_of_what_was_dropped),
        STORY(a_large_message_comes_back_as_its_header),
        STORY(case_124_a_delay_says_whether_somebody_must_act),
        STORY(case_124_a_report_of_success_names_host_and_reply),
        STORY(case_124_an_operators_bounce_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
