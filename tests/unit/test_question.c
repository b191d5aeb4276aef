// SPDX-License-Identifier: ISC
// What a node answers when it is asked for a story, and what is made of an answer, whatever stands there.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/fleet/question.h"
#include "relay/log/json.h"
#include "relay/trace/trace.h"

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

// A message of some hundred attempts, each with a reply of its own of 4,000 bytes.
static void tell_much(struct trace *t, uint64_t id, size_t records)
{
    char reply[4001];
    memset(reply, 'x', sizeof reply - 1);
    reply[sizeof reply - 1] = '\0';
    for (size_t i = 0; i < records; i++) {
        struct trace_record r;
        assert_true(trace_begin(&r, t, id, "deferred"));
        text_address(&r.out, "to", "b@example.org");
        text_string(&r.out, "reply", reply);
        trace_key(&r, TRACE_KEY_ADDRESS, "b@example.org");
        trace_end(&r);
    }
}

static void an_answer_has_its_bounds_and_says_what_it_left_out(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_question.XXXXXX", id[2][ID_TEXT], command[80];
    assert_non_null(mkdtemp(folder));
    struct config config = {.trace = {mem_printf("%s/trace", folder), 7 * 86400000ull, 1 << 24},
                            .limits = {.disk_reserve = 1 << 20}};
    struct trace *t = trace_open();
    trace_reload(t, &config);
    tell_much(t, 1, 400);
    tell_much(t, 2, 3);
    trace_free(t);
    for (uint64_t i = 0; i < 2; i++)
        id_text(i + 1, id[i]);
    char *text = question_answer(config.trace.directory, "id", id[0], 1);
    assert_in_range(strlen(text), QUESTION_BYTES / 2, QUESTION_BYTES + 1000);
    json_t *j = question_read(text);
    const json_t *message = json_array_get(json_object_get(j, "messages"), 0);
    assert_true(json_is_true(json_object_get(message, "cut")));
    assert_in_range(json_array_size(json_object_get(message, "records")), 200, 250);
    json_decref(j);
    free(text);
    text = question_answer(config.trace.directory, "address", "b@example.org", 100);
    assert_in_range(strlen(text), QUESTION_BYTES / 2, QUESTION_BYTES + 2000);
    free(text);
    text = question_answer(config.trace.directory, "id", id[1], 1);
    j = question_read(text);
    message = json_array_get(json_object_get(j, "messages"), 0);
    assert_false(json_is_true(json_object_get(message, "cut")));
    assert_int_equal(json_array_size(json_object_get(message, "records")), 3);
    json_decref(j);
    free(text);
    free(config.trace.directory);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back),
        cmocka_unit_test(what_cannot_be_read_is_told),
        cmocka_unit_test(records_of_other_messages_and_kinds_are_left_out),
        cmocka_unit_test(an_answer_has_its_bounds_and_says_what_it_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
