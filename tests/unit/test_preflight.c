// SPDX-License-Identifier: ISC
// What pre-flight finds: a table of messages, each with every finding that it has and no other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/preflight/preflight.h"

#define NOON  1767268800 // Thu, 1 Jan 2026 12:00:00 +0000
#define MIME  "MIME-Version: 1.0\r\n"
#define BULK  "List-Id: News <news.example.org>\r\n"
#define LEAVE "List-Unsubscribe: <https://example.org/u?1>, <mailto:u@example.org>\r\n"
#define POST  "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
#define MIXED MIME "Content-Type: multipart/mixed; boundary=\"a b\"\r\n"
#define PARTS "--a b\r\n\r\nx\r\n--a b--\r\n"
#define X100                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

static const struct {
    const char *name, *line;
} usual[] = {{"From", "From: App <app@example.org>\r\n"},
             {"To", "To: a@dest.test\r\n"},
             {"Subject", "Subject: hello\r\n"},
             {"Date", "Date: Thu, 1 Jan 2026 12:00:00 +0000\r\n"},
             {"Message-ID", "Message-ID: <1@example.org>\r\n"}};

// What is as it should be unless a row says otherwise.
enum fact {
    EIGHTBIT = 1,
    UTF8 = 2,
    BINARY = 4,
    NO_KEY = 8,
    SMARTHOST = 16,
    NO_DMARC = 32,
    DMARC_FAILS = 64,
    NULL_SENDER = 128,
    STRANGE_SENDER = 256,
    MANY = 512,
    NO_END = 1024,
    FILED = 2048,
    OWN_LIST = 4096,
    TIGHT = 8192
};

struct flight_row {
    const char *without; // names of usual fields that are not there
    const char *fields, *body;
    unsigned facts;
    const char *found; // names in the order in which they are found; "": nothing
};

static const struct flight_row rows[] = {
    {"", "", "hello\r\n", 0, ""},
    // From and who stands behind it
    {"", "", "", NO_KEY, "key-missing"},
    {"", "", "", NO_KEY | SMARTHOST, ""},
    {"", "", "", NO_KEY | STRANGE_SENDER, "key-missing from-not-aligned"},
    {"", "", "", STRANGE_SENDER, ""},
    {"", "", "", DMARC_FAILS, "from-not-aligned"},
    {"", "", "", NO_DMARC, "dmarc-missing"},
    {"", "", "", NO_DMARC | SMARTHOST, "dmarc-missing"},
    {"From", "", "", 0, "from-missing"},
    {"", "From: b@example.org\r\n", "", 0, "from-twice"},
    {"From", "From: app@\r\n", "", 0, "from-unreadable"},
    {"From", "From: \r\n", "", 0, "from-empty"},
    {"From", "From: all:;\r\n", "", 0, "from-group"},
    {"From", "From: x@yahoo.com\r\n", "", 0, "from-freemail from-not-aligned"},
    {"From", "From: x@gmail.com\r\n", "", NO_KEY | SMARTHOST, ""},
    {"From", "From: root@localhost\r\n", "", 0, "from-host-unknown from-not-aligned"},
    {"From", "From: root@printer.lan\r\n", "", 0, "from-host-unknown from-not-aligned"},
    {"From", "From: x@[192.0.2.1]\r\n", "", 0, "from-address-literal"},
    {"From", "From: a@example.org, b@example.org\r\n", "", 0, "from-many-no-sender"},
    {"From", "From: a@example.org, b@example.org\r\nSender: a@example.org\r\n", "", 0, "from-many"},
    {"From", "From: a@example.org, b@other.test\r\nSender: a@example.org\r\n", "", 0,
     "from-domains from-many"},
    {"From", "From: \"ceo@bank.test\" <app@example.org>\r\n", "", 0, "from-name-address"},
    {"From", "From: App (really app@example.org) <app@example.org>\r\n", "", 0,
     "from-name-address"},
    {"From", "From: =?utf-8?q?J=C3=B6?= <=?utf-8?q?j=C3=B6?=@example.org>\r\n", "", 0,
     "word-address"},
    {"", "Sender: a@example.org, b@example.org\r\n", "", 0, "sender-unreadable"},
    {"", "Sender: nobody\r\n", "", 0, "sender-unreadable"},
    {"", "Reply-To: a b@c\r\n", "", 0, "reply-to-unreadable"},
    {"To", "To: Smith, John <j@dest.test>\r\n", "", 0, "to-unreadable"},
    {"", "Cc: <a@dest.test\r\n", "", 0, "cc-unreadable"},
    {"To", "", "", 0, "to-missing"},
    {"To", "To: undisclosed-recipients:;\r\n", "", 0, ""},
    {"To", "To: \r\n", "", 0, "field-empty"},
    {"", "References:\r\n", "", 0, "field-empty"},
    // Fields that there may be once
    {"", "Subject: again\r\n", "", 0, "field-twice"},
    {"", "To: b@dest.test\r\n", "", 0, "field-twice"},
    {"", "Date: Thu, 1 Jan 2026 12:00:00 +0000\r\n", "", 0, "field-twice"},
    {"", "message-id: <2@example.org>\r\n", "", 0, "field-twice"},
    {"", MIME MIME "Content-Type: text/plain\r\n", "", 0, "mime-field-twice"},
    {"", BULK LEAVE LEAVE POST, "", 0, "list-field-twice"},
    // Date, Message-ID, References
    {"Date", "", "", 0, "date-missing"},
    {"Date", "Date: yesterday\r\n", "", 0, "date-unreadable"},
    {"Date", "Date: Sat, 3 Jan 2026 12:00:01 +0000\r\n", "", 0, "date-future"},
    {"Date", "Date: Fri, 2 Jan 2026 11:59:00 +0000\r\n", "", 0, ""},
    {"Date", "Date: Thu, 25 Dec 2025 11:59:59 +0000\r\n", "", 0, "date-past"},
    {"Message-ID", "", "", 0, "message-id-missing"},
    {"Message-ID", "Message-ID: 4711\r\n", "", 0, "message-id-unreadable"},
    {"Message-ID", "Message-ID: <4711>\r\n", "", 0, "message-id-unreadable"},
    {"Message-ID", "Message-ID: <a@example.org> <b@example.org>\r\n", "", 0,
     "message-id-unreadable"},
    {"Message-ID", "Message-ID: <1@web7>\r\n", "", 0, "message-id-local"},
    {"Message-ID", "Message-ID: <1@[192.0.2.1]> (made here)\r\n", "", 0, ""},
    {"", "References: 4711\r\n", "", 0, "references-unreadable"},
    {"", "In-Reply-To: <a@b.test>\r\n <c@d.test>\r\n", "", 0, ""},
    {"Subject", "", "", 0, "subject-missing"},
    {"Subject", "Subject: \r\n", "", 0, "subject-empty"},
    {"", "Resent-To: a@dest.test\r\nResent-From: b@example.org\r\n", "", 0, "resent-incomplete"},
    // How fields are written
    {"Subject", "Subject: gr\xc3\xbc\xc3\x9f dich\r\n", "", 0, "field-8bit"},
    {"Subject", "Subject: gr\xc3\xbc\xc3\x9f dich\r\n", "", UTF8, ""},
    {"Subject", "Subject: gr\xfc\xdf dich\r\n", "", UTF8, "field-not-utf8"},
    {"Subject",
     "Subject: a\x01"
     "b\r\n",
     "", 0, "field-control"},
    {"", "X-Long: " X1000 "\r\n", "", 0, "field-line-long"},
    {"", "X-Long: " X100 X100 "\r\n " X100 "\r\n", "", 0, ""},
    {"", "X-Odd : a\r\n", "", 0, "field-name-blank"},
    {"", "X-Odd: a\r\n \r\n b\r\n", "", 0, "field-fold-blank"},
    {"", "", "", NO_END, "header-unended"},
    {"Subject", "Subject: =?utf-8?q?gr=C3=BC=C3=9F?= =?UTF-8?B?ZGljaA==?=\r\n", "", 0, ""},
    {"Subject", "Subject: =?utf-8?q?gr=C3=B?=\r\n", "", 0, "word-broken"},
    {"Subject", "Subject: =?utf-8?b?ZGljaA=?=\r\n", "", 0, "word-broken"},
    {"Subject", "Subject: =?utf-8?q?two words?=\r\n", "", 0, "word-broken"},
    {"Subject", "Subject: =?utf-8?x?dich?=\r\n", "", 0, "word-broken"},
    {"Subject", "Subject: is a=?b true\r\n", "", 0, ""},
    {"Subject", "Subject: =?utf-8?q?" X100 "?=\r\n", "", 0, "word-long"},
    {"From", "From: \"=?utf-8?q?J=C3=B6?=\" <app@example.org>\r\n", "", 0, "word-quoted"},
    // MIME
    {"", MIXED, PARTS, 0, ""},
    {"", "Content-Type: text/plain\r\n", "", 0, "mime-version-missing"},
    {"", "MIME-Version: 2.0\r\nContent-Type: text/plain\r\n", "", 0, "mime-version-odd"},
    {"", "MIME-Version: 1.0 (made here)\r\nContent-Type: text/plain\r\n", "", 0, ""},
    {"", MIME "Content-Type: text\r\n", "", 0, "content-type-unreadable"},
    {"", MIME "Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n", "gr\xc3\xbc\r\n",
     EIGHTBIT, "charset-missing"},
    {"", MIME "Content-Type: text/plain; (a) charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
     "gr\xc3\xbc\r\n", EIGHTBIT, ""},
    {"", MIME "Content-Type: multipart/mixed\r\n", PARTS, 0, "boundary-missing"},
    {"", MIME "Content-Type: multipart/mixed; boundary=\"a#b\"\r\n", PARTS, 0, "boundary-bad"},
    {"", MIME "Content-Type: multipart/mixed; boundary=" X100 "\r\n", PARTS, 0, "boundary-bad"},
    {"", MIME "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n", PARTS, 0, ""},
    {"", MIXED, "just text\r\n", 0, "boundary-unused"},
    {"", MIXED, "", FILED, ""},
    {"", MIXED, "--a b\r\n\r\nx\r\n", 0, "boundary-unclosed"},
    {"", MIXED "Content-Transfer-Encoding: base64\r\n", PARTS, 0, "multipart-encoded"},
    {"", MIME "Content-Type: text/plain\r\nContent-Transfer-Encoding: utf-8\r\n", "", 0,
     "encoding-unknown"},
    {"", MIME "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n", "", 0,
     "encoding-binary"},
    {"", MIME "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n", "", BINARY, ""},
    {"", MIME "Content-Type: text/plain; charset=utf-8\r\n", "gr\xc3\xbc\r\n", EIGHTBIT,
     "body-8bit-unsaid"},
    {"", "", "gr\xc3\xbc\r\n", EIGHTBIT, "body-8bit-no-mime"},
    // Bulk mail
    {"", BULK LEAVE POST, "", 0, ""},
    {"", BULK, "", 0, "unsubscribe-missing"},
    {"", "Precedence: bulk\r\n", "", 0, "unsubscribe-missing"},
    {"", "Feedback-ID: 1:2:3:x\r\n", "", 0, "unsubscribe-missing"},
    {"", "", "", MANY, "unsubscribe-missing"},
    {"", "Precedence: bulk\r\n", "", NULL_SENDER, ""},
    {"", "Precedence: bulk\r\nAuto-Submitted: auto-replied\r\n", "", 0, ""},
    {"", BULK "List-Unsubscribe: https://example.org/u\r\n" POST, "", 0, "unsubscribe-unreadable"},
    {"", BULK "List-Unsubscribe: <https://example.org/u\r\n" POST, "", 0, "unsubscribe-unreadable"},
    {"", BULK "List-Unsubscribe: <mailto:u@example.org>\r\n" POST, "", 0, "unsubscribe-no-https"},
    {"", BULK "List-Unsubscribe: <https://a.test/u>, <http://a.test/u>\r\n" POST, "", 0,
     "unsubscribe-two-https"},
    {"", BULK LEAVE, "", 0, "unsubscribe-post-missing"},
    {"", BULK LEAVE "List-Unsubscribe-Post: yes\r\n", "", 0, "unsubscribe-post-wrong"},
    {"", BULK LEAVE POST, "", OWN_LIST, "unsubscribe-unsigned"},
    {"", BULK LEAVE POST, "", NO_KEY, "key-missing unsubscribe-unsigned"},
    {"", "List-Id: news\r\n" LEAVE POST, "", 0, "list-id-unreadable"},
    // On the way
    {"", "", "", TIGHT, "size-over-receiver"},
};

static char *message_of(const struct flight_row *row)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!strstr(row->without, usual[i].name))
            buf_adds(&text, usual[i].line);
    buf_adds(&text, row->fields);
    if (!(row->facts & NO_END))
        buf_adds(&text, "\r\n");
    return buf_take(&text);
}

static char subject_only[] = "Subject", from_only[] = "From",
            *few_names[] = {subject_only, from_only};
static const struct cfg_signing few = {.headers = {few_names, 2}, .oversign = {few_names, 2}},
                                built_in;

static struct preflight_input input_of(const struct flight_row *row, const struct header *header)
{
    unsigned f = row->facts;
    return (struct preflight_input){
        .header = header,
        .body = span_text(row->body),
        .body_whole = !(f & FILED),
        .header_ended = !(f & NO_END),
        .eightbit = f & EIGHTBIT,
        .longest_line = 10,
        .now_s = NOON,
        .smtputf8 = f & UTF8,
        .binary = f & BINARY,
        .sender = f & NULL_SENDER      ? ""
                  : f & STRANGE_SENDER ? "x@notexample.org"
                                       : "app@example.org",
        .nrcpts = f & MANY ? PREFLIGHT_BULK_RCPTS : 1,
        .size = 2000,
        .tight = f & TIGHT ? "dest.test" : NULL,
        .tight_size = 1000,
        .others_sign = f & SMARTHOST,
        .signer = f & NO_KEY ? NULL : "example.org",
        .signing = f & OWN_LIST ? &few : &built_in,
        .dmarc = f & NO_DMARC      ? PREFLIGHT_DMARC_NONE
                 : f & DMARC_FAILS ? PREFLIGHT_DMARC_FAIL
                 : strstr(row->fields, "From: ") || row->facts & STRANGE_SENDER || f & NO_KEY
                     ? PREFLIGHT_DMARC_UNKNOWN
                     : PREFLIGHT_DMARC_PASS,
    };
}

static char *names_of(const struct preflight *p)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < p->n; i++)
        buf_addf(&text, "%s%s", i ? " " : "", reason_row(p->at[i].reason)->name);
    return buf_take(&text);
}

static void look_at_row(const struct flight_row *row, struct preflight *out)
{
    char *text = message_of(row);
    struct header header;
    struct why why;
    size_t used;
    assert_int_equal(header_parse(&header, span_text(text), &used, &why), 0);
    struct preflight_input in = input_of(row, &header);
    preflight_look(&in, out);
    header_free(&header);
    free(text);
}

static void case_380_each_message_has_its_findings_and_no_other(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct preflight found;
        look_at_row(&rows[i], &found);
        char *names = names_of(&found);
        if (strcmp(names, rows[i].found) != 0) {
            print_error("row %zu (%s%s): '%s', not '%s'\n", i, rows[i].without, rows[i].fields,
                        names, rows[i].found);
            wrong++;
        }
        free(names);
        preflight_free(&found);
    }
    assert_int_equal(wrong, 0);
}

// The table above misses none but those that other tests make.
static void case_381_every_finding_is_made_by_some_message(void **state)
{
    (void)state;
    static const char *const elsewhere = "header-large received-many";
#define FINDING(id, name, ...) name,
    static const char *const all[] = {
#include "relay/base/findings.def"
    };
#undef FINDING
    assert_true(sizeof all / sizeof *all >= 60);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool made = strstr(elsewhere, all[i]) != NULL;
        for (size_t k = 0; k < sizeof rows / sizeof *rows && !made; k++)
            made = strstr(rows[k].found, all[i]) != NULL;
        if (!made)
            fail_msg("no message has %s", all[i]);
    }
}

static void case_382_what_is_quoted_cannot_break_a_line(void **state)
{
    (void)state;
    const struct flight_row forged = {
        "Date Subject",
        "Date: never\r\n 250 2.0.0 forged\x1b[2J\x7f\r\nMessage-ID: a\tb\x80" X1000 "\r\n"
        "List-Id: \x07\r\nReply-To: \xff\xfe <<\r\n",
        "", 0, ""};
    struct preflight found;
    struct why why;
    look_at_row(&forged, &found);
    assert_true(found.n >= 4);
    for (size_t i = 0; i < found.n; i++) {
        assert_true(strlen(found.at[i].text) < 300);
        for (const char *c = found.at[i].text; *c; c++)
            assert_true(*c >= ' ' && *c <= '~');
    }
    preflight_free(&found);
    why_say(&why, BARE_LINE_END, "a\x1b\r\n250 b");
    preflight_add(&found, &why);
    assert_non_null(strstr(found.at[0].text, "a???250 b"));
    preflight_free(&found);
}

static void case_383_names_fit_into_a_reply(void **state)
{
    (void)state;
    struct preflight all = {0};
    char names[PREFLIGHT_NAMES], more[32];
    struct why why;
#define FINDING(id, name, ...) REASON_##id,
    static const enum reason reasons[] = {
#include "relay/base/findings.def"
    };
#undef FINDING
    preflight_names(&all, names);
    assert_string_equal(names, "");
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        why_set(&why, WHY_MESSAGE, "5.6.0", "x");
        why.reason = reasons[i];
        preflight_add(&all, &why);
        preflight_add(&all, &why); // once
    }
    assert_int_equal(all.n, sizeof reasons / sizeof *reasons);
    preflight_names(&all, names);
    size_t said = 1;
    for (const char *c = names; *c; c++)
        said += *c == ',';
    snprintf(more, sizeof more, " and %zu more", all.n - said);
    assert_non_null(strstr(names, more));
    assert_true(strlen(names) < 400 && !strstr(names, "subject-missing")); // problems first
    preflight_refuse(&all, &why);
    assert_non_null(strstr(why.text, "x (dmarc-missing, and "));
    preflight_free(&all);
}

static size_t found_times(const struct preflight *p, enum reason reason)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += p->at[i].reason == reason;
    return n;
}

static void case_384_a_large_header_is_looked_at_once(void **state)
{
    (void)state;
    struct buf text;
    struct header header;
    struct why why;
    size_t used;
    struct preflight found;
    buf_init(&text, 1 << 24);
    for (size_t i = 0; i < 1990; i++)
        buf_adds(&text, i < 26 ? "Received: from a by b; now\r\n"
                               : "Subject: =?utf-8?q?" X100 " =?x?q?=?=?=?=?\r\n");
    buf_adds(&text, "From: app@example.org\r\n\r\n");
    assert_int_equal(header_parse(&header, buf_span(&text), &used, &why), 0);
    struct preflight_input in = input_of(&rows[0], &header);
    preflight_look(&in, &found);
    assert_int_equal(found_times(&found, REASON_HEADER_LARGE), 1);
    assert_int_equal(found_times(&found, REASON_RECEIVED_MANY), 1);
    assert_int_equal(found_times(&found, REASON_WORD_BROKEN), 1); // of two thousand
    preflight_free(&found);
    header_free(&header);
    buf_free(&text);
}

static void case_385_a_refusal_says_what_and_what_to_do(void **state)
{
    (void)state;
    const struct flight_row row = {"Message-ID Subject", "Message-ID: 4711\r\n" BULK, "", 0, ""};
    struct preflight found;
    struct why why;
    look_at_row(&row, &found);
    assert_int_equal(preflight_refuse(&found, &why), -1);
    assert_int_equal(why.reason, REASON_MESSAGE_ID_UNREADABLE);
    assert_int_equal(why.act, ACT_SENDER);
    assert_string_equal(why.status, "5.6.0");
    assert_string_equal(why.text, "Message-ID is not <unique@domain>: 4711 (message-id-unreadable, "
                                  "and 1 more). Fix the application.");
    preflight_free(&found);
}

static void case_386_findings_know_their_weight_and_what_they_prevent(void **state)
{
    (void)state;
    assert_int_equal(preflight_level(REASON_SUBJECT_MISSING), PREFLIGHT_ADVICE);
    assert_int_equal(preflight_level(REASON_UNSUBSCRIBE_MISSING), PREFLIGHT_PROBLEM);
    assert_non_null(strstr(preflight_prevents(REASON_FROM_NOT_ALIGNED), "5.7.515"));
    assert_string_equal(preflight_prevents(REASON_TLSA_MISMATCH), "");
    assert_string_equal(preflight_level_word(PREFLIGHT_PROBLEM), "problem");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_380_each_message_has_its_findings_and_no_other),
        cmocka_unit_test(case_381_every_finding_is_made_by_some_message),
        cmocka_unit_test(case_382_what_is_quoted_cannot_break_a_line),
        cmocka_unit_test(case_383_names_fit_into_a_reply),
        cmocka_unit_test(case_384_a_large_header_is_looked_at_once),
        cmocka_unit_test(case_385_a_refusal_says_what_and_what_to_do),
        cmocka_unit_test(case_386_findings_know_their_weight_and_what_they_prevent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
