// SPDX-License-Identifier: ISC
// What is told of a program's standard error: one line, never the password.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "relay/base/said.h"

static const char *line_of(struct said *said)
{
    static char line[SAID_LINE + 1];
    said_line(said, span_text("sec ret"), line);
    return line;
}

static void the_last_line_is_told(void **state)
{
    (void)state;
    struct said said = {0};
    assert_string_equal(line_of(&said), "");
    assert_true(said_add(&said, span_text("Traceback\n  File\nOSErr")));
    assert_true(said_add(&said, span_text("or: away\n\r\n \n")));
    assert_string_equal(line_of(&said), "OSError: away");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    struct said said = {0};
    for (int i = 0; i < SAID_KEPT; i++)
        assert_true(said_add(&said, span_text("x")));
    assert_int_equal(strlen(line_of(&said)), SAID_LINE);
    said_add(&said, span_text("x")); // its beginning is gone
    assert_string_equal(line_of(&said), "");
    said_add(&said, span_text("\nhere"));
    assert_string_equal(line_of(&said), "here");
}

static void what_it_may_say_is_bounded(void **state)
{
    (void)state;
    static char much[SAID_MOST];
    struct said said = {0};
    memset(much, 'y', sizeof much);
    assert_true(said_add(&said, span_of(much, sizeof much)));
    assert_int_equal(said.kept, SAID_KEPT);
    assert_false(said_add(&said, span_text("y")));
    assert_int_equal(said.kept, SAID_KEPT);
}

static void case_676_a_password_is_not_told(void **state)
{
    (void)state;
    struct said said = {0};
    said_add(&said, span_text("+ test 'sec ret' = x\nno\n"));
    assert_string_equal(line_of(&said), "no");
    said_add(&said, span_text("+ test 'sec "));
    said_add(&said, span_text("ret' = x\n"));
    assert_non_null(strstr(line_of(&said), "not shown"));
    struct said cut = {0}; // nor a part of it, where the buffer or the line ends in it
    for (int i = 0; i < SAID_LINE - 3; i++)
        said_add(&cut, span_text("z"));
    said_add(&cut, span_text("sec ret"));
    assert_non_null(strstr(line_of(&cut), "not shown"));
    for (int i = 0; i < SAID_KEPT - SAID_LINE; i++)
        said_add(&cut, span_text("z"));
    assert_string_equal(line_of(&cut), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_line_is_told),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(what_it_may_say_is_bounded),
        cmocka_unit_test(case_676_a_password_is_not_told),
    };
    return cmocka_run_group_tests_name("said", tests, NULL, NULL);
}
