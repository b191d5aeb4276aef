// SPDX-License-Identifier: ISC
// The disk says no. Every operation of a relay's life fails in turn, once or from then on, with each
// error; what was answered with 250 all the same must be there after a restart on a disk that is well,
// and what was refused must not be there twice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "tests/unit/spool_disk.h"
#include "tests/unit/spool_story.h"

#define MAIL    24
#define SEGMENT 2048

struct life {
    struct disk *disk;
    struct story story;
    struct message *mail[MAIL];
    bool stored[MAIL];
    size_t n;
};

// The others' records are dead soon, so that the ones of these are copied.
static bool waits(size_t i)
{
    return i % 8 == 0;
}

static int hand_in(struct life *life, size_t i)
{
    struct message *m = story_message((unsigned)i, i % 6 == 5 ? 0 : 100 + i * 40, "a@example.net",
                                      "b@example.net", NULL);
    struct why *why = &life->story.why;
    life->mail[i] = m;
    life->n = i + 1;
    if (i % 6 == 5) {
        struct spool_large *large = spool_large_begin(life->story.spool, why);
        if (!large)
            return -1;
        if (spool_large_write(large, "a large body", 12, why) < 0) {
            spool_large_abort(large);
            return -1;
        }
        if (spool_large_finish(large, m, why) < 0)
            return -1;
    }
    return story_store(&life->story, m);
}

// Every message is delivered to its first recipient as soon as it may; most of them entirely.
static void live(struct life *life, size_t at, int error, bool lasting)
{
    life->disk = disk_new();
    story_begin(&life->story, "/spool", disk_files(life->disk), SEGMENT);
    disk_fail(life->disk, at, error, lasting ? SIZE_MAX : 1);
    int rc = story_open(&life->story);
    if (rc < 0) {
        assert_true(disk_failed(life->disk));
        assert_int_equal(life->story.exit_status, EXIT_TEMP);
        return;
    }
    for (size_t i = 0; i < MAIL; i++) {
        life->stored[i] = hand_in(life, i) == 0;
        if (!life->stored[i]) {
            assert_int_equal(life->story.why.scope, WHY_OURS);
            assert_int_equal(life->story.why.status[0], '4');
            continue;
        }
        uint64_t id = life->mail[i]->env.id;
        story_note(&life->story, id, "a@example.net", SPOOL_DELIVERED, 0);
        if (!waits(i))
            story_note(&life->story, id, "b@example.net", SPOOL_DELIVERED, 0);
    }
    if (!lasting)
        story_barrier(&life->story);
    story_close(&life->story);
}

// A restart on a disk that is well again: everything stored has its second recipient open, unless it
// was delivered and the spool could say so.
static void check(struct life *life, bool lasting)
{
    disk_fail(life->disk, 0, 0, 0);
    assert_int_equal(story_open(&life->story), 0);
    for (size_t i = 0; i < life->n; i++) {
        const struct message *m = life->mail[i];
        bool there = story_found(&life->story, m->env.id);
        if (life->stored[i] && waits(i))
            assert_true(there);
        if (!lasting && (!life->stored[i] || !waits(i)))
            assert_false(there);
        if (there)
            assert_true(story_same(&life->story, m));
    }
    for (size_t i = 0; !lasting && i < life->story.nfound; i++)
        assert_int_equal(life->story.found[i]->env.nrcpts, 1);
    assert_true(spool_healthy(life->story.spool));
    story_close(&life->story);
}

// True as long as the failure came before the life's end.
static bool fails_at(size_t at, int error, bool lasting)
{
    struct life *life = mem_new(sizeof *life);
    live(life, at, error, lasting);
    bool failed = disk_failed(life->disk);
    if (life->n)
        assert_true(disk_below(life->disk, "/spool/large") <= MAIL / 6);
    check(life, lasting);
    for (size_t i = 0; i < life->n; i++)
        message_unref(life->mail[i]);
    story_end(&life->story);
    disk_free(life->disk);
    free(life);
    return failed;
}

static void fail_each(int error, bool lasting)
{
    size_t at = 0;
    while (fails_at(at, error, lasting))
        at++;
    print_message("%zu operations\n", at);
    assert_true(at > 50);
}

static void an_operation_fails_once(void **state)
{
    (void)state;
    fail_each(EIO, false);
}

static void the_disk_is_full_for_a_moment(void **state)
{
    (void)state;
    fail_each(ENOSPC, false);
}

static void a_write_stops_half_way(void **state)
{
    (void)state;
    fail_each(DISK_SHORT, false);
}

static void the_disk_dies(void **state)
{
    (void)state;
    fail_each(EIO, true);
}

static void the_disk_fills_up(void **state)
{
    (void)state;
    fail_each(ENOSPC, true);
}

static void refuse_one(struct disk *disk, struct story *story, struct message *kept,
                       struct message *refused, size_t times)
{
    assert_int_equal(story_open(story), 0);
    assert_int_equal(story_store(story, kept), 0);
    disk_fail(disk, disk_count(disk) + 1, EIO, times); // the write goes well, the sync does not
    assert_int_equal(story_store(story, refused), -1);
    story_close(story);
    disk_fail(disk, 0, 0, 0);
    assert_true(story->alarms > 0);
    assert_int_equal(story_open(story), 0);
    assert_true(story_found(story, kept->env.id));
    assert_true(story_same(story, kept));
}

static void a_segment_that_cannot_be_cut(size_t times, bool known)
{
    struct disk *disk = disk_new();
    struct story story;
    story_begin(&story, "/spool", disk_files(disk), 4096);
    struct message *kept = story_message(1, 100, "a@example.net", NULL);
    struct message *refused = story_message(2, 100, "a@example.net", NULL);
    refuse_one(disk, &story, kept, refused, times);
    assert_int_equal(story_found(&story, refused->env.id), !known);
    message_unref(kept);
    message_unref(refused);
    story_end(&story);
    disk_free(disk);
}

// The sync fails, and the cut behind it: the file's new name says up to where it counts.
static void a_segment_that_cannot_be_cut_is_suspect(void **state)
{
    (void)state;
    a_segment_that_cannot_be_cut(2, true);
}

// Nothing works any more: what was told 451 may come back, but what was told 250 is there.
static void a_disk_that_does_nothing_any_more(void **state)
{
    (void)state;
    a_segment_that_cannot_be_cut(SIZE_MAX, false);
}

static void below_the_reserve_there_is_no_room(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    story_begin(&story, "/spool", disk_files(disk), 0);
    story.options.disk_reserve = 1000;
    disk_set_free(disk, 999);
    assert_int_equal(story_open(&story), 0);
    assert_false(spool_room(story.spool));
    assert_true(spool_healthy(story.spool)); // what is there is delivered
    story_close(&story);
    disk_set_free(disk, 1000);
    assert_int_equal(story_open(&story), 0);
    assert_true(spool_room(story.spool));
    story_end(&story);
    disk_free(disk);
}

// While results are owed no delivery may start; the first sync that carries them makes it well again.
static void it_is_healthy_when_what_is_owed_is_on_disk(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    story_begin(&story, "/spool", disk_files(disk), 4096);
    assert_int_equal(story_open(&story), 0);
    struct message *m = story_message(1, 100, "a@example.net", "b@example.net", NULL);
    assert_int_equal(story_store(&story, m), 0);
    assert_true(spool_healthy(story.spool));
    disk_fail(disk, disk_count(disk), EIO, SIZE_MAX);
    story_note(&story, m->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    for (int i = 0; i < 1000 && spool_healthy(story.spool); i++)
        usleep(5000);
    assert_false(spool_healthy(story.spool));
    struct message *other = story_message(2, 100, "a@example.net", NULL);
    assert_int_equal(story_store(&story, other), -1); // and says nothing of health
    assert_false(spool_healthy(story.spool));
    disk_fail(disk, 0, 0, 0);
    story_barrier(&story); // stands behind what is owed
    for (int i = 0; i < 1000 && !spool_healthy(story.spool); i++)
        usleep(5000);
    assert_true(spool_healthy(story.spool));
    story_close(&story);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, 1);
    assert_int_equal(story.found[0]->env.nrcpts, 1);
    message_unref(m);
    message_unref(other);
    story_end(&story);
    disk_free(disk);
}

// A copy and what it was copied from are both there when the power goes before the old segment does: the newer one
// counts, with its recipients as they stood then.
static void the_newer_copy_of_a_message_counts(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    story_begin(&story, "/spool", disk_files(disk), 2048);
    assert_int_equal(story_open(&story), 0);
    struct message *m = story_message(1, 200, "a@example.net", "b@example.net", NULL);
    assert_int_equal(story_store(&story, m), 0);
    story_note(&story, m->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    story_note(&story, m->env.id, "b@example.net", SPOOL_DEFERRED, 1700000099000);
    story_barrier(&story);
    size_t n = 0, first_bytes;
    unsigned char *old = disk_bytes(disk, "/spool/00000001.log", &first_bytes);
    unsigned char *kept = memcpy(mem_new(first_bytes), old, first_bytes);
    for (unsigned i = 2; i < 60 && disk_bytes(disk, "/spool/00000001.log", &n); i++) {
        struct message *other = story_message(i, 300, "c@example.net", NULL);
        assert_int_equal(story_store(&story, other), 0);
        story_note(&story, other->env.id, "c@example.net", SPOOL_DELIVERED, 0);
        story_barrier(&story);
        message_unref(other);
    }
    assert_null(disk_bytes(disk, "/spool/00000001.log", &n));
    story_close(&story);
    // The old segment is there again, without its results: as if only its beginning had lasted.
    const struct spool_files *files = disk_files(disk);
    int fd = files->open(files->self, "/spool/00000001.log", SPOOL_CREATE);
    assert_int_equal(spool_files_write(files, fd, kept, m->offset + m->record_bytes, 0), 0);
    files->close(files->self, fd);
    free(kept);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, 1);
    assert_int_equal(story.found[0]->env.nrcpts, 1);
    assert_string_equal(story.found[0]->env.rcpts[0].address, "b@example.net");
    assert_int_equal(story.found[0]->env.rcpts[0].attempts, 1);
    assert_true(story.found[0]->segment > 1);
    assert_true(story_same(&story, m));
    message_unref(m);
    story_end(&story);
    disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_fails_once),
        cmocka_unit_test(the_disk_is_full_for_a_moment),
        cmocka_unit_test(a_write_stops_half_way),
        cmocka_unit_test(the_disk_dies),
        cmocka_unit_test(the_disk_fills_up),
        cmocka_unit_test(a_segment_that_cannot_be_cut_is_suspect),
        cmocka_unit_test(a_disk_that_does_nothing_any_more),
        cmocka_unit_test(below_the_reserve_there_is_no_room),
        cmocka_unit_test(it_is_healthy_when_what_is_owed_is_on_disk),
        cmocka_unit_test(the_newer_copy_of_a_message_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
