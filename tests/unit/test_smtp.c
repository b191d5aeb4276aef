// SPDX-License-Identifier: ISC
// The SMTP grammar, both directions: commands, addresses, parameters, XFORWARD, replies,
// extensions.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "relay/smtp/command.h"
#include "relay/smtp/reply.h"

// ---- commands

static void verbs_are_told_in_any_case(void **state)
{
    (void)state;
    struct smtp_command c;
    smtp_command_parse(span_text("mAiL FROM:<>"), &c);
    assert_int_equal(c.verb, SMTP_MAIL);
    assert_true(span_is(c.args, "FROM:<>"));
    smtp_command_parse(span_text("QUIT  "), &c);
    assert_int_equal(c.verb, SMTP_QUIT);
    assert_int_equal(c.args.n, 0);
    smtp_command_parse(span_text("MAILX"), &c);
    assert_int_equal(c.verb, SMTP_UNKNOWN);
    smtp_command_parse(span_text(""), &c);
    assert_int_equal(c.verb, SMTP_UNKNOWN);
    smtp_command_parse(span_text("?"), &c);
    assert_int_equal(c.verb, SMTP_UNKNOWN);
}

static void good_path(const char *text, const char *address, const char *domain)
{
    struct smtp_path path;
    struct span rest = span_text(text);
    struct why why;
    if (smtp_path_parse(&rest, &path, &why) < 0)
        fail_msg("%s: %s", text, why.text);
    assert_string_equal(path.address, address);
    assert_string_equal(path.domain, domain);
    assert_int_equal(rest.n, 0);
    smtp_path_free(&path);
}

static void bad_path(const char *text)
{
    struct smtp_path path;
    struct span rest = span_text(text);
    struct why why;
    if (smtp_path_parse(&rest, &path, &why) == 0)
        fail_msg("%s was taken as %s", text, path.address);
    assert_string_equal(why.status, "5.1.3");
    smtp_path_free(&path);
}

static void case_40_paths(void **state)
{
    (void)state;
    good_path("<>", "", "");
    good_path("<Postmaster>", "postmaster", "");
    good_path("<User.Name+tag@Example.ORG>", "User.Name+tag@Example.ORG", "example.org");
    good_path("<\"quo\\\" > ted\"@example.org>", "\"quo\\\" > ted\"@example.org", "example.org");
    good_path("<@a.example,@b.example:x@example.org>", "x@example.org", "example.org");
    good_path("<@[IPv6:::1]:x@example.org>", "x@example.org", "example.org");
    good_path("<x@[192.0.2.1]>", "x@[192.0.2.1]", "[192.0.2.1]");
    good_path("<x@[IPv6:2001:DB8::1]>", "x@[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]");
    good_path("<x@b\xc3\xbc"
              "cher.example>",
              "x@b\xc3\xbc"
              "cher.example",
              "xn--bcher-kva.example");
    good_path("<!#$%&'*+-/=?^_`{|}~@example.org>", "!#$%&'*+-/=?^_`{|}~@example.org",
              "example.org");
}

static void case_40_what_is_no_path(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "x@example.org",  "<x@example.org",     "<x>",
        "<@>",        "<x@>",           "<.x@example.org>",   "<x.@example.org>",
        "<x..y@e.x>", "<x y@e.x>",      "<x@e..x>",           "<x@-e.x>",
        "<x@e.x@y>",  "<\"x@e.x>",      "<\"x\"y@e.x>",       "<x@[192.0.2.256]>",
        "<x@[junk]>", "<x@[192.0.2.1>", "<@a.example x@e.x>", "<@a.example,:x@e.x>",
        "<\xff@e.x>", "<x@\xff.x>",     "<\xc0\xaf@e.x>",     "<\xed\xa0\x80@e.x>",
        "<(c)x@e.x>", "<x@e x>",        "<\"a\001b\"@e.x>",   "<x@a_b!.example>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        bad_path(bad[i]);
    char longest[600];
    memset(longest, 'x', sizeof longest);
    longest[0] = '<';
    memcpy(longest + 500, "@example.org>", 14);
    bad_path(longest);
    memset(longest, 'x', sizeof longest); // over 64 octets: rewritten bounce addresses are
    longest[0] = '<';
    memcpy(longest + 150, "@example.org>", 14);
    struct smtp_path path;
    struct span rest = span_text(longest);
    struct why why;
    assert_int_equal(smtp_path_parse(&rest, &path, &why), 0);
    smtp_path_free(&path);
}

static void mail_parameters(void **state)
{
    (void)state;
    struct smtp_mail m;
    struct why why;
    assert_int_equal(smtp_mail_parse(span_text("FROM:<a@b.example> SIZE=12 BODY=8BITMIME SMTPUTF8 "
                                               "RET=full ENVID=x+3Dy AUTH=a+40b REQUIRETLS"),
                                     &m, &why),
                     0);
    assert_true(m.has_size && m.smtputf8 && m.requiretls);
    assert_int_equal(m.size, 12);
    assert_int_equal(m.body, BODY_8BITMIME);
    assert_int_equal(m.ret, RET_FULL);
    assert_string_equal(m.envid, "x=y");
    smtp_mail_free(&m);
    assert_int_equal(smtp_mail_parse(span_text("from: <>"), &m, &why), 0);
    smtp_mail_free(&m);
    static const struct {
        const char *args, *status;
    } bad[] = {
        {"<a@b.example>", "5.5.4"},
        {"TO:<a@b.example>", "5.5.4"},
        {"FROM:a@b.example", "5.1.7"},
        {"FROM:<a>", "5.1.7"},
        {"FROM:<postmaster>", "5.1.7"},
        {"FROM:<a@b.example>SIZE=1", "5.1.7"},
        {"FROM:<a@b.example> SIZE=", "5.5.4"},
        {"FROM:<a@b.example> SIZE=-1", "5.5.4"},
        {"FROM:<a@b.example> SIZE=99999999999999999999", "5.5.4"},
        {"FROM:<a@b.example> SIZE=1 SIZE=2", "5.5.4"},
        {"FROM:<a@b.example> BODY=BINARYMIME", "5.5.4"},
        {"FROM:<a@b.example> RET=HALF", "5.5.4"},
        {"FROM:<a@b.example> ENVID=", "5.5.4"},
        {"FROM:<a@b.example> ENVID=a+0D+0Ab", "5.5.4"}, // no line ends into a DSN
        {"FROM:<a@b.example> ENVID=a+4", "5.5.4"},
        {"FROM:<a@b.example> REQUIRETLS=1", "5.5.4"},
        {"FROM:<a@b.example> WHAT", "5.5.4"},
        {"FROM:<\xc3\xb6@b.example>", "5.6.7"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(smtp_mail_parse(span_text(bad[i].args), &m, &why), -1);
        assert_string_equal(why.status, bad[i].status);
        assert_int_equal(m.unknown, strstr(bad[i].args, "WHAT") != NULL);
        smtp_mail_free(&m);
    }
}

static void rcpt_parameters(void **state)
{
    (void)state;
    struct smtp_rcpt r;
    struct why why;
    assert_int_equal(smtp_rcpt_parse(span_text("TO:<a@b.example> notify=failure,DELAY "
                                               "ORCPT=rfc822;c+2Bd@e.example"),
                                     &r, &why),
                     0);
    assert_int_equal(r.notify, NOTIFY_FAILURE | NOTIFY_DELAY);
    assert_string_equal(r.orcpt, "rfc822;c+d@e.example");
    smtp_rcpt_free(&r);
    assert_int_equal(smtp_rcpt_parse(span_text("TO:<a@b.example> ORCPT=utf-8;+C3+B6@x"), &r, &why),
                     0);
    assert_null(r.orcpt);
    smtp_rcpt_free(&r);
    static const char *const bad[] = {
        "TO:<>",
        "TO:<a>",
        "TO:<a@b.example> NOTIFY=NEVER,DELAY",
        "TO:<a@b.example> NOTIFY=",
        "TO:<a@b.example> NOTIFY=DELAY,",
        "TO:<a@b.example> NOTIFY=DELAY NOTIFY=DELAY",
        "TO:<a@b.example> ORCPT=x",
        "TO:<a@b.example> ORCPT=rfc822;a+0Ab",
        "TO:<a@b.example> SIZE=1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(smtp_rcpt_parse(span_text(bad[i]), &r, &why), -1);
        smtp_rcpt_free(&r);
    }
}

// What Postfix sends with SMTPUTF8 mail (RFC 3461 section 4: +XX stands for any octet).
static void case_100_an_original_recipient_in_utf8(void **state)
{
    (void)state;
    struct smtp_rcpt r;
    struct smtp_mail m;
    struct why why;
    assert_int_equal(
        smtp_rcpt_parse(span_text("TO:<j\xc3\xb6rg@b.example> ORCPT=rfc822;j+C3+B6rg@b.example"),
                        &r, &why),
        0);
    assert_string_equal(r.orcpt, "rfc822;j\xc3\xb6rg@b.example");
    smtp_rcpt_free(&r);
    static const char *const bad[] = {"TO:<a@b.example> ORCPT=rfc822;j\xc3\xb6rg@b.example",
                                      "TO:<a@b.example> ORCPT=rfc822;j+C3rg@b.example",
                                      "TO:<a@b.example> ORCPT=rfc822;j+FFrg@b.example",
                                      "TO:<a@b.example> ORCPT=rfc822;j+C3+0D+0Arg@b.example",
                                      "TO:<a@b.example> ORCPT=rfc822;j+7Frg@b.example",
                                      "TO:<a@b.example> ORCPT=rfc822;j+c3+b6rg@b.example"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(smtp_rcpt_parse(span_text(bad[i]), &r, &why), -1);
    assert_int_equal(smtp_mail_parse(span_text("FROM:<a@b.example> ENVID=j+C3+B6rg"), &m, &why),
                     -1);
}

static void bdat_and_helo(void **state)
{
    (void)state;
    uint64_t n;
    bool last;
    struct why why;
    char helo[MAX_DOMAIN + 1];
    assert_int_equal(smtp_bdat_parse(span_text("0 last"), &n, &last, &why), 0);
    assert_true(n == 0 && last);
    assert_int_equal(smtp_bdat_parse(span_text("86400"), &n, &last, &why), 0);
    assert_true(n == 86400 && !last);
    assert_int_equal(smtp_bdat_parse(span_text("1 FIRST"), &n, &last, &why), -1);
    assert_int_equal(smtp_bdat_parse(span_text("x LAST"), &n, &last, &why), -1);
    assert_int_equal(smtp_bdat_parse(span_text(""), &n, &last, &why), -1);
    assert_int_equal(smtp_bdat_parse(span_text("99999999999999999999999 LAST"), &n, &last, &why),
                     -1);
    assert_int_equal(smtp_helo_parse(span_text("[192.0.2.1]"), helo, &why), 0);
    assert_int_equal(smtp_helo_parse(span_text("two words"), helo, &why), -1);
    assert_int_equal(smtp_helo_parse(span_text(""), helo, &why), -1);
}

static void xforward_attributes(void **state)
{
    (void)state;
    struct smtp_forward f = {0};
    struct why why;
    assert_int_equal(
        smtp_forward_parse(span_text("NAME=spike.example ADDR=192.0.2.9 PROTO=ESMTP"), &f, &why),
        0);
    assert_int_equal(smtp_forward_parse(span_text("HELO=a+2Bb SOURCE=REMOTE"), &f, &why), 0);
    assert_true(f.given && f.has_client && !f.local);
    assert_string_equal(f.helo, "a+b");
    assert_int_equal(((struct sockaddr_in *)&f.addr)->sin_addr.s_addr, inet_addr("192.0.2.9"));
    assert_int_equal(smtp_forward_parse(span_text("ADDR=IPv6:2001:db8::1 SOURCE=LOCAL"), &f, &why),
                     0);
    assert_true(f.local && f.addr.ss_family == AF_INET6);
    assert_int_equal(smtp_forward_parse(span_text("ADDR=[UNAVAILABLE]"), &f, &why), 0);
    assert_false(f.has_client);
    static const char *const bad[] = {"",      "ADDR",       "ADDR=300.1.1.1", "SOURCE=MOON",
                                      "WHO=x", "HELO=a+0Ab", "NAME=a+20b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(smtp_forward_parse(span_text(bad[i]), &f, &why), -1);
    // XCLIENT names a client, and cannot make it a local one.
    struct smtp_forward client = {0};
    assert_int_equal(
        smtp_xclient_parse(span_text("ADDR=192.0.2.9 LOGIN=joe DESTPORT=25 PORT=1"), &client, &why),
        0);
    assert_true(client.has_client && !client.local);
    assert_int_equal(smtp_xclient_parse(span_text("SOURCE=LOCAL"), &client, &why), -1);
    assert_int_equal(smtp_forward_parse(span_text("LOGIN=joe"), &f, &why), -1);
}

// ---- replies

static enum smtp_reply_state feed(struct smtp_reply *r, const char *text, size_t *used)
{
    struct why why;
    return smtp_reply_feed(r, span_text(text), used, &why);
}

static void replies_in_pieces(void **state)
{
    (void)state;
    static const char text[] = "250-5.1.0 one\r\n250 5.1.0 two\r\n354 next\r\n";
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        struct smtp_reply r;
        struct why why;
        size_t used, more = 0;
        smtp_reply_init(&r);
        enum smtp_reply_state s = smtp_reply_feed(&r, span_of(text, cut), &used, &why);
        if (s == SMTP_REPLY_MORE)
            s = smtp_reply_feed(&r, span_of(text + used, sizeof text - 1 - used), &more, &why);
        assert_int_equal(s, SMTP_REPLY_DONE);
        assert_int_equal(used + more, 30);
        assert_int_equal(r.code, 250);
        assert_int_equal(r.lines, 2);
        assert_true(span_is(smtp_reply_line(&r, 1), "5.1.0 two"));
        assert_int_equal(smtp_reply_line(&r, 2).n, 0);
        char line[64], status[12];
        assert_string_equal(smtp_reply_text(&r, line, sizeof line), "250 5.1.0 one 5.1.0 two");
        assert_string_equal(smtp_reply_status(&r, status), "2.0.0"); // class 5 does not fit 250
        smtp_reply_free(&r);
    }
}

static void case_41_a_reply_whose_code_changes_is_an_error(void **state)
{
    (void)state;
    static const char *const bad[] = {"250-a\r\n550 b\r\n", "hello\r\n", "25\r\n",    "2500 x\r\n",
                                      "650 x\r\n",          "\r\n",      "1 2 3\r\n", "250_x\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct smtp_reply r;
        size_t used;
        smtp_reply_init(&r);
        assert_int_equal(feed(&r, bad[i], &used), SMTP_REPLY_BAD);
        smtp_reply_free(&r);
    }
}

static void case_56_of_a_long_reply_the_code_counts_and_the_text_is_cut(void **state)
{
    (void)state;
    static char line[4 * MAX_REPLY_LINE], text[MAX_REPLY + 100];
    struct smtp_reply r;
    size_t used;
    smtp_reply_init(&r);
    memset(line, 'x', sizeof line - 3);
    memcpy(line, "550 5.7.1 ", 10);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    assert_int_equal(feed(&r, line, &used), SMTP_REPLY_DONE);
    assert_int_equal(used, sizeof line - 1);
    assert_int_equal(r.code, 550);
    assert_string_equal(r.status, "5.7.1");
    smtp_reply_text(&r, text, sizeof text);
    assert_int_equal(strlen(text), MAX_REPLY_LINE + strlen(" [...]"));
    assert_string_equal(text + strlen(text) - 7, "x [...]");
    smtp_reply_text(&r, text, 64); // cut to fit says so as well
    assert_int_equal(strlen(text), 63);
    assert_string_equal(text + 56, "x [...]");
    smtp_reply_free(&r);
}

static void case_56_of_many_lines_the_first_hundred_are_kept(void **state)
{
    (void)state;
    struct smtp_reply r;
    size_t used;
    smtp_reply_init(&r);
    for (int i = 0; i < 5 * MAX_REPLY_LINES; i++)
        assert_int_equal(feed(&r, "451-x\r\n", &used), SMTP_REPLY_MORE);
    assert_int_equal(feed(&r, "451 4.7.1 end\r\n", &used), SMTP_REPLY_DONE);
    assert_int_equal(r.code, 451);
    assert_string_equal(r.status, "4.7.1");
    assert_int_equal(r.lines, MAX_REPLY_LINES);
    assert_int_equal(smtp_reply_line(&r, MAX_REPLY_LINES).n, 0);
    smtp_reply_free(&r);
}

static void case_56_long_lines_of_all_numbers_fit(void **state)
{
    (void)state;
    static char line[MAX_REPLY_LINE + 3];
    for (size_t n = 4; n < MAX_REPLY_LINE; n += 61) {
        struct smtp_reply r;
        size_t used;
        smtp_reply_init(&r);
        memset(line, 'x', n);
        memcpy(line, "550-", 4);
        memcpy(line + n, "\r\n", 3);
        for (int i = 0; i < MAX_REPLY_LINES; i++)
            assert_int_equal(feed(&r, line, &used), SMTP_REPLY_MORE);
        assert_int_equal(r.lines, MAX_REPLY_LINES);
        assert_true(r.text.len <= MAX_REPLY);
        smtp_reply_free(&r);
    }
}

static void a_reply_without_end_is_given_up(void **state)
{
    (void)state;
    struct smtp_reply r;
    size_t used, n = 0;
    smtp_reply_init(&r);
    while (feed(&r, "250-x\r\n", &used) == SMTP_REPLY_MORE)
        n += used;
    assert_in_range(n, MAX_REPLY_BYTES - 7, MAX_REPLY_BYTES);
    smtp_reply_free(&r);
}

static void case_56_a_refusal_without_a_separator_is_heard_a_success_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } heard[] = {{"550denied\r\n", "550 denied"},
                 {"421\tbusy\r\n", "421  busy"},
                 {"550-5.7.1 no\r\n550.\r\n", "550 5.7.1 no ."},
                 {"451_later\n", "451 _later"}};
    static const char *const not [] = {"250ok\r\n", "354go\r\n", "220\tx\r\n", "5501 x\r\n"};
    struct smtp_reply r;
    size_t used;
    char text[64];
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++) {
        smtp_reply_init(&r);
        assert_int_equal(feed(&r, heard[i].text, &used), SMTP_REPLY_DONE);
        assert_string_equal(smtp_reply_text(&r, text, sizeof text), heard[i].told);
        smtp_reply_free(&r);
    }
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++) {
        smtp_reply_init(&r);
        assert_int_equal(feed(&r, not [i], &used), SMTP_REPLY_BAD);
        smtp_reply_free(&r);
    }
}

static void case_55_a_refusal_without_its_line_end_is_heard_at_the_end(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code; // 0: nothing is heard
    } ends[] = {{"550 5.7.1 go away", 550},
                {"550-5.7.1 go\r\n", 550},
                {"550-a\r\n550", 550},
                {"250 ok", 0},
                {"250-a\r\n", 0},
                {"", 0},
                {"55", 0},
                {"550-a\r\n250 b", 0}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct smtp_reply r;
        size_t used;
        smtp_reply_init(&r);
        assert_int_equal(feed(&r, ends[i].text, &used), SMTP_REPLY_MORE);
        assert_int_equal(smtp_reply_end(&r), ends[i].code != 0);
        if (ends[i].code)
            assert_int_equal(r.code, ends[i].code);
        smtp_reply_free(&r);
    }
}

static void extensions_are_read(void **state)
{
    (void)state;
    struct smtp_reply r;
    struct smtp_extensions x;
    size_t used;
    char status[12];
    smtp_reply_init(&r);
    assert_int_equal(
        feed(&r,
             "250-mx.example hello\r\n250-size 1000\r\n250-STARTTLS\r\n250-PIPELINING\r\n"
             "250-AUTH PLAIN XOAUTH2\r\n250-AUTH=LOGIN\r\n250-LIMITS RCPTMAX=7 MAILMAX=x\r\n"
             "250-8BITMIME\r\n250-X-UNKNOWN\r\n250 DSN\r\n",
             &used),
        SMTP_REPLY_DONE);
    smtp_extensions_read(&r, &x);
    assert_string_equal(x.name, "mx.example");
    assert_true(x.size && x.size_max == 1000 && x.starttls && x.pipelining && x.dsn);
    assert_true(x.auth_plain && x.auth_login && x.auth_xoauth2 && x.eightbitmime);
    assert_false(x.chunking || x.smtputf8 || x.requiretls || x.auth_oauthbearer);
    assert_int_equal(x.limit_rcpt, 7);
    assert_int_equal(x.limit_mail, 0);
    smtp_reply_free(&r);
    assert_int_equal(smtp_status_parse(span_text("5.7.30 x"), status), 0);
    assert_string_equal(status, "5.7.30");
    assert_int_equal(smtp_status_parse(span_text("5.7.1234"), status), -1);
    assert_int_equal(smtp_status_parse(span_text("5.7.1x"), status), -1);
    assert_int_equal(smtp_status_parse(span_text("3.7.1"), status), -1);
    assert_int_equal(smtp_status_parse(span_text("5.07.1"), status), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_are_told_in_any_case),
        cmocka_unit_test(case_40_paths),
        cmocka_unit_test(case_40_what_is_no_path),
        cmocka_unit_test(mail_parameters),
        cmocka_unit_test(rcpt_parameters),
        cmocka_unit_test(case_100_an_original_recipient_in_utf8),
        cmocka_unit_test(bdat_and_helo),
        cmocka_unit_test(xforward_attributes),
        cmocka_unit_test(replies_in_pieces),
        cmocka_unit_test(case_41_a_reply_whose_code_changes_is_an_error),
        cmocka_unit_test(case_56_of_a_long_reply_the_code_counts_and_the_text_is_cut),
        cmocka_unit_test(case_56_of_many_lines_the_first_hundred_are_kept),
        cmocka_unit_test(case_56_long_lines_of_all_numbers_fit),
        cmocka_unit_test(a_reply_without_end_is_given_up),
        cmocka_unit_test(case_56_a_refusal_without_a_separator_is_heard_a_success_is_not),
        cmocka_unit_test(case_55_a_refusal_without_its_line_end_is_heard_at_the_end),
        cmocka_unit_test(extensions_are_read),
    };
    return cmocka_run_group_tests_name("smtp", tests, NULL, NULL);
}
