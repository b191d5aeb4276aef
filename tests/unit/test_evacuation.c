// SPDX-License-Identifier: ISC
// Who can be asked to give its mail away, and who can have it (relay/fleet/evacuation_choose.c).
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "relay/fleet/evacuation.h"

#define LIVES(name)                                                                                \
    {                                                                                              \
        1, name, .live = true, .lease = true, .mail = true                                         \
    }

static struct why why;

static const struct evacuation_node nodes[] = {
    LIVES("a"),
    {2, "silent", .lease = true, .mail = true},
    {3, "stopped", .live = true, .mail = true}, // a moment ago
    {4, "plain", .live = true},
    {5, "empty", .live = false},
    {6, "going", .live = true, .lease = true, .mail = true, .leaving = true, .heir = "b"},
    {7, "gone", .gone = true, .heir = "b"},
    LIVES("b"),
    LIVES("c"),
};

static enum evacuation_choice chosen(const char *self, const char *name, const char *to,
                                     const char **heir)
{
    size_t node = 99, h = 99;
    enum evacuation_choice choice =
        evacuation_choose(nodes, sizeof nodes / sizeof *nodes, self, name, to, &node, &h, &why);
    if (choice != EVACUATION_REFUSED)
        assert_string_equal(nodes[node].name, name);
    if (choice == EVACUATION_ASK)
        *heir = nodes[h].name;
    return choice;
}

static void refused(const char *self, const char *name, const char *to, const char *words)
{
    const char *heir;
    assert_int_equal(chosen(self, name, to, &heir), EVACUATION_REFUSED);
    if (!strstr(why.text, words))
        fail_msg("%s", why.text);
}

static void the_heir_is_this_node_or_who_is_named_or_the_first_that_can(void **state)
{
    (void)state;
    const char *heir = "";
    assert_int_equal(chosen("c", "a", NULL, &heir), EVACUATION_ASK);
    assert_string_equal(heir, "c");
    assert_int_equal(chosen("c", "a", "b", &heir), EVACUATION_ASK);
    assert_string_equal(heir, "b");
    assert_int_equal(chosen("a", "a", NULL, &heir), EVACUATION_ASK);
    assert_string_equal(heir, "b"); // not those before it
    assert_int_equal(chosen("b", "b", NULL, &heir), EVACUATION_ASK);
    assert_string_equal(heir, "a");
    assert_int_equal(chosen("stopped", "a", "b", &heir), EVACUATION_ASK); // runs anywhere
    assert_string_equal(heir, "b");
}

static void who_cannot_go_or_take_over_is_refused_in_words(void **state)
{
    (void)state;
    refused("a", "nobody", NULL, "the fleet has no node nobody");
    refused("a", "silent", NULL, "does not live");
    refused("a", "stopped", NULL, "waxwing fleet adopt");
    refused("a", "plain", NULL, "has no fleet.spool");
    refused("a", "empty", NULL, "nothing in the journal");
    refused("b", "a", "nobody", "the fleet has no node nobody");
    refused("b", "a", "a", "its own mail");
    refused("b", "a", "silent", "silent does not live");
    refused("b", "a", "stopped", "stopped has no lease");
    refused("b", "a", "plain", "plain has no lease");
    refused("b", "a", "going", "going is evacuated itself");
    refused("plain", "a", NULL, "another node can be named with --to");
    refused("elsewhere", "a", NULL, "the fleet has no node elsewhere");
}

static void alone_there_is_nobody(void **state)
{
    (void)state;
    size_t node, heir;
    assert_int_equal(evacuation_choose(nodes, 7, "a", "a", NULL, &node, &heir, &why),
                     EVACUATION_REFUSED);
    assert_non_null(strstr(why.text, "no other node lives"));
}

static void who_was_asked_before_is_followed(void **state)
{
    (void)state;
    const char *heir;
    assert_int_equal(chosen("a", "going", NULL, &heir), EVACUATION_FOLLOW);
    assert_int_equal(chosen("a", "going", "b", &heir), EVACUATION_FOLLOW);
    assert_int_equal(chosen("a", "gone", NULL, &heir), EVACUATION_FOLLOW);
    refused("a", "going", "c", "on its way to b already");
    refused("a", "gone", "c", "was evacuated to b already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heir_is_this_node_or_who_is_named_or_the_first_that_can),
        cmocka_unit_test(who_cannot_go_or_take_over_is_refused_in_words),
        cmocka_unit_test(alone_there_is_nobody),
        cmocka_unit_test(who_was_asked_before_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
