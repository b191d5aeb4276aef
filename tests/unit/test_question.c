// SPDX-License-Identifier: ISC
// What a node answered when it was asked for a story, whatever stands there.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/fleet/question.h"
#include "relay/log/json.h"

static void an_answer_comes_back(void **state)
{
    (void)state;
    json_t *j = question_read(
        "{\"masked\":false,\"trouble\":\"\",\"more\":true,\"messages\":[{\"id\":\"a\",\"at\":7,"
        "\"event\":\"delivered\",\"from\":\"x\",\"to\":\"y\",\"cut\":true,\"records\":[{\"id\":"
        "\"a\","
        "\"event\":\"received\"}]}]}");
    const json_t *m = json_array_get(json_object_get(j, "messages"), 0);
    assert_true(json_says(j, "more"));
    assert_string_equal(json_word(j, "trouble"), "");
    assert_int_equal(json_number_of(m, "at"), 7);
    assert_true(json_says(m, "cut"));
    assert_int_equal(json_array_size(json_object_get(m, "records")), 1);
    json_decref(j);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "{", "{\"a\":1,\"a\":1}", "\xff"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        json_t *j = question_read(bodies[i]);
        assert_string_equal(json_word(j, "trouble"), "its answer cannot be read");
        assert_int_equal(json_array_size(json_object_get(j, "messages")), 0);
        json_decref(j);
    }
    char *big = mem_new(QUESTION_BODY + 2);
    memset(big, ' ', QUESTION_BODY + 1);
    memcpy(big, "{}", 2);
    json_t *j = question_read(big);
    assert_string_equal(json_word(j, "trouble"), "its answer cannot be read");
    json_decref(j);
    free(big);
}

static void records_of_other_messages_and_kinds_are_left_out(void **state)
{
    (void)state;
    json_t *j =
        question_read("{\"masked\":1,\"more\":\"x\",\"messages\":[5,{\"id\":{}},{\"id\":\"a\","
                      "\"at\":\"x\",\"records\":[{\"id\":\"b\"},7,[],{\"id\":\"a\"}]}]}");
    const json_t *messages = json_object_get(j, "messages"), *m = json_array_get(messages, 2);
    assert_false(json_says(j, "masked"));
    assert_false(json_says(j, "more"));
    assert_int_equal(json_array_size(messages), 3);
    assert_int_equal(json_number_of(m, "at"), 0);
    assert_int_equal(json_array_size(json_object_get(m, "records")), 1);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back),
        cmocka_unit_test(what_cannot_be_read_is_told),
        cmocka_unit_test(records_of_other_messages_and_kinds_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
