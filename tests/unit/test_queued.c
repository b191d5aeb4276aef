// SPDX-License-Identifier: ISC
// What a node told of its queue, whatever stands there.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/fleet/queued.h"
#include "relay/log/json.h"

static void what_was_told_comes_back(void **state)
{
    (void)state;
    json_t *j = queued_read(
        "{\"states\":{\"waiting\":{\"recipients\":3,\"oldest\":100}},"
        "\"rows\":[{\"domain\":\"a.example\",\"site\":\"mx:25\",\"state\":\"waiting\","
        "\"recipients\":3,\"oldest\":100,\"next\":200,\"attempts\":2,\"reason\":\"later\","
        "\"why\":\"host-later\",\"act\":\"receiver\"}],"
        "\"others\":{\"rows\":4,\"recipients\":5,\"oldest\":6}}");
    const json_t *row = json_array_get(json_object_get(j, "rows"), 0);
    assert_string_equal(json_word(row, "domain"), "a.example");
    assert_string_equal(json_word(row, "site"), "mx:25");
    assert_int_equal(json_number_of(row, "next"), 200);
    assert_int_equal(json_number_of(row, "attempts"), 2);
    assert_int_equal(json_number_of(json_object_get(j, "others"), "recipients"), 5);
    const json_t *states = json_object_get(j, "states");
    assert_int_equal(json_number_of(json_object_get(states, "waiting"), "recipients"), 3);
    assert_int_equal(json_number_of(json_object_get(states, "held"), "recipients"), 0);
    json_decref(j);
}

static void what_cannot_be_read_is_nothing(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "[]", "7", "{", "{\"a\":1,\"a\":2}", "{\"rows\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_null(queued_read(bodies[i]));
    char *big = malloc(QUEUED_BYTES + 2);
    assert_non_null(big);
    memset(big, ' ', QUEUED_BYTES + 1);
    memcpy(big, "{}", 2);
    big[QUEUED_BYTES + 1] = 0;
    assert_null(queued_read(big));
    free(big);
}

static void kinds_and_numbers_are_kept(void **state)
{
    (void)state;
    json_t *j =
        queued_read("{\"states\":[1],\"rows\":[7,{\"domain\":{},\"recipients\":-4,\"next\":-1,"
                    "\"site\":5,\"evil\":\"x\"}],\"others\":null,\"evil\":1}");
    const json_t *rows = json_object_get(j, "rows"), *row = json_array_get(rows, 1);
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(json_word(row, "domain"), "");
    assert_int_equal(json_number_of(row, "recipients"), 0);
    assert_true(json_is_null(json_object_get(row, "site")));
    assert_true(json_is_null(json_object_get(row, "next")));
    assert_null(json_object_get(row, "evil"));
    assert_null(json_object_get(j, "evil"));
    assert_true(json_is_object(json_object_get(j, "others")));
    json_decref(j);
}

static void more_rows_than_a_node_may_tell_are_left_out(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, QUEUED_BYTES);
    buf_adds(&body, "{\"rows\":[{}");
    for (int i = 0; i < 2 * QUEUED_ROWS; i++)
        buf_adds(&body, ",{}");
    buf_adds(&body, "]}");
    json_t *j = queued_read(buf_text(&body));
    assert_int_equal(json_array_size(json_object_get(j, "rows")), QUEUED_ROWS);
    json_decref(j);
    buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_comes_back),
        cmocka_unit_test(what_cannot_be_read_is_nothing),
        cmocka_unit_test(kinds_and_numbers_are_kept),
        cmocka_unit_test(more_rows_than_a_node_may_tell_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
