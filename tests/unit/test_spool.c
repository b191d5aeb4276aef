// SPDX-License-Identifier: ISC
// The spool on a real directory: what was answered is there after a restart, what ended is not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/spool/format.h"
#include "tests/unit/spool_story.h"

static int begin(void **state)
{
    struct story *story = mem_new(sizeof *story);
    story_begin(story, story_directory(), NULL, 0);
    *state = story;
    return 0;
}

static int end(void **state)
{
    struct story *story = *state;
    char *directory = (char *)(uintptr_t)story->options.directory;
    story_end(story);
    story_remove(directory);
    free(directory);
    free(story);
    return 0;
}

static void restart(struct story *story)
{
    story_close(story);
    assert_int_equal(story_open(story), 0);
}

static void a_stored_message_is_there_after_a_restart(void **state)
{
    struct story *story = *state;
    assert_int_equal(story_open(story), 0);
    struct message *m = story_message(1, 5000, "a@example.net", "b@example.com", NULL);
    free(m->env.envid);
    m->env.envid = mem_dup("id\\with\nnewline");
    free(m->env.tag);
    m->env.tag = mem_dup("order 4711");
    free(m->env.held_for);
    m->env.held_for = mem_dup("a filter asks for it");
    message_set_next_hop(&m->env.rcpts[1], "[mx.example.net]:25");
    free(m->env.rcpts[0].return_path);
    m->env.rcpts[0].return_path = mem_dup("<>");
    m->env.rcpts[0].copy = true;
    m->env.high = true;
    m->env.ret = RET_HDRS;
    m->env.body = BODY_8BITMIME;
    m->env.requiretls = true;
    m->env.rcpts[1].notify = NOTIFY_DELAY;
    assert_int_equal(story_store(story, m), 0);
    assert_int_equal(m->segment, 1);
    restart(story);
    assert_int_equal(story->nfound, 1);
    const struct message *found = story->found[0];
    assert_int_equal(found->env.id, m->env.id);
    assert_int_equal(found->env.created_ms, m->env.created_ms);
    assert_string_equal(found->env.envid, "id\\with\nnewline");
    assert_string_equal(found->env.tag, "order 4711");
    assert_string_equal(found->env.message_id, "");
    assert_string_equal(found->env.held_for, "a filter asks for it");
    assert_null(found->env.rcpts[0].next_hop);
    assert_string_equal(found->env.rcpts[1].next_hop, "[mx.example.net]:25");
    assert_string_equal(found->env.rcpts[0].return_path, "<>");
    assert_true(found->env.rcpts[0].copy);
    assert_string_equal(found->env.rcpts[1].return_path, "");
    assert_false(found->env.rcpts[1].copy);
    assert_true(found->env.high);
    assert_int_equal(found->env.ret, RET_HDRS);
    assert_int_equal(found->env.body, BODY_8BITMIME);
    assert_true(found->env.requiretls);
    assert_false(found->env.dsn);
    assert_int_equal(found->env.nrcpts, 2);
    assert_string_equal(found->env.rcpts[1].address, "b@example.com");
    assert_string_equal(found->env.rcpts[1].domain, "example.com");
    assert_int_equal(found->env.rcpts[1].notify, NOTIFY_DELAY);
    assert_int_equal(found->nleft_out, 1);
    assert_false(found->in_memory);
    assert_int_equal(message_size(found), message_size(m));
    assert_true(story_same(story, m));
    assert_int_equal(story->alarms, 0);
    message_unref(m);
}

static void results_survive(void **state)
{
    struct story *story = *state;
    assert_int_equal(story_open(story), 0);
    struct message *m =
        story_message(2, 10, "a@example.net", "b@example.net", "c@example.net", NULL);
    assert_int_equal(story_store(story, m), 0);
    story_note(story, m->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    story_note(story, m->env.id, "c@example.net", SPOOL_DEFERRED, 1700000099000);
    story_barrier(story);
    restart(story);
    assert_int_equal(story->nfound, 1);
    const struct envelope *env = &story->found[0]->env;
    assert_int_equal(env->nrcpts, 2);
    assert_string_equal(env->rcpts[0].address, "b@example.net");
    assert_int_equal(env->rcpts[0].attempts, 0);
    assert_string_equal(env->rcpts[1].address, "c@example.net");
    assert_int_equal(env->rcpts[1].attempts, 1);
    assert_int_equal(env->rcpts[1].next_ms, 1700000099000);
    story_note(story, m->env.id, "b@example.net", SPOOL_FAILED, 0);
    story_note(story, m->env.id, "c@example.net", SPOOL_REMOVED, 0);
    restart(story); // a clean stop needs no barrier
    assert_int_equal(story->nfound, 0);
    message_unref(m);
}

static void write_file(const char *directory, const char *name, const void *bytes, size_t n)
{
    char *path = mem_printf("%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    free(path);
}

static bool exists(const char *directory, const char *name)
{
    char *path = mem_printf("%s/%s", directory, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static void a_second_relay_is_refused(void **state)
{
    struct story *story = *state, second;
    assert_int_equal(story_open(story), 0);
    story_begin(&second, story->options.directory, NULL, 0);
    assert_int_equal(story_open(&second), -1);
    assert_int_equal(second.exit_status, EXIT_TEMP);
    assert_non_null(strstr(second.why.text, "another relay"));
    story_close(story);
    assert_int_equal(story_open(&second), 0);
    story_end(&second);
}

static void an_unknown_format_version_is_refused(void **state)
{
    struct story *story = *state;
    unsigned char head[SEGMENT_HEAD];
    struct segment_key key;
    segment_key_make(&key, 7, (const unsigned char *)"0123456789abcdef");
    segment_head_encode(&key, head);
    head[8] = SEGMENT_VERSION + 1; // and sums that agree with it
    XXH128_hash_t sum = XXH3_128bits(head, 40);
    memcpy(head + 40, &sum.low64, 8);
    memcpy(head + 48, &sum.high64, 8);
    memcpy(head + SEGMENT_HEAD / 2, head, SEGMENT_HEAD / 2);
    write_file(story->options.directory, "00000007.log", head, sizeof head);
    assert_int_equal(story_open(story), -1);
    assert_int_equal(story->exit_status, EXIT_CONFIG);
    assert_true(exists(story->options.directory, "00000007.log"));
}

static void a_spool_that_is_a_file_is_refused(void **state)
{
    struct story *story = *state, other;
    write_file(story->options.directory, "file", "", 0);
    char *path = mem_printf("%s/file", story->options.directory);
    story_begin(&other, path, NULL, 0);
    assert_int_equal(story_open(&other), -1);
    assert_int_equal(other.exit_status, EXIT_CONFIG);
    story_end(&other);
    free(path);
}

static struct message *store_large(struct story *story, const char *text, size_t times)
{
    struct message *m = story_message(9, 0, "a@example.net", NULL);
    struct spool_large *large = spool_large_begin(story->spool, &story->why);
    assert_non_null(large);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(spool_large_write(large, text, strlen(text), &story->why), 0);
    assert_int_equal(spool_large_finish(large, m, &story->why), 0);
    assert_int_equal(m->body_bytes, times * strlen(text));
    assert_int_equal(story_store(story, m), 0);
    return m;
}

static char *large_path(struct story *story, const struct message *m)
{
    return mem_printf("%s/large/%s", story->options.directory, m->large);
}

static void a_large_body_lives_as_long_as_its_message(void **state)
{
    struct story *story = *state;
    assert_int_equal(story_open(story), 0);
    struct message *m = store_large(story, "line of a large body\r\n", 50000);
    char *path = large_path(story, m);
    restart(story);
    assert_int_equal(story->nfound, 1);
    assert_true(story_same(story, m));
    assert_int_equal(message_size(story->found[0]), message_size(m));
    char piece[64];
    assert_int_equal(spool_read_large(story->spool, m, 22, piece, 22, &story->why), 22);
    assert_memory_equal(piece, "line of a large body\r\n", 22);
    assert_int_equal(spool_read_large(story->spool, m, m->body_bytes, piece, 9, &story->why), 0);
    assert_int_equal(access(path, F_OK), 0);
    story_note(story, m->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    story_barrier(story);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    message_unref(m);
}

static void a_damaged_large_body_is_never_sent(void **state)
{
    struct story *story = *state;
    assert_int_equal(story_open(story), 0);
    struct message *m = store_large(story, "x", 1000);
    char *path = large_path(story, m);
    assert_int_equal(truncate(path, 999), 0);
    struct message *twin = message_twin(m);
    assert_int_equal(spool_load(story->spool, twin, &story->why), -1);
    assert_false(twin->in_memory);
    message_unref(twin);
    assert_int_equal(story->why.scope, WHY_MESSAGE);
    assert_string_equal(story->why.status, "5.3.0");
    char *aside = mem_printf("damaged/%s", m->large);
    assert_true(exists(story->options.directory, aside));
    free(aside);
    free(path);
    message_unref(m);
}

static void orphans_go_at_the_start(void **state)
{
    struct story *story = *state;
    assert_int_equal(story_open(story), 0);
    struct message *m = store_large(story, "kept", 10);
    struct message *unstored = story_message(10, 0, "a@example.net", NULL);
    struct spool_large *large = spool_large_begin(story->spool, &story->why);
    assert_int_equal(spool_large_finish(large, unstored, &story->why), 0);
    char *path = large_path(story, unstored);
    assert_int_equal(access(path, F_OK), 0);
    story_close(story);
    write_file(story->options.directory, "large/0123", "orphan", 6);
    assert_int_equal(story_open(story), 0);
    assert_false(exists(story->options.directory, "large/0123"));
    assert_true(story_same(story, m));
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    message_unref(unstored);
    message_unref(m);
}

static void found_by_its_id(void **state)
{
    struct story *story = *state;
    assert_int_equal(story_open(story), 0);
    struct message *m = story_message(3, 77, "a@example.net", NULL);
    assert_int_equal(story_store(story, m), 0);
    struct message *found = spool_find(story->spool, m->env.id, &story->why);
    assert_non_null(found);
    assert_true(found->in_memory);
    assert_string_equal(found->env.rcpts[0].address, "a@example.net");
    assert_true(span_equal(buf_span(&found->body), buf_span(&m->body)));
    message_unref(found);
    assert_null(spool_find(story->spool, m->env.id + 1, &story->why));
    message_unref(m);
}

// The trap that "unlink whatever is empty" falls into: the deferred one's neighbours were delivered,
// and their results stand in segments that are empty long before the first one is.
static void one_deferred_message_and_ten_segments(void **state)
{
    struct story *story = *state;
    story->options.segment_bytes = 4096;
    assert_int_equal(story_open(story), 0);
    struct message *deferred = story_message(0, 500, "later@example.net", NULL);
    struct message *neighbour = story_message(1, 500, "now@example.net", NULL);
    assert_int_equal(story_store(story, deferred), 0);
    assert_int_equal(story_store(story, neighbour), 0);
    story_note(story, deferred->env.id, "later@example.net", SPOOL_DEFERRED, 1800000000000);
    for (unsigned i = 2; i < 60; i++) {
        struct message *m = story_message(i, 500, "now@example.net", NULL);
        assert_int_equal(story_store(story, m), 0);
        story_note(story, m->env.id, "now@example.net", SPOOL_DELIVERED, 0);
        if (i == 10)
            story_note(story, neighbour->env.id, "now@example.net", SPOOL_DELIVERED, 0);
        message_unref(m);
    }
    story_barrier(story);
    struct message *twin = message_twin(deferred); // its record has moved
    assert_int_equal(spool_load(story->spool, twin, &story->why), 0);
    assert_true(span_equal(buf_span(&twin->body), buf_span(&deferred->body)));
    message_unref(twin);
    for (int i = 0; i < 3; i++) {
        restart(story);
        assert_int_equal(story->nfound, 1);
        assert_int_equal(story->found[0]->env.id, deferred->env.id);
        assert_int_equal(story->found[0]->env.rcpts[0].next_ms, 1800000000000);
        assert_true(story_same(story, deferred));
    }
    assert_false(exists(story->options.directory, "00000001.log"));
    assert_int_equal(story->alarms, 0);
    struct spool_state now;
    spool_get_state(story->spool, &now);
    assert_int_equal(now.messages, 1);
    assert_true(now.segments < 12);
    message_unref(deferred);
    message_unref(neighbour);
}

static int64_t oldest_ms(struct story *story)
{
    struct spool_state now;
    spool_get_state(story->spool, &now);
    return now.oldest_ms;
}

// The oldest message's record was copied behind younger ones, and a restart finds it there.
static void the_oldest_message_is_known_wherever_its_record_went(void **state)
{
    struct story *story = *state;
    story->options.segment_bytes = 4096;
    assert_int_equal(story_open(story), 0);
    assert_int_equal(oldest_ms(story), 0);
    struct message *first = story_message(0, 500, "later@example.net", NULL);
    struct message *last = story_message(90, 500, "later@example.net", NULL);
    assert_int_equal(story_store(story, first), 0);
    for (unsigned i = 1; i < 60; i++) {
        struct message *m = story_message(i, 500, "now@example.net", NULL);
        assert_int_equal(story_store(story, m), 0);
        story_note(story, m->env.id, "now@example.net", SPOOL_DELIVERED, 0);
        message_unref(m);
    }
    assert_int_equal(story_store(story, last), 0);
    story_barrier(story);
    assert_int_equal(oldest_ms(story), first->env.created_ms);
    restart(story);
    assert_int_equal(oldest_ms(story), first->env.created_ms);
    story_note(story, first->env.id, "later@example.net", SPOOL_DELIVERED, 0);
    story_barrier(story);
    assert_int_equal(oldest_ms(story), last->env.created_ms);
    message_unref(first);
    message_unref(last);
}

static void ids_are_not_used_again(void **state)
{
    struct story *story = *state;
    assert_int_equal(story_open(story), 0);
    struct message *m = story_message(1, 1, "a@example.net", NULL);
    m->env.id += (uint64_t)1 << 40; // the clock was ahead
    assert_int_equal(story_store(story, m), 0);
    restart(story);
    assert_true(id_new() > m->env.id);
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stored_message_is_there_after_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(results_survive, begin, end),
        cmocka_unit_test_setup_teardown(a_second_relay_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_unknown_format_version_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_spool_that_is_a_file_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_large_body_lives_as_long_as_its_message, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_large_body_is_never_sent, begin, end),
        cmocka_unit_test_setup_teardown(orphans_go_at_the_start, begin, end),
        cmocka_unit_test_setup_teardown(found_by_its_id, begin, end),
        cmocka_unit_test_setup_teardown(one_deferred_message_and_ten_segments, begin, end),
        cmocka_unit_test_setup_teardown(the_oldest_message_is_known_wherever_its_record_went, begin,
                                        end),
        cmocka_unit_test_setup_teardown(ids_are_not_used_again, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
