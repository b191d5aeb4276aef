// SPDX-License-Identifier: ISC
// Marks of what changed in the state database since a fleet heard of it: in the transaction of the change, over
// restarts, and until they are told to go.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "relay/log/log.h"
#include "relay/state/bans.h"
#include "relay/state/shared.h"
#include "relay/state/suppressed.h"
#include "tests/unit/state_story.h"

#define NOW ((int64_t)4102444800000) // of the clock of SQLite nothing is ahead of this

static struct shared_list list;

static int begin(void **state)
{
    (void)state;
    return folder_begin(NOW);
}

static int end(void **state)
{
    (void)state;
    shared_list_free(&list);
    return folder_end();
}

// "2 a.example|mx.a.example [2,1,10]"; "-" for a row that is gone, "" for none of this kind.
static const char *marked(struct state *s, enum shared_kind kind)
{
    static char text[400];
    text[0] = 0;
    state_settle(s);
    shared_list_free(&list);
    if (state_shared_look(s, 100, &list, &why) < 0)
        fail_msg("%s", why.text);
    for (size_t i = 0; i < list.n; i++)
        if (list.rows[i].kind == kind) {
            snprintf(text, sizeof text, "%s %s", list.rows[i].key,
                     list.rows[i].body ? list.rows[i].body : "-");
            for (char *c = text; *c; c++)
                *c = *c == '\n' ? '|' : *c;
        }
    return text;
}

static void forget_marks(struct state *s)
{
    int64_t marks[100];
    for (size_t i = 0; i < list.n; i++)
        marks[i] = list.rows[i].mark;
    assert_int_equal(state_shared_sent(s, marks, list.n, &why), 0);
}

static void remember(struct state *s, enum memory_owes owes, int64_t seen_s)
{
    const struct memory_row row = {(char *)"mx.a.example", seen_s, owes, false};
    state_keep_memory(s, "a.example", &row);
}

static void every_change_is_marked_and_a_newer_one_stays(void **state)
{
    (void)state;
    struct state *s = open_state();
    remember(s, OWES_TLS, 10);
    assert_string_equal(marked(s, SHARED_MEMORY), "a.example|mx.a.example [1,0,10]"); // of before
    remember(s, OWES_CERTIFICATE, 20);
    forget_marks(s); // those of the first look
    assert_string_equal(marked(s, SHARED_MEMORY), "a.example|mx.a.example [2,0,20]");
    forget_marks(s);
    assert_string_equal(marked(s, SHARED_MEMORY), "");
    assert_int_equal(list.waiting, 0);
    remember(s, OWES_NOTHING, 0);
    assert_string_equal(marked(s, SHARED_MEMORY), "a.example|mx.a.example -");
    assert_true(list.rows[0].at_ms > 1700000000000);
    const struct sts_row policy = {"b.example", "7", "line\n\"quoted\"", 5, 6};
    state_keep_policy(s, &policy, NULL, NULL, NULL);
    assert_string_equal(marked(s, SHARED_POLICY),
                        "b.example [\"7\",\"line\\n\\\"quoted\\\"\",5,6]");
    state_close(s);
}

static void lists_and_bans_are_marked_and_what_ends_by_itself_is_not(void **state)
{
    (void)state;
    struct state *s = open_state();
    marked(s, SHARED_BAN);
    const struct state_suppressed row = {"", "x@c.example", 1, 3, 0, "r"};
    state_keep_suppressed(s, &row, 1, false);
    assert_string_equal(marked(s, SHARED_SUPPRESSED), "|x@c.example [1,3,0,\"r\"]");
    state_keep_suppressed(s, &row, 1, true);
    assert_string_equal(marked(s, SHARED_SUPPRESSED), "|x@c.example -");
    struct state_ban ban = {0, "192.0.2.1", 4, NOW + 1000, 5};
    state_keep_ban(s, &ban);
    char expected[80];
    snprintf(expected, sizeof expected, "0|192.0.2.1 [4,%lld,5]", (long long)(NOW + 1000));
    assert_string_equal(marked(s, SHARED_BAN), expected);
    ban.until_ms = 0;
    state_keep_ban(s, &ban);
    assert_string_equal(marked(s, SHARED_BAN), "0|192.0.2.1 -");
    forget_marks(s);
    const struct state_ban home = {2, "192.0.2.1 app", 4, NOW + 1000, 0}; // where somebody works
    state_keep_ban(s, &home);
    assert_string_equal(marked(s, SHARED_BAN), "");
    state_close(s);
}

static void marks_outlive_a_restart_and_end_with_the_fleet(void **state)
{
    (void)state;
    struct state *s = open_state();
    marked(s, SHARED_MEMORY);
    remember(s, OWES_TLS, 10);
    state_close(s);
    s = open_state();
    assert_string_equal(marked(s, SHARED_MEMORY), "a.example|mx.a.example [1,0,10]");
    assert_int_equal(state_shared_taken(s, "one", 5, &why), 0);
    state_shared_end(s);
    state_settle(s);
    remember(s, OWES_NOTHING, 0);
    assert_string_equal(marked(s, SHARED_MEMORY), ""); // nobody is to hear of it
    assert_string_equal(list.fleet, "");
    state_shared_end(s);
    remember(s, OWES_CERTIFICATE, 20);
    state_close(s);
    s = open_state();
    assert_string_equal(marked(s, SHARED_MEMORY), "a.example|mx.a.example [2,0,20]"); // all anew
    state_close(s);
}

static void another_database_or_an_older_one_is_told_everything(void **state)
{
    (void)state;
    struct state *s = open_state();
    remember(s, OWES_TLS, 10);
    marked(s, SHARED_MEMORY);
    assert_string_equal(list.fleet, "");
    forget_marks(s);
    static const struct {
        const char *fleet;
        int64_t seq;
        bool anew;
    } steps[] = {{"one", 5, true}, {"one", 9, false}, {"one", 9, false},
                 {"one", 8, true}, {"two", 20, true}, {"two", 30, false}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(state_shared_taken(s, steps[i].fleet, steps[i].seq, &why), 0);
        assert_int_equal(marked(s, SHARED_MEMORY)[0] != 0, steps[i].anew);
        assert_string_equal(list.fleet, steps[i].fleet);
        assert_int_equal(list.taken, steps[i].seq);
        forget_marks(s);
    }
    state_close(s);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(every_change_is_marked_and_a_newer_one_stays),
        STORY(lists_and_bans_are_marked_and_what_ends_by_itself_is_not),
        STORY(marks_outlive_a_restart_and_end_with_the_fleet),
        STORY(another_database_or_an_older_one_is_told_everything),
    };
    log_setup(LOG_TEXT, -1, false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
