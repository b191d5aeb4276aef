// SPDX-License-Identifier: ISC
// Message bytes on their way in: dots, line ends, every trick to smuggle a second message, sizes,
// large bodies.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/ingest/receive.h"
#include "relay/ingest/scan.h"
#include "tests/unit/inbound_desk.h"

#define HEAD "From: a@example.org\r\nSubject: x\r\n\r\n"

// ---- the scan alone

struct outcome {
    char text[512];
    size_t n, used;
    bool done;
    enum receive_fault fault;
};

static void collect(void *arg, struct span bytes)
{
    struct outcome *o = arg;
    memcpy(o->text + o->n, bytes.p, bytes.n);
    o->n += bytes.n;
}

// Scans in pieces: the first of `cut` bytes, then the rest.
static struct outcome scan(const char *in, size_t n, size_t cut, bool chunks, bool fix)
{
    struct outcome o = {0};
    struct receive_scan s;
    receive_scan_init(&s, chunks, fix, collect, &o);
    o.used = receive_scan_feed(&s, span_of(in, cut));
    if (o.used == cut)
        o.used += receive_scan_feed(&s, span_of(in + cut, n - cut));
    if (chunks)
        receive_scan_end(&s);
    o.done = s.done;
    o.fault = s.fault;
    return o;
}

struct example {
    const char *in, *out;
    bool fix;
    enum receive_fault fault;
};

// Every example, cut at every place, and with every byte a piece of its own, gives the same.
static void check(const struct example *e, size_t n, bool chunks)
{
    for (size_t cut = 0; cut <= n; cut++) {
        struct outcome o = scan(e->in, n, cut, chunks, e->fix);
        assert_int_equal(o.fault, e->fault);
        assert_int_equal(o.done, !chunks);
        assert_int_equal(o.used, n);
        if (!e->fault) {
            assert_int_equal(o.n, strlen(e->out));
            assert_memory_equal(o.text, e->out, o.n);
        }
    }
    struct outcome o = {0};
    struct receive_scan s;
    receive_scan_init(&s, chunks, e->fix, collect, &o);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(receive_scan_feed(&s, span_of(e->in + i, 1)), 1);
    assert_int_equal(s.done, !chunks);
    if (chunks)
        receive_scan_end(&s);
    assert_int_equal(s.fault, e->fault);
}

static void dots_are_unstuffed_wherever_the_bytes_are_cut(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {".\r\n", "", false, FAULT_NONE},
        {"a\r\n.\r\n", "a\r\n", false, FAULT_NONE},
        {"..\r\n.\r\n", ".\r\n", false, FAULT_NONE},
        {"..a\r\n...b\r\n.\r\n", ".a\r\n..b\r\n", false, FAULT_NONE},
        {"a.\r\n.b\r\n.\r\n", "a.\r\nb\r\n", false, FAULT_NONE},
        {"\r\n\r\n.\r\n", "\r\n\r\n", false, FAULT_NONE},
        {"a\nb\r\n.\r\n", "a\r\nb\r\n", true, FAULT_NONE},
        {"\n\n.\r\n.\r\n", "\r\n\r\n.\r\n", true, FAULT_NONE},
        {".\n\r\n.\r\n", "\r\n\r\n", true, FAULT_NONE},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(&examples[i], strlen(examples[i].in), false);
}

// Case 37: only CRLF.CRLF ends DATA. Each of these is a fault, and none of them an end.
static void case_37_no_other_end_of_data(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a\n.\nb\r\n.\r\n", "", false, FAULT_BARE_LF},   // <LF>.<LF>
        {"a\r.\rb\r\n.\r\n", "", false, FAULT_BARE_CR},   // <CR>.<CR>
        {"a\n.\r\nb\r\n.\r\n", "", false, FAULT_BARE_LF}, // <LF>.<CRLF>
        {"a\r\n.\nb\r\n.\r\n", "", false, FAULT_BARE_LF}, // <CRLF>.<LF>, also <CR><LF>.<LF>
        {"a\r\n.\rb\r\n.\r\n", "", false, FAULT_BARE_CR}, // <CRLF>.<CR>
        {"a\r\r\n.\r\r\nb\r\n.\r\n", "", false, FAULT_BARE_CR},
        {"a\r.\r\nb\r\n.\r\n", "", false, FAULT_BARE_CR},
        {"a\r\n.\r.\r\nb\r\n.\r\n", "", false, FAULT_BARE_CR},
        {"a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", true,
         FAULT_NONE},                                    // fixed, it is text of one message
        {"a\r.\r\nb\r\n.\r\n", "", true, FAULT_BARE_CR}, // bare CR is never fixed
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(&examples[i], strlen(examples[i].in), false);
    struct example nul = {"a\r\n\0.\r\nb\r\n.\r\n", "", false, FAULT_NUL}; // <CRLF><NUL>.<CRLF>
    check(&nul, 13, false);
    struct example nul_fixed = {"a\r\0\n.\r\nb\r\n.\r\n", "", true, FAULT_NUL};
    struct outcome o = scan(nul_fixed.in, 13, 0, false, true);
    assert_true(o.done && o.used == 13 && o.fault != FAULT_NONE);
}

static void chunks_have_no_dots(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"..a\r\n.\r\nb", "..a\r\n.\r\nb", false, FAULT_NONE},
        {"a\nb", "", false, FAULT_BARE_LF},
        {"a\r", "", false, FAULT_BARE_CR},
        {"a\r\r\n", "", false, FAULT_BARE_CR},
        {"a\nb", "a\r\nb", true, FAULT_NONE},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check(&examples[i], strlen(examples[i].in), true);
}

// ---- in a session

static struct client *open_app(void)
{
    struct client *c = client_open(&story, 0, 0);
    client_login(c, "app", "secret");
    return c;
}

static void begin_data(struct client *c)
{
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<b@dest.example>", "250");
    client_say(c, "DATA", "354");
}

#define SECOND                                                                                     \
    "MAIL FROM:<a@example.org>\r\nRCPT TO:<victim@dest.example>\r\nDATA\r\n" HEAD "evil\r\n"

// The trick, then a whole second message behind it: one refusal, no message.
static void smuggle(const char *trick, size_t n)
{
    struct client *c = open_app();
    begin_data(c);
    client_send(c, HEAD "text");
    client_send_bytes(c, trick, n);
    client_send(c, SECOND ".\r\n");
    client_expect(c, "550 5.6.0");
    client_say(c, "NOOP", "250 2.0.0"); // and nothing else was answered
    assert_int_equal(shelf.nstored, 0);
    client_close(c);
}

#define TRICK(name, bytes)                                                                         \
    static void case_37_##name(void **state)                                                       \
    {                                                                                              \
        (void)state;                                                                               \
        smuggle(bytes, sizeof bytes - 1);                                                          \
    }
TRICK(lf_dot_lf, "\n.\n")
TRICK(cr_dot_cr, "\r.\r")
TRICK(lf_dot_crlf, "\n.\r\n")
TRICK(cr_lf_dot_lf, "\r\n.\n")
TRICK(crlf_dot_lf, "text\r\n.\n")
TRICK(crlf_dot_cr, "\r\n.\r")
TRICK(crlf_nul_dot_crlf, "\r\n\0.\r\n")

static void case_37_bare_lf_fixed_is_one_message(void **state)
{
    (void)state;
    struct client *c = client_open(&story, 0, 7); // bare_lf: fix
    client_expect(c, "220 ");
    client_say(c, "EHLO x", "250-");
    begin_data(c);
    client_send(c, "From: a@example.org\nSubject: x\n\ntext\n.\r\n" SECOND ".\r\n");
    client_expect(c, "250 2.0.0");
    client_say(c, "NOOP", "250");
    assert_int_equal(shelf.nstored, 1);
    char *sent = story_sent();
    assert_non_null(strstr(sent, "\r\nSubject: x\r\n\r\ntext\r\n.\r\nMAIL FROM:"));
    free(sent);
    client_close(c);
}

static void case_37_leading_dots_and_long_lines_arrive_as_they_are(void **state)
{
    (void)state;
    static char line[5000];
    struct client *c = open_app();
    begin_data(c);
    memset(line, 'l', sizeof line - 1);
    client_send(c, HEAD "..dot\r\n...two\r\n");
    client_send(c, line);
    client_send(c, "\r\n\xe4 8 bits\r\n.\r\n");
    client_expect(c, "250");
    const struct message *m = story_last();
    assert_true(m->env.eightbit);
    assert_false(m->env.utf8_header);
    assert_int_equal(m->body_bytes, 6 + 7 + 4999 + 2 + 10);
    assert_memory_equal(m->body.data, ".dot\r\n..two\r\nlll", 16);
    client_close(c);
}

// BDAT keeps every byte, a missing last line end too; chunks may be cut anywhere.
static void chunks_are_taken_byte_for_byte(void **state)
{
    (void)state;
    struct client *c = open_app();
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<b@dest.example>", "250");
    client_send(c, "BDAT 20\r\nFrom: a@example.org\rBDAT 8\r\n\n\r\n.\r\n.xBDAT 0 LAST\r\n");
    client_expect(c, "250");
    client_expect(c, "250");
    client_expect(c, "250 2.0.0 queued");
    assert_int_equal(story_last()->body_bytes, 5);
    assert_memory_equal(story_last()->body.data, ".\r\n.x", 5);
    client_close(c);
}

static void chunks_at_the_wrong_time_are_swallowed(void **state)
{
    (void)state;
    struct client *c = open_app();
    client_send(c, "BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n");
    client_expect(c, "503 5.5.1");
    client_expect(c, "250");
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_send(c, "BDAT 6 LAST\r\nQUIT\r\n");
    client_expect(c, "554 5.5.1");
    client_say(c, "RCPT TO:<b@dest.example>", "250");
    client_send(c, "BDAT 3\r\na\nb");
    client_expect(c, "550 5.6.0");
    client_send(c, "BDAT 3 LAST\r\nabc");
    client_expect(c, "503 5.5.1");
    client_send(c, "BDAT many LAST\r\n");
    client_expect(c, "501 5.5.4");
    client_expect(c, "421");
    client_closed(c);
    client_close(c);
}

static void data_after_chunks_is_refused(void **state)
{
    (void)state;
    struct client *c = open_app();
    client_say(c, "MAIL FROM:<a@example.org>", "250");
    client_say(c, "RCPT TO:<b@dest.example>", "250");
    client_send(c, "BDAT 1\r\nF");
    client_expect(c, "250");
    client_say(c, "DATA", "503 5.5.1");
    client_say(c, "RCPT TO:<b@dest.example>", "503 5.5.1");
    client_say(c, "RSET", "250");
    client_mail(c, "a@example.org", HEAD, "250");
    client_close(c);
}

static char *filler(size_t n)
{
    char *text = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        text[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : (char)('a' + i % 23);
    text[n] = 0;
    memcpy(text + n - 2, "\r\n", 2);
    if (text[n - 3] == '\r')
        text[n - 3] = 'x';
    return text;
}

static void a_large_body_goes_to_a_file(void **state)
{
    (void)state;
    size_t n = 1500000;
    char *body = filler(n);
    struct client *c = open_app();
    begin_data(c);
    client_send(c, HEAD);
    client_send(c, body);
    client_send(c, ".\r\n");
    client_expect(c, "250 2.0.0");
    assert_int_equal(shelf.large_bytes, n);
    assert_memory_equal(shelf.large, body, n);
    assert_int_equal(story_last()->body.len, 0);
    assert_int_equal(story_last()->body_bytes, n);
    assert_true(shelf.large_writes >= 4);
    assert_int_equal(shelf.large_open, 1);
    free(body);
    client_close(c);
}

static void just_what_memory_holds_stays_in_memory(void **state)
{
    (void)state;
    char *body = filler(MAX_MEMORY_BODY);
    struct client *c = open_app();
    begin_data(c);
    client_send(c, HEAD);
    client_send(c, body);
    client_send(c, ".\r\n");
    client_expect(c, "250 2.0.0");
    assert_int_equal(shelf.large_writes, 0);
    assert_int_equal(story_last()->body.len, MAX_MEMORY_BODY);
    begin_data(c);
    client_send(c, HEAD);
    client_send(c, body);
    client_send(c, "x\r\n.\r\n");
    client_expect(c, "250 2.0.0");
    assert_int_equal(shelf.large_bytes, MAX_MEMORY_BODY + 3);
    free(body);
    client_close(c);
}

static void bodies_go_to_files_when_memory_is_gone(void **state)
{
    (void)state;
    struct client *c = open_app();
    begin_data(c);
    story.relay.counters.memory_now += (int64_t)512 << 20;
    client_send(c, HEAD "a short body\r\n.\r\n");
    client_expect(c, "250 2.0.0");
    story.relay.counters.memory_now -= (int64_t)512 << 20;
    assert_int_equal(shelf.large_bytes, 14);
    client_close(c);
}

// Refused messages leave no file behind.
static void what_is_too_large_is_refused_and_forgotten(void **state)
{
    (void)state;
    char *body = filler(2200000);
    struct client *c = open_app();
    begin_data(c);
    client_send(c, HEAD);
    client_send(c, body);
    client_send(c, ".\r\n");
    client_expect(c, "552 5.3.4");
    client_mail(c, "a@example.org", HEAD, "250");
    for (int i = 0; i < 5000 && shelf.large_open; i++)
        story_turn(&story);
    assert_int_equal(shelf.large_open, 0);
    begin_data(c);
    client_send(c, "X: ");
    client_send_bytes(c, body, 60);
    for (int i = 0; i < 200; i++)
        client_send(c, "\r\nX: 01234567890123456789012345678901234567890123456789");
    client_send(c, "\r\n\r\n.\r\n");
    client_expect(c, "552 5.3.4 the header");
    free(body);
    client_close(c);
}

static void a_disk_that_fails_under_a_large_body_is_told(void **state)
{
    (void)state;
    char *body = filler(600000);
    struct client *c = open_app();
    shelf.fail_large = true;
    begin_data(c);
    client_send(c, HEAD);
    client_send(c, body);
    client_send(c, ".\r\n");
    client_expect(c, "452 4.3.1");
    shelf.fail_large = false;
    shelf.fail_store = true;
    begin_data(c);
    client_send(c, HEAD);
    client_send(c, body);
    client_send(c, ".\r\n");
    client_expect(c, "451 4.3.0");
    for (int i = 0; i < 5000 && shelf.large_open; i++)
        story_turn(&story);
    assert_int_equal(shelf.large_open, 0);
    free(body);
    client_close(c);
}

// The client goes in the middle of a large body: no file stays.
static void a_client_lost_in_the_middle_leaves_nothing(void **state)
{
    (void)state;
    char *body = filler(700000);
    struct client *c = open_app();
    begin_data(c);
    client_send(c, HEAD);
    client_send(c, body);
    client_close(c);
    for (int i = 0; i < 20000 && (server_sessions(story.server) || shelf.large_open); i++)
        story_turn(&story);
    assert_int_equal(server_sessions(story.server), 0);
    assert_int_equal(shelf.large_open, 0);
    assert_int_equal(shelf.nstored, 0);
    free(body);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin_alone, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dots_are_unstuffed_wherever_the_bytes_are_cut),
        cmocka_unit_test(case_37_no_other_end_of_data),
        cmocka_unit_test(chunks_have_no_dots),
        STORY(case_37_lf_dot_lf),
        STORY(case_37_cr_dot_cr),
        STORY(case_37_lf_dot_crlf),
        STORY(case_37_cr_lf_dot_lf),
        STORY(case_37_crlf_dot_lf),
        STORY(case_37_crlf_dot_cr),
        STORY(case_37_crlf_nul_dot_crlf),
        STORY(case_37_bare_lf_fixed_is_one_message),
        STORY(case_37_leading_dots_and_long_lines_arrive_as_they_are),
        STORY(chunks_are_taken_byte_for_byte),
        STORY(chunks_at_the_wrong_time_are_swallowed),
        STORY(data_after_chunks_is_refused),
        STORY(a_large_body_goes_to_a_file),
        STORY(just_what_memory_holds_stays_in_memory),
        STORY(bodies_go_to_files_when_memory_is_gone),
        STORY(what_is_too_large_is_refused_and_forgotten),
        STORY(a_disk_that_fails_under_a_large_body_is_told),
        STORY(a_client_lost_in_the_middle_leaves_nothing),
    };
    return cmocka_run_group_tests_name("receive", tests, NULL, NULL);
}
