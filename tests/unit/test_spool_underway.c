// SPDX-License-Identifier: ISC
// What was under way when the program ended: counted over crashes, forgotten after an attempt that came to its end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "tests/unit/spool_disk.h"
#include "tests/unit/spool_story.h"

struct life {
    struct disk *disk;
    struct story story;
    struct message *m;
    uint64_t id;
};

static int begin(void **state)
{
    struct life *life = *state = mem_new(sizeof *life);
    life->disk = disk_new();
    story_begin(&life->story, "/spool", disk_files(life->disk), 16384);
    assert_int_equal(story_open(&life->story), 0);
    life->m = story_message(1, 100, "a@example.net", "b@example.com", NULL);
    life->id = life->m->env.id;
    assert_int_equal(story_store(&life->story, life->m), 0);
    return 0;
}

static int end(void **state)
{
    struct life *life = *state;
    message_unref(life->m);
    story_end(&life->story);
    disk_free(life->disk);
    free(life);
    return 0;
}

static void crash(struct life *life)
{
    struct disk *copy = disk_copy(life->disk);
    story_end(&life->story);
    disk_free(life->disk);
    life->disk = copy;
    story_begin(&life->story, "/spool", disk_files(copy), 16384);
    assert_int_equal(story_open(&life->story), 0);
}

static unsigned crashes(struct life *life, const char *domain)
{
    return spool_crashes(life->story.spool, life->id, domain);
}

static void what_was_under_way_is_counted(void **state)
{
    struct life *life = *state;
    unsigned one = spool_begin(life->story.spool, life->id, "example.net");
    unsigned two = spool_begin(life->story.spool, life->id, "example.com");
    assert_true(one && two && one != two);
    spool_end(life->story.spool, two, true);
    for (unsigned n = 1; n <= 4; n++) {
        crash(life);
        assert_int_equal(crashes(life, "example.net"), n);
        assert_int_equal(crashes(life, "example.com"), 0);
        assert_true(spool_begin(life->story.spool, life->id, "example.net"));
        assert_int_equal(crashes(life, "example.net"), 0); // not twice at once
    }
}

static void a_crash_before_it_begins_again_does_not_count(void **state)
{
    struct life *life = *state;
    spool_begin(life->story.spool, life->id, "example.net");
    crash(life);
    crash(life);
    assert_int_equal(crashes(life, "example.net"), 1);
    unsigned n = spool_begin(life->story.spool, life->id, "example.net");
    spool_end(life->story.spool, n, false); // no connection was free
    assert_int_equal(crashes(life, "example.net"), 1);
    story_close(&life->story); // a clean end counts nothing, and forgets nothing
    assert_int_equal(story_open(&life->story), 0);
    assert_int_equal(crashes(life, "example.net"), 1);
    n = spool_begin(life->story.spool, life->id, "example.net");
    spool_end(life->story.spool, n, true);
    crash(life);
    assert_int_equal(crashes(life, "example.net"), 0);
}

static void a_message_that_is_gone_is_not_remembered(void **state)
{
    struct life *life = *state;
    spool_begin(life->story.spool, life->id, "example.net");
    story_note(&life->story, life->id, "a@example.net", SPOOL_DELIVERED, 0);
    story_note(&life->story, life->id, "b@example.com", SPOOL_DELIVERED, 0);
    story_barrier(&life->story);
    crash(life);
    assert_int_equal(crashes(life, "example.net"), 0);
}

static void more_than_it_can_hold_are_not_known(void **state)
{
    struct life *life = *state;
    unsigned last = 0, n = 0;
    while ((last = spool_begin(life->story.spool, life->id + n, "example.net")))
        n++;
    assert_in_range(n, 1000, 100000);
    spool_end(life->story.spool, 0, true); // harmless
    spool_end(life->story.spool, 7, true);
    assert_int_equal(spool_begin(life->story.spool, 1, "x"), 7);
}

// Whatever the file says, it opens and counts nothing absurd: of another boot, cut, or noise.
static void the_file_may_say_anything(void **state)
{
    struct life *life = *state;
    for (unsigned seed = 0; seed < 50; seed++) {
        spool_begin(life->story.spool, life->id, "example.net");
        struct disk *copy = disk_copy(life->disk);
        size_t n;
        unsigned char *bytes = disk_mapped(copy, &n);
        srandom(seed);
        for (size_t i = seed % 8 ? (size_t)random() % n : 0, k = 0; k < 100 && i < n; i++, k++)
            bytes[i] = (unsigned char)random();
        story_end(&life->story);
        disk_free(life->disk);
        life->disk = copy;
        story_begin(&life->story, "/spool", disk_files(copy), 16384);
        assert_int_equal(story_open(&life->story), 0);
        (void)crashes(life, "example.net");
    }
}

#define LIFE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(what_was_under_way_is_counted),
        LIFE(a_crash_before_it_begins_again_does_not_count),
        LIFE(a_message_that_is_gone_is_not_remembered),
        LIFE(more_than_it_can_hold_are_not_known),
        LIFE(the_file_may_say_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
