// SPDX-License-Identifier: ISC
// Names for messages: no two alike, in one process or among the nodes of a fleet.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "relay/base/id.h"

#define MANY 20000

static void ids_rise_and_carry_the_node(void **state)
{
    (void)state;
    static const unsigned nodes[] = {0, 1, 7, 255};
    uint64_t last = id_new();
    for (size_t n = 0; n < sizeof nodes / sizeof *nodes; n++) {
        id_node(nodes[n]);
        for (int i = 0; i < MANY; i++) { // more than microseconds go by meanwhile
            uint64_t id = id_new();
            assert_true(id > last);
            assert_int_equal(id & 255, nodes[n]);
            last = id;
        }
    }
    id_node(0);
}

// One whose clock stood still gives as many as one likes, and none that another node could have given.
static void case_497_ids_of_two_nodes_never_meet(void **state)
{
    (void)state;
    uint64_t ahead = id_new() + ((uint64_t)3600 * 1000000 << 8); // an hour, so that no clock helps
    id_node(3);
    id_floor(ahead | 255); // as nodes without a fleet gave them: a sequence in the lower bits
    for (int i = 0; i < MANY; i++) {
        uint64_t id = id_new();
        assert_int_equal(id & 255, 3);
        assert_true(id > (ahead | 255));
    }
    id_node(0);
}

static void an_id_is_read_as_it_is_written(void **state)
{
    (void)state;
    char text[ID_TEXT];
    static const uint64_t ids[] = {0, 1, 0x0663a1b2c3d4e5ff, UINT64_MAX};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        uint64_t back = 5;
        id_text(ids[i], text);
        assert_true(id_parse(text, &back));
        assert_true(back == ids[i]);
    }
    uint64_t id;
    assert_false(id_parse("g000000000000", &id));
    assert_false(id_parse("000000000000u", &id));
    assert_false(id_parse("", &id));
}

static void digits_are_as_many_as_there_is_room_for(void **state)
{
    (void)state;
    char some[34] = "", others[33] = "";
    some[33] = '!';
    random_digits(some, 33);
    random_digits(others, 33);
    assert_int_equal(strspn(some, "0123456789abcdef"), 32);
    assert_int_equal(strlen(some), 32);
    assert_int_equal(some[33], '!');
    assert_string_not_equal(some, others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_rise_and_carry_the_node),
        cmocka_unit_test(case_497_ids_of_two_nodes_never_meet),
        cmocka_unit_test(an_id_is_read_as_it_is_written),
        cmocka_unit_test(digits_are_as_many_as_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
