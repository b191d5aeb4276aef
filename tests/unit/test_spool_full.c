// SPDX-License-Identifier: ISC
// A disk without a free byte: whatever is delivered is recorded in the reserve, segments go, the disk heals by itself;
// through restarts, and at whatever moment it filled up.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "tests/unit/spool_disk.h"
#include "tests/unit/spool_story.h"

#define MAIL    40
#define SEGMENT 131072 // the reserve's files get 4096 bytes each

struct full {
    struct disk *disk;
    struct story story;
    struct message *mail[MAIL];
    bool filled;
};

static int begin(void **state)
{
    struct full *full = *state = mem_new(sizeof *full);
    full->disk = disk_new();
    story_begin(&full->story, "/spool", disk_files(full->disk), SEGMENT);
    assert_int_equal(story_open(&full->story), 0);
    for (unsigned i = 0; i < MAIL; i++) {
        full->mail[i] = story_message(i, 10000, "a@example.net", "b@example.net", NULL);
        assert_int_equal(story_store(&full->story, full->mail[i]), 0);
    }
    return 0;
}

static int end(void **state)
{
    struct full *full = *state;
    for (unsigned i = 0; i < MAIL; i++)
        message_unref(full->mail[i]);
    story_end(&full->story);
    disk_free(full->disk);
    free(full);
    return 0;
}

static void fill(struct full *full, bool filled)
{
    full->filled = filled;
    disk_set_full(full->disk, filled);
}

static void restart(struct full *full)
{
    story_close(&full->story);
    assert_int_equal(story_open(&full->story), 0);
}

// As kill -9 does it: what is on disk is what the next one finds.
static void crash(struct full *full)
{
    struct disk *copy = disk_copy(full->disk);
    disk_set_full(copy, full->filled);
    disk_set_full(full->disk, false);
    story_end(&full->story);
    disk_free(full->disk);
    full->disk = copy;
    story_begin(&full->story, "/spool", disk_files(copy), SEGMENT);
    assert_int_equal(story_open(&full->story), 0);
}

static size_t reserves(struct full *full)
{
    size_t found = 0, n;
    for (int i = 1; i <= SPOOL_RESERVES; i++) {
        char path[40];
        snprintf(path, sizeof path, "/spool/reserve.%d", i);
        found += disk_bytes(full->disk, path, &n) != NULL;
    }
    return found;
}

static void heals(struct full *full)
{
    fill(full, false);
    struct message *m = story_message(99, 100, "late@example.net", NULL);
    for (int i = 0; i < 100 && !spool_room(full->story.spool); i++)
        usleep(50000);
    assert_true(spool_room(full->story.spool));
    assert_int_equal(story_store(&full->story, m), 0);
    assert_int_equal(reserves(full), SPOOL_RESERVES);
    message_unref(m);
}

static void a_full_disk_takes_no_mail_and_says_so(void **state)
{
    struct full *full = *state;
    fill(full, true);
    restart(full); // what was taken ahead is given back
    struct message *m = story_message(99, 100, "late@example.net", NULL);
    assert_int_equal(story_store(&full->story, m), -1);
    assert_string_equal(full->story.why.status, "4.3.1");
    assert_false(spool_room(full->story.spool));
    assert_true(spool_healthy(full->story.spool));
    message_unref(m);
    heals(full);
}

// Every recipient's end is recorded, in the middle of it with a restart or a crash.
static void case_117_what_is_delivered_on_a_full_disk_is_recorded(void **state)
{
    struct full *full = *state;
    fill(full, true);
    restart(full);
    for (size_t i = 0; i < MAIL; i++) {
        story_note(&full->story, full->mail[i]->env.id, "a@example.net", SPOOL_DELIVERED, 0);
        story_note(&full->story, full->mail[i]->env.id, "b@example.net", SPOOL_DEFERRED,
                   1700000099000);
        story_barrier(&full->story);
        if (i == 10)
            restart(full);
        if (i == 20)
            crash(full);
    }
    crash(full);
    assert_int_equal(full->story.nfound, MAIL);
    for (size_t i = 0; i < MAIL; i++) {
        assert_int_equal(full->story.found[i]->env.nrcpts, 1);
        assert_true(story_same(&full->story, full->mail[i]));
    }
    for (size_t i = 0; i < MAIL; i++) {
        story_note(&full->story, full->mail[i]->env.id, "b@example.net", SPOOL_DELIVERED, 0);
        story_barrier(&full->story);
    }
    assert_true(spool_healthy(full->story.spool));
    crash(full);
    assert_int_equal(full->story.nfound, 0);
    heals(full);
}

// A recipient that waits is not written again and again: the reserve lasts.
static void what_is_put_off_takes_nothing_of_the_reserve(void **state)
{
    struct full *full = *state;
    fill(full, true);
    restart(full);
    story_note(&full->story, full->mail[0]->env.id, "a@example.net", SPOOL_DEFERRED, INT64_MAX);
    story_barrier(&full->story);
    size_t left = reserves(full);
    for (int round = 0; round < 100; round++)
        for (size_t i = 0; i < MAIL; i++)
            story_note(&full->story, full->mail[i]->env.id, "b@example.net", SPOOL_DEFERRED,
                       1700000099000);
    story_barrier(&full->story);
    assert_true(spool_healthy(full->story.spool));
    assert_int_equal(reserves(full), left);
    crash(full);
    assert_int_equal(full->story.found[0]->env.rcpts[0].next_ms, INT64_MAX); // a hold is written
    heals(full);
}

// All but one of a segment is delivered: the one is copied, so that its segment goes, on the full disk.
static void the_oldest_segment_is_emptied_on_a_full_disk(void **state)
{
    struct full *full = *state;
    story_close(&full->story);
    struct disk *disk = disk_new();
    story_end(&full->story);
    disk_free(full->disk);
    full->disk = disk;
    story_begin(&full->story, "/spool", disk_files(disk), SEGMENT);
    assert_int_equal(story_open(&full->story), 0);
    for (unsigned i = 0; i < MAIL; i++) {
        message_unref(full->mail[i]);
        full->mail[i] = story_message(i, i % 10 ? 10000 : 100, "a@example.net", NULL);
        assert_int_equal(story_store(&full->story, full->mail[i]), 0);
    }
    fill(full, true);
    restart(full);
    size_t n;
    for (size_t i = 0; i < MAIL; i++)
        if (i % 10)
            story_note(&full->story, full->mail[i]->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    struct spool_state before, now;
    spool_get_state(full->story.spool, &before);
    now = before;
    for (int i = 0; i < 500 && now.segments >= before.segments; i++) {
        usleep(10000);
        story_barrier(&full->story);
        spool_get_state(full->story.spool, &now);
    }
    assert_true(now.segments < before.segments);
    crash(full);
    assert_int_equal(full->story.nfound, MAIL / 10);
    for (size_t i = 0; i < MAIL; i += 10)
        assert_true(story_same(&full->story, full->mail[i]));
    story_close(&full->story);
    assert_null(disk_bytes(full->disk, "/spool/00000001.log", &n));
    assert_int_equal(story_open(&full->story), 0);
    heals(full);
}

// It fills up before any operation of a life, for a while: nothing is lost, nothing comes back.
static void the_disk_fills_up_at_any_moment(void **state)
{
    (void)state;
    for (size_t at = 60; at < 200; at += 3) {
        struct disk *disk = disk_new();
        struct story story;
        struct message *mail[12];
        bool stored[12];
        story_begin(&story, "/spool", disk_files(disk), 16384);
        assert_int_equal(story_open(&story), 0);
        disk_full_at(disk, at);
        for (unsigned i = 0; i < 12; i++) {
            mail[i] = story_message(i, 4000, "a@example.net", "b@example.net", NULL);
            stored[i] = story_store(&story, mail[i]) == 0;
            if (stored[i])
                story_note(&story, mail[i]->env.id, "a@example.net", SPOOL_DELIVERED, 0);
            story_barrier(&story);
        }
        struct disk *copy = disk_copy(disk);
        disk_set_full(copy, true);
        disk_set_full(disk, false);
        story_end(&story);
        disk_free(disk);
        story_begin(&story, "/spool", disk_files(copy), 16384);
        assert_int_equal(story_open(&story), 0);
        for (size_t i = 0; i < 12; i++) {
            assert_int_equal(story_found(&story, mail[i]->env.id), stored[i]);
            message_unref(mail[i]);
        }
        for (size_t i = 0; i < story.nfound; i++)
            assert_int_equal(story.found[i]->env.nrcpts, 1);
        story_end(&story);
        disk_free(copy);
    }
}

#define FULL(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FULL(a_full_disk_takes_no_mail_and_says_so),
        FULL(case_117_what_is_delivered_on_a_full_disk_is_recorded),
        FULL(what_is_put_off_takes_nothing_of_the_reserve),
        FULL(the_oldest_segment_is_emptied_on_a_full_disk),
        cmocka_unit_test(the_disk_fills_up_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
