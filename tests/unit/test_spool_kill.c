// SPDX-License-Identifier: ISC
// A relay is killed with -9 under load, again and again on the same spool: each message that it said 250
// to is there when the next one starts, until its end was confirmed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "tests/unit/spool_story.h"

#define ROUNDS  5
#define ANSWERS 60

// What the relay tells its client: 250 for this id, or (after a barrier) that it is done.
struct answer {
    uint64_t id;
    bool done;
};

static void say(int out, uint64_t id, bool done)
{
    struct answer answer = {.id = id, .done = done};
    if (write(out, &answer, sizeof answer) != sizeof answer)
        _exit(2);
}

// Stores for ever; every third message is delivered.
static void relay(const char *directory, unsigned round, int out)
{
    struct story story;
    story_begin(&story, directory, NULL, 8192);
    if (story_open(&story) < 0)
        _exit(3);
    for (unsigned i = 0;; i++) {
        struct message *m = story_message(round * 1000 + i, 300, "a@example.net", NULL);
        uint64_t id = m->env.id;
        if (story_store(&story, m) < 0)
            _exit(4);
        message_unref(m);
        if (i % 3 == 0) {
            story_note(&story, id, "a@example.net", SPOOL_DELIVERED, 0);
            story_barrier(&story);
        }
        say(out, id, i % 3 == 0);
    }
}

static void a_relay_killed_under_load(void **state)
{
    (void)state;
    char *directory = story_directory();
    struct answer answers[ROUNDS * ANSWERS];
    size_t n = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            relay(directory, round, ends[1]);
        }
        close(ends[1]);
        for (size_t i = 0; i < ANSWERS; i++)
            assert_int_equal(read(ends[0], &answers[n++], sizeof *answers), sizeof *answers);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ends[0]);
    }
    struct story story;
    story_begin(&story, directory, NULL, 8192);
    assert_int_equal(story_open(&story), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(story_found(&story, answers[i].id), !answers[i].done);
    for (size_t i = 0; i < story.nfound; i++)
        assert_int_equal(spool_load(story.spool, story.found[i], &story.why), 0);
    assert_int_equal(story.alarms, 0);
    story_end(&story);
    story_remove(directory);
    free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_relay_killed_under_load)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
