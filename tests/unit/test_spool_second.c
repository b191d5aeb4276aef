// SPDX-License-Identifier: ISC
// A spool with a second place: 250 means both. What one of them has not, counts in neither, whichever it is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/spool/sink.h"
#include "tests/unit/spool_disk.h"
#include "tests/unit/spool_story.h"

#define BATCHES 64

// What the place has: the bytes of each batch, by segment and offset.
struct place {
    struct spool_sink sink;
    uint64_t number[BATCHES], at[BATCHES], bytes[BATCHES];
    size_t n;
    atomic_bool ready, refuses;
    _Atomic int waits; // so many times there is no answer yet
    uint64_t cut_number, cut_end, dropped, attached;
    atomic_int cuts, submits;
};

static int second_prepares(void *self, const char *directory, int *exit_status, struct why *why)
{
    (void)self;
    (void)directory;
    (void)exit_status;
    (void)why;
    return 0;
}

static int second_attaches(void *self, const struct spool_sink_standing *standing, int *exit_status,
                           struct why *why)
{
    struct place *p = self;
    (void)exit_status;
    (void)why;
    p->attached = 0;
    for (size_t i = 0; i < standing->nsegments; i++)
        p->attached += standing->segments[i].end - SEGMENT_HEAD;
    return 0;
}

static bool second_is_ready(void *self)
{
    return atomic_load(&((struct place *)self)->ready);
}

static void second_takes(void *self, const struct spool_sink_batch *batch)
{
    struct place *p = self;
    uint64_t bytes = 0;
    for (int i = 0; i < batch->npieces; i++)
        bytes += batch->pieces[i].iov_len;
    atomic_fetch_add(&p->submits, 1);
    if (atomic_load(&p->refuses))
        return;
    assert_true(p->n < BATCHES);
    p->number[p->n] = batch->key->number;
    p->at[p->n] = batch->offset;
    p->bytes[p->n++] = bytes;
}

static enum spool_sink_answer second_answers(void *self, unsigned ms, struct why *why)
{
    struct place *p = self;
    (void)ms;
    if (atomic_load(&p->waits) > 0) {
        atomic_fetch_sub(&p->waits, 1);
        return SINK_WAIT;
    }
    if (!atomic_load(&p->refuses))
        return SINK_DONE;
    why_set(why, WHY_OURS, "4.3.0", "the second place says no");
    return SINK_REFUSED;
}

static void second_cuts(void *self, uint64_t number, uint64_t end)
{
    struct place *p = self;
    p->cut_number = number;
    p->cut_end = end;
    atomic_fetch_add(&p->cuts, 1);
    for (size_t i = p->n; i-- > 0;)
        if (p->number[i] == number && p->at[i] >= end)
            p->n--;
}

static void second_drops(void *self, uint64_t number)
{
    ((struct place *)self)->dropped = number;
}

static void second_forgets(void *self, const char *large)
{
    (void)self;
    (void)large;
}

static void begin(struct story *story, struct place *p, struct disk *disk)
{
    memset(p, 0, sizeof *p);
    p->sink = (struct spool_sink){p,
                                  second_prepares,
                                  second_attaches,
                                  second_is_ready,
                                  second_takes,
                                  second_answers,
                                  second_cuts,
                                  second_drops,
                                  second_forgets};
    atomic_store(&p->ready, true);
    story_begin(story, "/spool", disk_files(disk), 4096);
    story->options.sink = &p->sink;
    assert_int_equal(story_open(story), 0);
}

static uint64_t bytes_of(const struct place *p)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->n; i++)
        bytes += p->bytes[i];
    return bytes;
}

static void each_byte_goes_to_both(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    struct place p;
    begin(&story, &p, disk);
    for (unsigned i = 0; i < 8; i++) {
        struct message *m = story_message(i, 1000, "a@example.net", NULL);
        assert_int_equal(story_store(&story, m), 0);
        if (i % 2)
            story_note(&story, m->env.id, "a@example.net", SPOOL_DELIVERED, 0);
        message_unref(m);
    }
    story_barrier(&story);
    story_close(&story);
    uint64_t bytes = bytes_of(&p);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, 4);
    assert_int_equal(p.attached, bytes); // as the disk has them
    story_end(&story);
    disk_free(disk);
}

static void what_the_second_refuses_is_not_here_either(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    struct place p;
    begin(&story, &p, disk);
    struct message *a = story_message(1, 500, "a@example.net", NULL);
    struct message *b = story_message(2, 500, "b@example.net", NULL);
    struct message *c = story_message(3, 500, "c@example.net", NULL);
    assert_int_equal(story_store(&story, a), 0);
    atomic_store(&p.refuses, true);
    assert_int_equal(story_store(&story, b), -1);
    assert_string_equal(story.why.text, "the second place says no");
    assert_int_equal(atomic_load(&p.cuts), 1);
    atomic_store(&p.refuses, false);
    assert_int_equal(story_store(&story, c), 0);
    story_close(&story);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, 2);
    assert_true(story_found(&story, a->env.id) && story_found(&story, c->env.id));
    message_unref(a);
    message_unref(b);
    message_unref(c);
    story_end(&story);
    disk_free(disk);
}

static void what_the_disk_refuses_is_cut_off_there(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    struct place p;
    begin(&story, &p, disk);
    struct message *a = story_message(1, 500, "a@example.net", NULL);
    struct message *b = story_message(2, 500, "b@example.net", NULL);
    assert_int_equal(story_store(&story, a), 0);
    uint64_t bytes = bytes_of(&p);
    disk_fail(disk, disk_count(disk), EIO, 1);
    assert_int_equal(story_store(&story, b), -1);
    assert_int_equal(p.cut_end, SEGMENT_HEAD + bytes);
    assert_int_equal(bytes_of(&p), bytes);
    message_unref(a);
    message_unref(b);
    story_close(&story);
    story_end(&story);
    disk_free(disk);
}

static void while_it_is_away_nothing_is_taken_and_results_wait(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    struct place p;
    begin(&story, &p, disk);
    struct message *a = story_message(1, 500, "a@example.net", NULL);
    struct message *b = story_message(2, 500, "b@example.net", NULL);
    assert_int_equal(story_store(&story, a), 0);
    int submits = atomic_load(&p.submits);
    atomic_store(&p.ready, false);
    story_note(&story, a->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    assert_int_equal(story_store(&story, b), -1);
    assert_int_equal(story.why.status[0], '4');
    assert_false(spool_healthy(story.spool));
    assert_int_equal(atomic_load(&p.submits), submits);
    atomic_store(&p.ready, true);
    story_barrier(&story);
    assert_true(atomic_load(&p.submits) > submits);
    assert_true(spool_healthy(story.spool));
    message_unref(a);
    message_unref(b);
    story_close(&story);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, 0);
    story_end(&story);
    disk_free(disk);
}

// Results would be lost with the relay's end, and what they tell be done again.
static void a_relay_that_ends_without_it_keeps_its_results_here(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    struct place p;
    begin(&story, &p, disk);
    struct message *a = story_message(1, 500, "a@example.net", NULL);
    assert_int_equal(story_store(&story, a), 0);
    uint64_t bytes = bytes_of(&p);
    atomic_store(&p.ready, false);
    story_note(&story, a->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    message_unref(a);
    story_close(&story);
    assert_int_equal(bytes_of(&p), bytes);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, 0);
    assert_true(p.attached > bytes); // and goes there now
    story_end(&story);
    disk_free(disk);
}

static void a_batch_is_awaited_however_long(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    struct place p;
    begin(&story, &p, disk);
    struct message *a = story_message(1, 500, "a@example.net", NULL);
    atomic_store(&p.waits, 5);
    assert_int_equal(story_store(&story, a), 0);
    assert_int_equal(atomic_load(&p.waits), 0);
    assert_true(spool_healthy(story.spool));
    message_unref(a);
    story_close(&story);
    story_end(&story);
    disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_goes_to_both),
        cmocka_unit_test(what_the_second_refuses_is_not_here_either),
        cmocka_unit_test(what_the_disk_refuses_is_cut_off_there),
        cmocka_unit_test(while_it_is_away_nothing_is_taken_and_results_wait),
        cmocka_unit_test(a_relay_that_ends_without_it_keeps_its_results_here),
        cmocka_unit_test(a_batch_is_awaited_however_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
