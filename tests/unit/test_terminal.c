// SPDX-License-Identifier: ISC
// What reaches a terminal, however it is cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(case_82_nothing_steers_the_terminal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
