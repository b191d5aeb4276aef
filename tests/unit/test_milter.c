// SPDX-License-Identifier: ISC
// The packets of the milter protocol, and headers as filters change them.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "relay/milter/edit.h"
#include "relay/milter/protocol.h"

#define HEADER "From: a@b.example\r\nX-Old: one\r\nSubject: s\r\n folded\r\nx-old: two\r\n\r\n"

static struct buf changes;

static int begin(void **state)
{
    (void)state;
    buf_init(&changes, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_free(&changes);
    return 0;
}

static void add(char code, const void *data, size_t n)
{
    size_t place = milter_open(&changes, code);
    buf_add(&changes, data, n);
    milter_close(&changes, place);
}
#define ADD(code, text) add(code, text, sizeof(text))

static void becomes(const char *before, const char *after)
{
    struct buf header;
    struct why why;
    buf_init(&header, 1 << 16);
    buf_adds(&header, before);
    assert_int_equal(milter_edit(&header, buf_span(&changes), false, 1 << 16, &why), 0);
    assert_string_equal(buf_text(&header), after);
    buf_free(&header);
    buf_reset(&changes);
}

static void a_packet_is_taken_when_it_is_whole(void **state)
{
    (void)state;
    struct milter_packet packet;
    struct why why;
    size_t used;
    const char bytes[] = "\0\0\0\3hab"
                         "\0\0\0\1c";
    for (size_t n = 0; n < 7; n++)
        assert_int_equal(milter_take(span_of(bytes, n), &packet, &used, &why), 0);
    assert_int_equal(milter_take(span_of(bytes, sizeof bytes), &packet, &used, &why), 1);
    assert_int_equal(used, 7);
    assert_int_equal(packet.code, 'h');
    assert_true(span_is(packet.data, "ab"));
    assert_int_equal(milter_take(span_of("\0\0\0\0", 4), &packet, &used, &why), -1);
    assert_int_equal(milter_take(span_of("\377\377\377\377", 4), &packet, &used, &why), -1);
    assert_non_null(strstr(why.text, "4294967295 bytes"));
}

static void options_are_held_to_what_was_offered(void **state)
{
    (void)state;
    struct milter_options o;
    struct why why;
    const char all[] = "\0\0\0\6\377\377\377\377\377\377\377\377"
                       "\0\0\0\2{auth_type} i";
    assert_int_equal(milter_read_options(span_of(all, sizeof all), &o, &why), 0);
    assert_int_equal(o.actions, MILTER_ACTIONS);
    assert_int_equal(o.steps, MILTER_STEPS);
    assert_string_equal(o.macros[STAGE_MAIL], "{auth_type} i");
    assert_null(o.macros[STAGE_CONNECT]);
    milter_options_free(&o);
    assert_int_equal(milter_read_options(span_of("\0\0\0\2\0\0\0\0\0\0\0\0", 12), &o, &why), 0);
    assert_int_equal(milter_read_options(span_of("\0\0\0\1\0\0\0\0\0\0\0\0", 12), &o, &why), -1);
    assert_int_equal(milter_read_options(span_of("\0\0\0\6\0\0\0\0\0\0\0", 11), &o, &why), -1);
    const char odd[] = "\0\0\0\6\0\0\0\0\0\0\0\0"
                       "\0\0\0\1i\0"
                       "\0\0\0\1j\0"
                       "\0\0\0\7x";
    assert_int_equal(milter_read_options(span_of(odd, sizeof odd), &o, &why), -1);
    assert_null(o.macros[STAGE_HELO]);
}

static void fields_are_added_and_inserted(void **state)
{
    (void)state;
    ADD('h', "X-A\0v");
    ADD('i', "\0\0\0\0X-B\0v");
    ADD('i', "\0\0\0\2X-C\0v");
    ADD('i', "\377\377\377\377X-D\0v");
    becomes(HEADER,
            "X-B: v\r\nFrom: a@b.example\r\nX-C: v\r\nX-Old: one\r\nSubject: s\r\n folded\r\n"
            "x-old: two\r\nX-A: v\r\nX-D: v\r\n\r\n");
}

static void fields_are_changed_and_removed_by_their_count(void **state)
{
    (void)state;
    ADD('m', "\0\0\0\2X-Old\0three");
    ADD('m', "\0\0\0\1X-OLD\0");
    ADD('m', "\0\0\0\2X-Old\0"); // there is one left
    ADD('m', "\0\0\0\1Subject\0");
    ADD('m', "\0\0\0\1X-New\0v");
    becomes(HEADER, "From: a@b.example\r\nX-Old: three\r\nX-New: v\r\n\r\n");
}

static void case_224_a_value_can_end_neither_its_field_nor_the_header(void **state)
{
    (void)state;
    static const struct {
        const char *value, *line;
    } cases[] = {
        {"a\r\nBcc: b@c.example", "X: a\r\n\tBcc: b@c.example\r\n"},
        {"a\n\nBody", "X: a\r\n\tBody\r\n"},
        {"a\n \t\n\r\n b\n", "X: a\r\n b\r\n"},
        {"a\rb\x01\x7f"
         "c",
         "X: abc\r\n"},
        {"\n", "X: \r\n"},
        {"a\n b", "X: a\r\n b\r\n"},
        {"a\n\tb\n  ", "X: a\r\n\tb\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[64] = "X", after[128];
        size_t n = strlen(cases[i].value);
        memcpy(data + 2, cases[i].value, n + 1);
        add('h', data, n + 3);
        snprintf(after, sizeof after, "From: a@b.example\r\n%s\r\n", cases[i].line);
        becomes("From: a@b.example\r\n\r\n", after);
    }
}

static void a_header_that_ends_with_the_message_takes_fields_too(void **state)
{
    (void)state;
    ADD('h', "X-A\0v");
    becomes("From: a@b.example", "From: a@b.example\r\nX-A: v\r\n");
    ADD('m', "\0\0\0\1From\0");
    becomes("From: a@b.example\r\n\r\n", "\r\n");
}

static void what_is_too_much_changes_nothing(void **state)
{
    (void)state;
    struct buf header;
    struct why why;
    buf_init(&header, 1 << 16);
    buf_adds(&header, HEADER);
    ADD('h', "X-A\0a value of some length");
    assert_int_equal(milter_edit(&header, buf_span(&changes), false, header.len + 8, &why), -1);
    assert_string_equal(buf_text(&header), HEADER);
    buf_free(&header);
}

static void replies_are_one_safe_line(void **state)
{
    (void)state;
    struct milter_reply r;
    struct why why;
    const char two[] = "554-5.7.1 one\r\n554-5.7.1 two\n554 5.7.1 three %% %s\x1b[0m";
    assert_int_equal(milter_read_reply(span_of(two, sizeof two), &r, &why), 0);
    assert_int_equal(r.code, 554);
    assert_string_equal(r.status, "5.7.1");
    assert_string_equal(r.text, "one two three % %s?[0m");
    static const char *const bad[] = {"",        "5",     "250 2.0.0 ok",         "600 x",
                                      "abc def", "5500x", "550 5.7.1 a\r\n551 b", "550x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(milter_read_reply(span_of(bad[i], strlen(bad[i]) + 1), &r, &why), -1);
    assert_int_equal(milter_read_reply(span_of("550 no NUL", 10), &r, &why), -1);
    char longest[2000] = "451 4.7.1 ";
    memset(longest + 10, 'x', sizeof longest - 11);
    assert_int_equal(milter_read_reply(span_of(longest, sizeof longest), &r, &why), 0);
    assert_int_equal(strlen(r.text), sizeof r.text - 1);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_packet_is_taken_when_it_is_whole),
        STORY(options_are_held_to_what_was_offered),
        STORY(fields_are_added_and_inserted),
        STORY(fields_are_changed_and_removed_by_their_count),
        STORY(case_224_a_value_can_end_neither_its_field_nor_the_header),
        STORY(a_header_that_ends_with_the_message_takes_fields_too),
        STORY(what_is_too_much_changes_nothing),
        STORY(replies_are_one_safe_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
