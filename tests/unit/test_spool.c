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
#include "relay/base/id.h"
#include "relay/base/memory.h"
#include "relay/command.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stored_message_is_there_after_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(results_survive, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
