// SPDX-License-Identifier: ISC
// Notifications as the world writes them, and what only looks like one.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/mem.h"
#include "relay/returns/mime.h"
#include "relay/returns/notice.h"

#define REPORT(groups)                                                                             \
    "From: MAILER-DAEMON@mx.example\r\n"                                                           \
    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"b (1)\"\r\n\r\n" \
    "for old readers\r\n--b (1)\r\n\r\nIt failed.\r\n"                                             \
    "--b (1)  \r\nContent-Type: message/delivery-status\r\n\r\n"                                   \
    "Reporting-MTA: dns; mx.example\r\n\r\n" groups "\r\n--b (1)\r\n"                              \
    "Content-Type: text/rfc822-headers\r\n\r\nFrom: App <app@example.org>\r\nSubject: x\r\n"       \
    "--b (1)--\r\nFinal-Recipient: rfc822; evil@x\r\nAction: failed\r\n"
#define GONE                                                                                       \
    "Final-Recipient: rfc822; Gone@dest.example\r\nAction: Failed\r\nStatus: 5.1.1 (no such)\r\n"  \
    "Remote-MTA: dns; mx.dest.example\r\n"                                                         \
    "Diagnostic-Code: smtp; 550 5.1.1\r\n no such\tuser\x07 here\r\n"

static bool read_text(const char *text, const char *recipient, struct notice *out)
{
    struct header h;
    struct why why;
    size_t used;
    assert_int_equal(header_parse(&h, span_text(text), &used, &why), 0);
    // Exactly as much memory as there are bytes, so that a read behind them is seen.
    size_t n = strlen(text) - used;
    char *body = mem_new(n);
    memcpy(body, text + used, n);
    bool is = notice_read(&h, span_of(body, n), recipient, out);
    free(body);
    header_free(&h);
    return is;
}

static void a_report_says_what_became_of_it(void **state)
{
    (void)state;
    struct notice n;
    assert_true(read_text(REPORT(GONE), "gone@dest.example", &n));
    assert_int_equal(n.action, NOTICE_FAILED);
    assert_string_equal(n.status, "5.1.1");
    assert_string_equal(n.host, "mx.dest.example");
    assert_string_equal(n.reply, "550 5.1.1 no such user here");
    assert_string_equal(n.from, "app@example.org");
    struct why why;
    notice_why(&n, &why);
    assert_string_equal(why.status, "5.1.1");
    assert_string_equal(why.host, "mx.dest.example");
    assert_string_equal(why.reply, "550 5.1.1 no such user here");
    assert_int_equal(why.scope, WHY_RECIPIENT);
}

static void one_group_is_about_whom_it_came_back_for(void **state)
{
    (void)state;
    struct notice n;
    // The address was forwarded: the report names another.
    assert_true(read_text(REPORT(GONE), "alias@first.example", &n));
    assert_true(read_text(REPORT("Final-Recipient: rfc822; <a@b.example>\r\nAction: delayed\r\n"),
                          "x@y.example", &n));
    assert_int_equal(n.action, NOTICE_DELAYED);
    assert_string_equal(n.status, "4.0.0");
    assert_string_equal(n.host, "mx.example"); // who reports
    struct why why;
    notice_why(&n, &why);
    assert_false(why_permanent(&why));
}

static void of_several_groups_the_named_one_counts_or_none(void **state)
{
    (void)state;
    struct notice n;
    const char *mixed =
        REPORT("Final-Recipient: rfc822; a@b.example\r\nAction: delivered\r\n\r\n" GONE);
    assert_true(read_text(mixed, "gone@DEST.example", &n));
    assert_int_equal(n.action, NOTICE_FAILED);
    assert_true(read_text(mixed, "a@b.example", &n));
    assert_int_equal(n.action, NOTICE_DELIVERED);
    assert_string_equal(n.status, "2.0.0");
    assert_false(read_text(mixed, "list@first.example", &n));
    assert_true(read_text(REPORT("Original-Recipient: rfc822;list@first.example\r\n" GONE
                                 "\r\nFinal-Recipient: rfc822; z@z.example\r\nAction: relayed\r\n"),
                          "list@first.example", &n));
    assert_int_equal(n.action, NOTICE_FAILED);
}

static void status_and_action_agree(void **state)
{
    (void)state;
    struct notice n;
    assert_true(
        read_text(REPORT("Final-Recipient: x;y\r\nAction: failed\r\nStatus: 4.4.7\r\n"), "y", &n));
    assert_string_equal(n.status, "4.4.7");
    assert_true(
        read_text(REPORT("Final-Recipient: x;y\r\nAction: failed\r\nStatus: 2.0.0\r\n"), "y", &n));
    assert_string_equal(n.status, "5.0.0");
    assert_true(read_text(REPORT("Final-Recipient: x;y\r\nStatus: 5.7.1\r\n"), "y", &n));
    assert_int_equal(n.action, NOTICE_FAILED);
    assert_false(read_text(REPORT("Final-Recipient: x;y\r\nAction: lost\r\n"), "y", &n));
    assert_false(
        read_text(REPORT("Final-Recipient: x;y\r\nAction: lost\r\nStatus: 9.9.9\r\n"), "y", &n));
}

static void what_is_no_report_is_none(void **state)
{
    (void)state;
    struct notice n;
    static const char *const none[] = {
        "From: a@b.example\r\nSubject: Out of office\r\n\r\nI am away.\r\n" GONE,
        "Content-Type: message/delivery-status; x=y; \r\nContent-Transfer-Encoding: "
        "base64\r\n\r\n" GONE,
        "Content-Type: multipart/report\r\n\r\n" GONE,
        "Content-Type: multipart/report; boundary=\r\n\r\n--\r\n\r\n" GONE,
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
        "message/rfc822\r\n\r\n"
        "Content-Type: message/delivery-status\r\n\r\n" GONE "--b--\r\n", // somebody forwards one
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/disposition-notification\r\n\r\n" GONE "--b--\r\n",
        "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (read_text(none[i], "gone@dest.example", &n))
            fail_msg("%s", none[i]);
}

static void broken_reports_are_read_as_far_as_they_go(void **state)
{
    (void)state;
    struct notice n;
    // Cut off behind what counts; lines that are no fields between the groups; a multipart inside another.
    assert_true(read_text("Content-Type: Multipart/MIXED; charset=x; BOUNDARY=o\r\n\r\n--o\r\n"
                          "Content-Type: multipart/report;\r\n boundary=i\r\n\r\n--i\r\n"
                          "Content-Type: message/global-delivery-status\r\n\r\n"
                          "this is no field\r\nnor this\r\n\r\n" GONE,
                          "gone@dest.example", &n));
    assert_string_equal(n.status, "5.1.1");
    assert_string_equal(n.from, "");
    // Deeper than anybody means it.
    struct buf deep;
    buf_init(&deep, 1 << 20);
    buf_adds(&deep, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
    for (int i = 0; i < 10000; i++)
        buf_adds(&deep, "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n");
    buf_adds(&deep, "--x\r\nContent-Type: message/delivery-status\r\n\r\n" GONE);
    assert_false(read_text(buf_text(&deep), "gone@dest.example", &n));
    buf_free(&deep);
}

static void types_are_read_with_their_comments(void **state)
{
    (void)state;
    struct mime_type t;
    assert_true(mime_type_read(
        span_text(" Multipart / Report (x) ; a=\"b\\\"c\"; boundary = \"q;\\\"=\" (y)"), &t));
    assert_string_equal(t.name, "multipart/report");
    assert_string_equal(t.boundary, "q;\"=");
    assert_true(mime_type_read(span_text("text/plain; broken"), &t));
    assert_false(mime_type_read(span_text("multipart/x; broken"), &t));
    assert_false(mime_type_read(span_text("plain"), &t));
    assert_false(mime_type_read(span_text(""), &t));
    assert_false(mime_type_read(span_text("a/b (open"), &t));
    char *longest = mem_printf("multipart/x; boundary=%0100d", 1);
    assert_false(mime_type_read(span_text(longest), &t));
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_says_what_became_of_it),
        cmocka_unit_test(one_group_is_about_whom_it_came_back_for),
        cmocka_unit_test(of_several_groups_the_named_one_counts_or_none),
        cmocka_unit_test(status_and_action_agree),
        cmocka_unit_test(what_is_no_report_is_none),
        cmocka_unit_test(broken_reports_are_read_as_far_as_they_go),
        cmocka_unit_test(types_are_read_with_their_comments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
