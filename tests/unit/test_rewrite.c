// SPDX-License-Identifier: ISC
// What rules make of addresses in the envelope and in the header (senders.rewrite, default_from, force_from): the
// pure part, without a relay.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/load.h"
#include "relay/ingest/rewrite.h"

static struct config *config;

// A configuration with one row, which has these keys.
static const struct cfg_sender *row(const char *keys)
{
    struct config_load load;
    struct buf text;
    config_load_init(&load);
    load.hostname = "relay.example.org";
    buf_init(&text, 4096);
    buf_addf(&text, "senders:\n- {network: 10.0.0.0/8, from: [example.org, '*.example.org'], %s}\n",
             keys);
    config_unref(config);
    config = config_load_text("/w.yaml", text.data, text.len, &load);
    if (!config)
        print_message("%s", buf_text(&load.errors));
    assert_non_null(config);
    config_load_free(&load);
    buf_free(&text);
    return &config->senders[0];
}

static int end(void **state)
{
    (void)state;
    config_unref(config);
    config = NULL;
    return 0;
}

static void assert_sender(const struct cfg_sender *r, const char *from, const char *to)
{
    char *made = rewrite_sender(r, from);
    if (to)
        assert_string_equal(made, to);
    else
        assert_null(made);
    free(made);
}

// The header as it goes on: new fields, a line with dots, what is left of the old ones.
static void assert_header(const struct cfg_sender *r, const char *in, const char *out)
{
    struct header header;
    struct rewritten made;
    struct why why;
    size_t used;
    struct buf text;
    buf_init(&text, 65536);
    assert_int_equal(header_parse(&header, span_text(in), &used, &why), 0);
    bool any = rewrite_header(r, &header, &made);
    buf_addspan(&text, buf_span(&made.fields));
    buf_adds(&text, "...\r\n");
    for (size_t i = 0; i < header.n; i++)
        if (!made.gone[i])
            buf_addspan(&text, header.fields[i].whole);
    assert_string_equal(buf_text(&text), out);
    assert_int_equal(any, strncmp(out, "...\r\n", 5) != 0 || strlen(out) != strlen(in) + 5);
    rewritten_free(&made);
    header_free(&header);
    buf_free(&text);
}

static void the_first_rule_that_fits_counts(void **state)
{
    (void)state;
    const struct cfg_sender *r = row("rewrite: ["
                                     "{from: root@printer, to: alerts@example.org},"
                                     "{from: printer, to: printers.example.org},"
                                     "{from: '*.lan', to: devices@example.org},"
                                     "{from: '*', to: rest@example.org}]");
    assert_sender(r, "root@printer", "alerts@example.org");
    assert_sender(r, "ROOT@Printer", "alerts@example.org");
    assert_sender(r, "\"root\"@printer", "alerts@example.org");
    assert_sender(r, "Toner@printer", "Toner@printers.example.org");
    assert_sender(r, "\"toner low\"@printer", "\"toner low\"@printers.example.org");
    assert_sender(r, "x@deep.in.lan", "devices@example.org");
    assert_sender(r, "x@lan", "rest@example.org");
    assert_sender(r, "Rest@example.org", NULL); // it is that already
    assert_sender(r, "", NULL);
    assert_false(rewrite_wanted(row("tls: optional")));
}

static void display_names_and_comments_stay_and_the_old_from_is_in_reply_to(void **state)
{
    (void)state;
    const struct cfg_sender *r = row("rewrite: [{from: printer, to: alerts@example.org}]");
    assert_header(r, "From: Floor 3 <root@printer>\r\nTo: a@b.example\r\n",
                  "From: Floor 3 <alerts@example.org>\r\nReply-To: Floor 3 <root@printer>\r\n"
                  "...\r\nTo: a@b.example\r\n");
    assert_header(
        r, "from:root@printer (Floor 3)\r\n",
        "from:alerts@example.org (Floor 3)\r\nReply-To:root@printer (Floor 3)\r\n...\r\n");
    assert_header(r, "From: \"Copier, 3rd\"\r\n <root@printer>\r\nReply-To: help@example.org\r\n",
                  "From: \"Copier, 3rd\"\r\n <alerts@example.org>\r\n...\r\n"
                  "Reply-To: help@example.org\r\n");
    assert_header(r,
                  "From: a@example.org, root@printer, B <x@PRINTER>\r\nSender: a@example.org\r\n",
                  "From: a@example.org, alerts@example.org, B <alerts@example.org>\r\n"
                  "Reply-To: a@example.org, root@printer, B <x@PRINTER>\r\n...\r\n"
                  "Sender: a@example.org\r\n");
    assert_header(r, "From: a@example.org\r\n", "...\r\nFrom: a@example.org\r\n");
    assert_header(r, "From: =?utf-8?q?x?= <\"r t\".b @ printer>\r\n",
                  "From: =?utf-8?q?x?= <alerts@example.org>\r\n"
                  "Reply-To: =?utf-8?q?x?= <\"r t\".b @ printer>\r\n...\r\n");
}

static void fields_beside_from_are_rewritten_and_no_others(void **state)
{
    (void)state;
    const struct cfg_sender *r = row("rewrite: [{from: printer, to: alerts@example.org}]");
    assert_header(r,
                  "Sender: root@printer\r\nErrors-To: <root@printer>\r\n"
                  "Return-Receipt-To: root@printer\r\nDisposition-Notification-To: root@printer\r\n"
                  "Resent-From: root@printer\r\nTo: root@printer\r\nReply-To: root@printer\r\n"
                  "X-From: root@printer\r\nFrom: a@example.org\r\nsender: not, an <address\r\n",
                  "Sender: alerts@example.org\r\nErrors-To: <alerts@example.org>\r\n"
                  "Return-Receipt-To: alerts@example.org\r\n"
                  "Disposition-Notification-To: alerts@example.org\r\n"
                  "Resent-From: alerts@example.org\r\n...\r\nTo: root@printer\r\n"
                  "Reply-To: root@printer\r\nX-From: root@printer\r\nFrom: a@example.org\r\n"
                  "sender: not, an <address\r\n");
}

static void mail_without_an_author_gets_the_default(void **state)
{
    (void)state;
    const struct cfg_sender *r = row("default_from: alerts@example.org");
    static const char *const none[] = {"",
                                       "From:\r\n",
                                       "From: root\r\n",
                                       "From: Scanner <>\r\n",
                                       "From: undisclosed:;\r\n",
                                       "From: Team: a@example.org;\r\n",
                                       "From: \"open <a@b.example>\r\n"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_header(r, none[i], "From: alerts@example.org\r\n...\r\n");
    assert_header(r, "From: x@bank.example\r\n", "...\r\nFrom: x@bank.example\r\n");
    // Which of two is meant nobody can say.
    assert_header(r, "From: root\r\nFrom: a@example.org\r\n",
                  "...\r\nFrom: root\r\nFrom: a@example.org\r\n");
    assert_header(row("rewrite: [{from: '*', to: x@example.org}]"), "Subject: x\r\n",
                  "...\r\nSubject: x\r\n");
}

static void from_by_force(void **state)
{
    (void)state;
    const struct cfg_sender *r = row("force_from: app@example.org");
    assert_header(r, "From: CEO <ceo@bank.example>\r\nSender: root@web1\r\n",
                  "From: CEO <app@example.org>\r\nReply-To: CEO <ceo@bank.example>\r\n...\r\n");
    assert_header(r, "Reply-To: x@y.example\r\nFrom: ceo@bank.example\r\n",
                  "From: app@example.org\r\n...\r\nReply-To: x@y.example\r\n");
    assert_header(r, "From: App <APP@example.org>\r\n", "...\r\nFrom: App <APP@example.org>\r\n");
    assert_header(r, "Subject: x\r\n", "From: app@example.org\r\n...\r\nSubject: x\r\n");
    assert_header(r, "From: root\r\n", "From: app@example.org\r\n...\r\n");
    assert_header(r, "From: a@b.example, c@d.example\r\n",
                  "From: app@example.org\r\nReply-To: a@b.example, c@d.example\r\n...\r\n");
    assert_header(r, "From: a@b.example\r\nX: y\r\nfrom : c@d.example\r\n",
                  "From: app@example.org\r\n...\r\nX: y\r\n");
    assert_sender(r, "ceo@bank.example", "app@example.org");
    assert_sender(r, "bounces@example.org", NULL); // the row's own stays
    assert_sender(r, "x@lists.example.org", NULL);
    assert_sender(r, "", NULL);
}

static void a_rule_and_force_together(void **state)
{
    (void)state;
    const struct cfg_sender *r =
        row("rewrite: [{from: printer, to: p@example.org}], force_from: app@example.org");
    assert_sender(r, "root@printer", "p@example.org");
    assert_header(r, "From: root@printer\r\nErrors-To: root@printer\r\n",
                  "From: app@example.org\r\nReply-To: root@printer\r\n"
                  "Errors-To: p@example.org\r\n...\r\n");
}

static void what_has_no_room_is_said(void **state)
{
    (void)state;
    const struct cfg_sender *r = row("rewrite: [{from: printer, to: p@example.org}]");
    struct header header;
    struct rewritten made;
    struct why why;
    struct buf text;
    size_t used;
    buf_init(&text, 1 << 20);
    buf_adds(&text, "From: \"");
    for (int i = 0; i < 200000; i++)
        buf_addc(&text, 'x');
    buf_adds(&text, "\" <root@printer>\r\n");
    assert_int_equal(header_parse(&header, buf_span(&text), &used, &why), 0);
    assert_true(rewrite_header(r, &header, &made));
    assert_true(made.fields.full);
    rewritten_free(&made);
    header_free(&header);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_fits_counts),
        cmocka_unit_test(display_names_and_comments_stay_and_the_old_from_is_in_reply_to),
        cmocka_unit_test(fields_beside_from_are_rewritten_and_no_others),
        cmocka_unit_test(mail_without_an_author_gets_the_default),
        cmocka_unit_test(from_by_force),
        cmocka_unit_test(a_rule_and_force_together),
        cmocka_unit_test(what_has_no_room_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
