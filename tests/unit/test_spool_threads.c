// SPDX-License-Identifier: ISC
// Several workers store, load and note at once, while segments roll and are emptied under them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "relay/base/mem.h"
#include "tests/unit/spool_story.h"

#define WORKERS 4
#define MAIL    150

struct worker {
    struct story *story;
    pthread_t thread;
    uint64_t deferred; // its first message, which stays
    bool failed;
};

static void work_on(struct worker *worker, unsigned seed, struct inbox *inbox)
{
    struct spool *spool = worker->story->spool;
    struct message *m = story_message(seed, 300 + seed % 5 * 100, "a@example.net", NULL);
    struct spool_write write = {.reply = inbox, .message = m};
    struct why why;
    spool_store(spool, &write);
    while (!inbox_wait(inbox, -1))
        ;
    struct message *twin = message_twin(m);
    worker->failed |= write.failed || spool_load(spool, twin, &why) < 0 ||
                      !span_equal(buf_span(&twin->body), buf_span(&m->body));
    message_unref(twin);
    struct spool_result result = {
        .id = m->env.id, .address = "a@example.net", .outcome = SPOOL_DELIVERED};
    if (!worker->deferred)
        worker->deferred = m->env.id;
    else
        spool_note(spool, &result);
    struct message *first = spool_find(spool, worker->deferred, &why); // wherever it is by now
    worker->failed |= !first || !spool_room(spool) || !spool_healthy(spool);
    message_unref(first);
    message_unref(m);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct inbox *inbox = inbox_open_blocking();
    for (unsigned i = 0; i < MAIL; i++)
        work_on(worker, i, inbox);
    inbox_close(inbox);
    return NULL;
}

static void workers_share_a_spool(void **state)
{
    (void)state;
    struct story story;
    struct worker workers[WORKERS];
    char *directory = story_directory();
    story_begin(&story, directory, NULL, 16384);
    assert_int_equal(story_open(&story), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.story = &story};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_false(workers[i].failed);
    }
    struct spool_state now;
    spool_get_state(story.spool, &now);
    assert_int_equal(now.stored, WORKERS * MAIL);
    assert_true(now.syncs < now.stored + now.results);
    story_close(&story);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, WORKERS);
    for (size_t i = 0; i < WORKERS; i++)
        assert_true(story_found(&story, workers[i].deferred));
    assert_int_equal(story.alarms, 0);
    story_end(&story);
    story_remove(directory);
    free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(workers_share_a_spool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
