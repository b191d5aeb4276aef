// SPDX-License-Identifier: ISC
// sendmail's arguments, the message as programs write it, and what becomes of its header.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/sendmail.h"

#define ARGUMENTS 16

// The arguments of a line, parted at its blanks; `called` is the first.
static int read_line(const char *line, struct sendmail *mail)
{
    static char *text;
    char *argv[ARGUMENTS + 1], *rest;
    int argc = 0;
    free(text);
    text = rest = mem_dup(line);
    for (char *word; argc < ARGUMENTS && (word = strsep(&rest, " "));)
        argv[argc++] = word;
    argv[argc] = NULL;
    return sendmail_read_options(argv[0], argc, argv, mail);
}

static void good(const char *line, struct sendmail *mail)
{
    if (read_line(line, mail) != EXIT_YES)
        fail_msg("refused: %s", line);
}

static void case_210_arguments_as_programs_write_them(void **state)
{
    (void)state;
    struct sendmail m;
    good("sendmail -FCronDaemon -i -B8BITMIME -oem root", &m);
    assert_string_equal(m.name, "CronDaemon");
    assert_true(m.dots && !m.from_header && m.to.n == 1);
    assert_string_equal(m.to.at[0], "root");
    sendmail_free(&m);
    good("sendmail -t -i -f shop@example.org", &m);
    assert_true(m.from_header && m.dots);
    assert_string_equal(m.from, "shop@example.org");
    sendmail_free(&m);
    good("sendmail -ti -r a@b.test -N success,delay -Rhdrs -V id1", &m);
    assert_true(m.from_header && m.dots);
    assert_string_equal(m.ret, "hdrs");
    sendmail_free(&m);
    good("sendmail -oi -em -odb -h 17 -v -Lx -p ESMTP:host -bm -f  -- -a@b.test", &m);
    assert_string_equal(m.from, "");
    assert_string_equal(m.to.at[0], "-a@b.test");
    sendmail_free(&m);
    good("sendmail -bs", &m);
    assert_int_equal(m.mode, SENDMAIL_SMTP);
    good("sendmail -q30m", &m);
    assert_int_equal(m.mode, SENDMAIL_FLUSH);
    good("mailq", &m);
    assert_int_equal(m.mode, SENDMAIL_QUEUE);
    good("newaliases", &m);
    assert_int_equal(m.mode, SENDMAIL_ALIASES);
}

static void case_212_arguments_that_mean_nothing(void **state)
{
    (void)state;
    static const char *const lines[] = {"sendmail -Y",       "sendmail -f",     "sendmail -bd",
                                        "sendmail -Nmaybe",  "sendmail -Rhalf", "sendmail -B 9BIT",
                                        "sendmail --unheard"};
    struct sendmail m;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(read_line(lines[i], &m), EXIT_USAGE);
        sendmail_free(&m);
    }
}

// Fed a byte at a time and all at once.
static void becomes(const char *text, bool dots, const char *expected, bool ended)
{
    for (size_t piece = 1; piece < 1000; piece += 998) {
        struct sendmail_lines lines = {.dots = dots};
        struct buf out;
        buf_init(&out, 1000);
        for (size_t i = 0, n = strlen(text); i < n; i += piece)
            sendmail_lines(&lines, span_of(text + i, n - i < piece ? n - i : piece), &out);
        sendmail_lines_end(&lines, &out);
        assert_string_equal(buf_text(&out), expected);
        assert_int_equal(lines.ended, ended);
        buf_free(&out);
    }
}

static void lines_end_in_crlf_and_a_dot_ends_them(void **state)
{
    (void)state;
    becomes("a\nb\r\nc", false, "a\r\nb\r\nc\r\n", false);
    becomes("a\n.\nb\n", false, "a\r\n", true);
    becomes("a\r\n.\r\nb\n", false, "a\r\n", true);
    becomes("a\n.\nb\n", true, "a\r\n.\r\nb\r\n", false);
    becomes(".a\n..\n. \n", false, ".a\r\n..\r\n. \r\n", false);
    becomes("a\n.", false, "a\r\n.\r\n", false);
    becomes("a\rb\r", false, "a\rb\r\n", false);
    becomes(".\rb\n", false, ".\rb\r\n", false);
    becomes("", false, "", false);
}

static void a_header_ends_where_a_line_is_no_field(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool final;
        ptrdiff_t length;
    } rows[] = {{"A: b\r\n c\r\n\r\nx\r\n", false, 10},
                {"hello\r\n", false, 0},
                {"A: b\r\nhello you: c\r\n", false, 6},
                {"A: b\r\n", false, -1},
                {"A: b\r\n", true, 6},
                {" A: b\r\n", false, 0},
                {"\r\nA: b\r\n", false, 0},
                {"", true, 0},
                {": b\r\n", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(sendmail_header_length(span_text(rows[i].text), rows[i].final),
                         rows[i].length);
}

static char *joined(const char *list)
{
    struct strings found = {0};
    struct why why;
    struct buf out;
    buf_init(&out, 4000);
    if (sendmail_addresses(span_text(list), &found, &why) < 0)
        buf_adds(&out, "bad");
    else
        for (size_t i = 0; i < found.n; i++)
            buf_addf(&out, "%s%s", i ? "|" : "", found.at[i]);
    sendmail_forget(&found);
    return buf_take(&out);
}

static void addresses_are_found_in_lists(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a@b.test", "a@b.test"},
        {" Ann, Bo <a@b.test> , c@d.test", "Ann|a@b.test|c@d.test"},
        {"\"Ann, Bo\" <a@b.test>, root (Cron, at night)", "a@b.test|root"},
        {"undisclosed-recipients:;", ""},
        {"all: a@b.test,\r\n c@d.test;, e@f.test", "a@b.test|c@d.test|e@f.test"},
        {"\"a, b\"@c.test", "\"a, b\"@c.test"},
        {"a @ b . test", "a@b.test"},
        {"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
        {"<>", ""},
        {"a@b.test c@d.test", "bad"},
        {"<a@b.test> NOTIFY=NEVER", "a@b.test"},
        {"<a@b.test SIZE=1>", "bad"},
        {"\"a", "bad"},
        {"<a@b.test", "bad"},
        {"a (b", "bad"},
        {"a\001@b.test", "bad"},
        {"a (b \\) c (d)) @e.test", "a@e.test"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *found = joined(rows[i][0]);
        assert_string_equal(found, rows[i][1]);
        free(found);
    }
}

static void header_becomes(const struct sendmail *mail, const char *origin, const char *header,
                           const char *expected)
{
    const struct sendmail_origin who = {"www-data", origin};
    struct buf out;
    struct why why;
    buf_init(&out, 4000);
    assert_int_equal(sendmail_header(mail, span_text(header), &who, &out, &why), 0);
    assert_string_equal(buf_text(&out), expected);
    buf_free(&out);
}

static void a_header_gets_a_from_and_loses_bcc(void **state)
{
    (void)state;
    const struct sendmail plain = {0}, t = {.from_header = true, .name = "A \"B\" \xC3\xA9"};
    const struct sendmail named = {.name = "A \"B\"", .from = "x@y.test"};
    header_becomes(&plain, "b.test", "Subject: x\r\n", "From: <www-data@b.test>\r\nSubject: x\r\n");
    header_becomes(&plain, "", "From: a@b\r\nBcc: c\r\n", "From: a@b\r\nBcc: c\r\n");
    header_becomes(&named, "b.test", "", "From: \"A \\\"B\\\"\" <x@y.test>\r\n");
    header_becomes(&plain, "b.test", "From: root (Cron Daemon)\r\n",
                   "From: \"Cron Daemon\" <root@b.test>\r\n");
    header_becomes(&plain, "al@b.test", "From: \"Cron\" <root>\r\n",
                   "From: \"Cron\" <al@b.test>\r\n");
    header_becomes(&t, "b.test", "bcc: c@d\r\n e\r\nTo: x\r\nResent-Bcc: f\r\n",
                   "From: =?UTF-8?B?QSAiQiIgw6k=?= <www-data@b.test>\r\nTo: x\r\n");
    struct strings to = {0};
    struct why why;
    assert_int_equal(
        sendmail_recipients(span_text("To: a@b\r\nCc: c@d\r\nBcc: e@f\r\n"), &to, &why), 0);
    assert_int_equal(to.n, 3);
    sendmail_forget(&to);
    assert_int_equal(sendmail_recipients(span_text("To: a@b\r\nResent-To: c@d\r\n"), &to, &why), 0);
    assert_int_equal(to.n, 1);
    assert_string_equal(to.at[0], "c@d");
    sendmail_forget(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_210_arguments_as_programs_write_them),
        cmocka_unit_test(case_212_arguments_that_mean_nothing),
        cmocka_unit_test(lines_end_in_crlf_and_a_dot_ends_them),
        cmocka_unit_test(a_header_ends_where_a_line_is_no_field),
        cmocka_unit_test(addresses_are_found_in_lists),
        cmocka_unit_test(a_header_gets_a_from_and_loses_bcc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
