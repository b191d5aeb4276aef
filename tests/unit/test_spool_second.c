// SPDX-License-Identifier: ISC
// A spool with a second place: 250 means both. What one of them has not, counts in neither, whichever it is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "relay/base/maxima.h"
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
    struct disk *disk;
    atomic_size_t
        back_at; // it is ready again when the disk has seen so many operations; 0: not by itself
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
    struct place *p = self;
    size_t back_at = atomic_load(&p->back_at);
    return atomic_load(&p->ready) || (back_at && disk_count(p->disk) >= back_at);
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

// A spool with its two places, in which message a stands.
struct pair {
    struct disk *disk;
    struct story story;
    struct place p;
    struct message *a;
    uint64_t bytes; // that the second place has then
};

static uint64_t bytes_of(const struct place *p)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->n; i++)
        bytes += p->bytes[i];
    return bytes;
}

static int pair_store(struct pair *t, struct message *m)
{
    int rc = story_store(&t->story, m);
    message_unref(m);
    return rc;
}

static struct message *pair_message(unsigned seed)
{
    return story_message(seed, 500, "a@example.net", NULL);
}

static void pair_delivered(struct pair *t)
{
    story_note(&t->story, t->a->env.id, "a@example.net", SPOOL_DELIVERED, 0);
}

static int set_up(void **state)
{
    struct pair *t = mem_new(sizeof *t);
    t->disk = t->p.disk = disk_new();
    t->p.sink = (struct spool_sink){&t->p,           second_prepares, second_attaches,
                                    second_is_ready, second_takes,    second_answers,
                                    second_cuts,     second_drops,    second_forgets};
    atomic_store(&t->p.ready, true);
    story_begin(&t->story, "/spool", disk_files(t->disk), 4096);
    t->story.options.sink = &t->p.sink;
    assert_int_equal(story_open(&t->story), 0);
    t->a = pair_message(1);
    assert_int_equal(story_store(&t->story, t->a), 0);
    t->bytes = bytes_of(&t->p);
    *state = t;
    return 0;
}

static void end(struct pair *t)
{
    message_unref(t->a);
    story_end(&t->story);
    disk_free(t->disk);
    free(t);
}

// What a start finds, and brings to the second place.
static void reopen(struct pair *t, size_t nfound)
{
    story_close(&t->story);
    assert_int_equal(story_open(&t->story), 0);
    assert_int_equal(t->story.nfound, nfound);
}

static void each_byte_goes_to_both(void **state)
{
    struct pair *t = *state;
    for (unsigned i = 2; i < 9; i++) {
        struct message *m = story_message(i, 1000, "a@example.net", NULL);
        assert_int_equal(story_store(&t->story, m), 0);
        if (i % 2)
            story_note(&t->story, m->env.id, "a@example.net", SPOOL_DELIVERED, 0);
        message_unref(m);
    }
    pair_delivered(t);
    story_barrier(&t->story);
    story_close(&t->story);
    uint64_t bytes = bytes_of(&t->p);
    reopen(t, 4);
    assert_int_equal(t->p.attached, bytes); // as the disk has them
    end(t);
}

static void what_the_second_refuses_is_not_here_either(void **state)
{
    struct pair *t = *state;
    atomic_store(&t->p.refuses, true);
    assert_int_equal(pair_store(t, pair_message(2)), -1);
    assert_string_equal(t->story.why.text, "the second place says no");
    assert_int_equal(atomic_load(&t->p.cuts), 1);
    atomic_store(&t->p.refuses, false);
    struct message *c = pair_message(3);
    assert_int_equal(story_store(&t->story, c), 0);
    reopen(t, 2);
    assert_true(story_found(&t->story, t->a->env.id) && story_found(&t->story, c->env.id));
    message_unref(c);
    end(t);
}

static void what_the_disk_refuses_is_cut_off_there(void **state)
{
    struct pair *t = *state;
    disk_fail(t->disk, disk_count(t->disk), EIO, 1);
    assert_int_equal(pair_store(t, pair_message(2)), -1);
    assert_int_equal(t->p.cut_end, SEGMENT_HEAD + t->bytes);
    assert_int_equal(bytes_of(&t->p), t->bytes);
    story_close(&t->story);
    end(t);
}

static void while_it_is_away_nothing_is_taken_and_results_wait(void **state)
{
    struct pair *t = *state;
    int submits = atomic_load(&t->p.submits);
    atomic_store(&t->p.ready, false);
    pair_delivered(t);
    assert_int_equal(pair_store(t, pair_message(2)), -1);
    assert_int_equal(t->story.why.status[0], '4');
    assert_false(spool_healthy(t->story.spool));
    assert_int_equal(atomic_load(&t->p.submits), submits);
    atomic_store(&t->p.ready, true);
    story_barrier(&t->story);
    assert_true(atomic_load(&t->p.submits) > submits);
    assert_true(spool_healthy(t->story.spool));
    reopen(t, 0);
    end(t);
}

// Results would be lost with the relay's end, and what they tell be done again.
static void a_relay_that_ends_without_it_keeps_its_results_here(void **state)
{
    struct pair *t = *state;
    atomic_store(&t->p.ready, false);
    pair_delivered(t);
    story_close(&t->story);
    assert_int_equal(bytes_of(&t->p), t->bytes);
    reopen(t, 0);
    assert_true(t->p.attached > t->bytes); // and goes there now
    end(t);
}

// Else the place would have what stands behind a hole, and lack what was copied into it.
static void what_went_here_alone_is_followed_by_nothing_there(void **state)
{
    struct pair *t = *state;
    atomic_store(&t->p.ready, false);
    assert_int_equal(pair_store(t, pair_message(2)), -1); // it was looked for
    atomic_store(&t->p.back_at, disk_count(t->disk) + 1);
    for (unsigned i = 0; i < SPOOL_PIECES; i++) // more than one batch
        story_note(&t->story, t->a->env.id, "a@example.net", SPOOL_DEFERRED, 1);
    pair_delivered(t);
    story_close(&t->story);
    assert_true(disk_count(t->disk) > atomic_load(&t->p.back_at));
    assert_int_equal(bytes_of(&t->p), t->bytes);
    assert_int_equal(t->p.dropped, 0);
    reopen(t, 0);
    end(t);
}

static void a_batch_is_awaited_however_long(void **state)
{
    struct pair *t = *state;
    atomic_store(&t->p.waits, 5);
    assert_int_equal(pair_store(t, pair_message(2)), 0);
    assert_int_equal(atomic_load(&t->p.waits), 0);
    assert_true(spool_healthy(t->story.spool));
    story_close(&t->story);
    end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_byte_goes_to_both, set_up),
        cmocka_unit_test_setup(what_the_second_refuses_is_not_here_either, set_up),
        cmocka_unit_test_setup(what_the_disk_refuses_is_cut_off_there, set_up),
        cmocka_unit_test_setup(while_it_is_away_nothing_is_taken_and_results_wait, set_up),
        cmocka_unit_test_setup(a_relay_that_ends_without_it_keeps_its_results_here, set_up),
        cmocka_unit_test_setup(what_went_here_alone_is_followed_by_nothing_there, set_up),
        cmocka_unit_test_setup(a_batch_is_awaited_however_long, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
