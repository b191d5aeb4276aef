// SPDX-License-Identifier: ISC
// What reaches a terminal, however it is cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "relay/command/progress.h"
#include "relay/command/terminal.h"

// In pieces of `step` bytes, as a stream would.
static void shows(const char *text, const char *shown, size_t step)
{
    struct buf out, left;
    buf_init(&out, 4096);
    buf_init(&left, 4096);
    for (size_t i = 0; i < strlen(text); i += step) {
        size_t n = strlen(text) - i < step ? strlen(text) - i : step;
        buf_add(&left, text + i, n);
        buf_drop(&left, terminal_clean(buf_span(&left), false, &out));
        assert_in_range(left.len, 0, 3);
    }
    terminal_clean(buf_span(&left), true, &out);
    assert_string_equal(buf_text(&out), shown);
    buf_free(&out);
    buf_free(&left);
}

static void case_82_nothing_steers_the_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } all[] = {
        {"plain, \tand\nlines\r\n", "plain, \tand\nlines\r\n"},
        {"\x1b]0;pwned\x07\x1b[31mred", "?]0;pwned??[31mred"},
        {"over\rwritten", "over?written"},
        {"\b\b\x7f", "???"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xac",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xac"},
        {"\xc2\x9b"
         "31m",
         "?31m"}, // C1 as UTF-8
        {"\x9b"
         "31m \xff\xfe",
         "?31m ??"}, // and as it is
        {"\xe2\x80\xae"
         "moc.live",
         "?moc.live"}, // right to left
        {"\xe2\x81\xa6x\xe2\x80\xa8", "?x?"},
        {"\xc0\x9b \xe0\x80\x9b", "?? ???"}, // overlong
        {"cut \xe2\x82", "cut ??"},
        {"end\r", "end?"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t step = 1; step < 12; step++)
            shows(all[i].text, all[i].shown, step);
}

static void how_far_it_is_fits_a_line(void **state)
{
    (void)state;
    char line[PROGRESS_LINE + 1];
    assert_int_equal(progress_line("audit", 0, 0, 3, line), strlen("waxwing audit  3 s"));
    assert_string_equal(line, "waxwing audit  3 s");
    progress_line("audit", 5, 10, 3, line);
    assert_string_equal(line, "waxwing audit  [==========>         ]  50 %  3 s");
    progress_line("audit", 11, 10, 3, line);
    assert_string_equal(line, "waxwing audit  [====================] 100 %  3 s");
    progress_line("queue", 1234, 0, 60, line);
    assert_string_equal(line, "waxwing queue  1234  60 s");
    size_t n = progress_line("a name that is longer than any command has", UINT64_MAX, 0,
                             UINT64_MAX, line);
    assert_true(n <= PROGRESS_LINE && n == strlen(line));
    progress_line("x", UINT64_MAX / 2, UINT64_MAX, 0, line); // no overflow is a crash
}

static void amounts_are_for_people(void **state)
{
    (void)state;
    char text[TERMINAL_AGE];
    assert_string_equal(terminal_age(0, text), "0s");
    assert_string_equal(terminal_age(1798, text), "29m");
    assert_string_equal(terminal_age(7530, text), "2h 5m");
    assert_string_equal(terminal_age(273600, text), "3d 4h");
    assert_string_equal(terminal_until(1798, text), "in 29m");
    assert_string_equal(terminal_until(1, text), "in 1s");
    assert_string_equal(terminal_until(0, text), "now");
    assert_string_equal(terminal_until(-1, text), "now");
    assert_string_equal(terminal_since(1798, text), "29m ago");
    assert_string_equal(terminal_since(1, text), "1s ago");
    assert_string_equal(terminal_since(0, text), "just now");
    assert_string_equal(terminal_since(-1, text), "just now"); // a clock that was set back
    assert_string_equal(terminal_size(1023, text), "1023 B");
    assert_string_equal(terminal_size(1843, text), "1.8 KiB");
    assert_string_equal(terminal_size(1048575, text), "1.0 MiB");
    assert_string_equal(terminal_size(UINT64_MAX, text), "16777216.0 TiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(case_82_nothing_steers_the_terminal),
                                       cmocka_unit_test(how_far_it_is_fits_a_line),
                                       cmocka_unit_test(amounts_are_for_people)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
