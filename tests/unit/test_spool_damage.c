// SPDX-License-Identifier: ISC
// Bytes rot, files end early, bodies lie. A small spool in memory is cut at every byte and has every
// byte flipped; whatever can still be read is delivered, and nothing that was not stored ever appears.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/spool/format.h"
#include "tests/unit/spool_disk.h"
#include "tests/unit/spool_story.h"

#define MAIL  4
#define FIRST "/spool/00000001.log"

// A stored message without its life: what must be read back or be missed.
struct small {
    struct disk *disk;
    struct story story;
    struct message *mail[MAIL];
};

static void open_on(struct story *story, struct disk *disk)
{
    story_begin(story, "/spool", disk_files(disk), 16384);
    assert_int_equal(story_open(story), 0);
}

// The last one is delivered. `sealed`: the spool was closed; else its disk is taken while it runs.
static struct disk *small_spool(struct message **mail, bool sealed)
{
    struct disk *disk = disk_new();
    struct story story;
    open_on(&story, disk);
    for (unsigned i = 0; i < MAIL; i++) {
        mail[i] = story_message(i, 40, "a@example.net", NULL);
        assert_int_equal(story_store(&story, mail[i]), 0);
    }
    story_note(&story, mail[MAIL - 1]->env.id, "a@example.net", SPOOL_DELIVERED, 0);
    story_barrier(&story);
    struct disk *copy = sealed ? NULL : disk_copy(disk);
    story_end(&story);
    if (!sealed) {
        disk_free(disk);
        disk = copy;
        size_t n, used;
        const unsigned char *bytes = disk_bytes(disk, FIRST, &n);
        for (used = n; used && !bytes[used - 1];)
            used--;
        disk_resize(disk, FIRST, used + 64); // some of the zeros
    }
    return disk;
}

static void forget(struct message **mail, struct disk *disk)
{
    for (size_t i = 0; i < MAIL; i++)
        message_unref(mail[i]);
    disk_free(disk);
}

// Opens the disk; how many of the messages are there and whole. A message whose body is damaged is there
// and says so.
static size_t recovered(struct disk *disk, struct message **mail, bool there[MAIL],
                        unsigned *alarms)
{
    struct story story;
    size_t n = 0;
    open_on(&story, disk);
    for (size_t i = 0; i < MAIL; i++) {
        there[i] = story_found(&story, mail[i]->env.id);
        if (!there[i])
            continue;
        n++;
        if (!story_same(&story, mail[i])) {
            assert_int_equal(story.why.scope, WHY_MESSAGE);
            assert_string_equal(story.why.status, "5.3.0");
            there[i] = false;
        }
    }
    assert_int_equal(n, story.nfound); // nothing else
    story_close(&story);
    *alarms = story.alarms;
    story_end(&story);
    return n;
}

static void cut_each(bool sealed)
{
    struct message *mail[MAIL];
    struct disk *disk = small_spool(mail, sealed);
    size_t n, last = 0;
    disk_bytes(disk, FIRST, &n);
    for (size_t at = 0; at <= n; at++) {
        struct disk *cut = disk_copy(disk);
        bool there[MAIL];
        unsigned alarms;
        disk_resize(cut, FIRST, at);
        recovered(cut, mail, there, &alarms);
        size_t count = 0;
        for (size_t i = 0; i < MAIL; i++) {
            uint64_t end = mail[i]->offset + mail[i]->record_bytes;
            if (i < MAIL - 1)
                assert_int_equal(there[i], at >= end);
            count += there[i];
        }
        last = count;
        disk_free(cut);
    }
    assert_int_equal(last, MAIL - 1);
    forget(mail, disk);
}

static void a_log_cut_at_every_byte(void **state)
{
    (void)state;
    cut_each(false);
}

static void a_sealed_log_cut_at_every_byte(void **state)
{
    (void)state;
    cut_each(true);
}

// One damaged byte costs at most the message in whose record it is; unless it lies in what was already
// dead, it is reported or the message says so itself.
static void flip_each(bool sealed)
{
    struct message *mail[MAIL];
    struct disk *disk = small_spool(mail, sealed);
    size_t n;
    disk_bytes(disk, FIRST, &n);
    for (size_t at = 0; at < n; at++) {
        struct disk *bad = disk_copy(disk);
        bool there[MAIL];
        unsigned alarms;
        disk_bytes(bad, FIRST, &n)[at] ^= (unsigned char)(1 << at % 8);
        recovered(bad, mail, there, &alarms);
        for (size_t i = 0; i < MAIL - 1; i++) {
            uint64_t start = mail[i]->offset, end = start + mail[i]->record_bytes;
            bool hit = at >= start && at < end;
            assert_int_equal(there[i], !hit);
            if (hit)
                assert_true(alarms > 0);
        }
        disk_free(bad);
    }
    forget(mail, disk);
}

static void a_log_with_every_byte_flipped(void **state)
{
    (void)state;
    flip_each(false);
}

static void a_sealed_log_with_every_byte_flipped(void **state)
{
    (void)state;
    flip_each(true);
}

// A sender mails a copy of our own log as a body, in the hope that it is taken for one: the record that
// stands before its own is damaged, so that the recovery goes looking for the next one.
static void a_body_cannot_pose_as_a_record(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    open_on(&story, disk);
    struct message *victim = story_message(1, 300, "victim@example.net", NULL);
    assert_int_equal(story_store(&story, victim), 0);
    story_note(&story, victim->env.id, "victim@example.net", SPOOL_DELIVERED, 0);
    story_barrier(&story);
    size_t n;
    const unsigned char *log = disk_bytes(disk, FIRST, &n);
    struct message *damaged = story_message(2, 300, "damaged@example.net", NULL);
    struct message *liar = story_message(3, 0, "liar@example.net", NULL);
    buf_add(&liar->body, log + victim->offset, victim->record_bytes);
    struct message *honest = story_message(4, 300, "honest@example.net", NULL);
    assert_int_equal(story_store(&story, damaged), 0);
    assert_int_equal(story_store(&story, liar), 0);
    assert_int_equal(story_store(&story, honest), 0);
    story_close(&story);
    unsigned char *bytes = disk_bytes(disk, FIRST, &n);
    memset(bytes + damaged->offset, 'x', SEGMENT_RECORD); // no length to go by any more
    memset(bytes + liar->offset, 'x', SEGMENT_RECORD);
    assert_int_equal(story_open(&story), 0);
    assert_int_equal(story.nfound, 1);
    assert_true(story_found(&story, honest->env.id));
    assert_true(story_same(&story, honest));
    assert_true(story.alarms > 0);
    assert_true(disk_below(disk, "/spool/damaged") > 0);
    message_unref(victim);
    message_unref(damaged);
    message_unref(liar);
    message_unref(honest);
    story_end(&story);
    disk_free(disk);
}

// Five segments; the envelope of a message in the second rots, as do the body of one in the third and
// the whole header of the fourth, with its copy.
static void damage_in_older_segments_is_kept_aside(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    struct message *mail[20];
    story_begin(&story, "/spool", disk_files(disk), 4096);
    assert_int_equal(story_open(&story), 0);
    for (unsigned i = 0; i < 20; i++) {
        mail[i] = story_message(i, 400, "a@example.net", NULL);
        assert_int_equal(story_store(&story, mail[i]), 0);
    }
    story_close(&story);
    size_t n, envelope = 0, body = 0, lost = 0;
    for (size_t i = 0; i < 20; i++) {
        envelope = mail[i]->segment == 2 ? i : envelope;
        body = mail[i]->segment == 3 ? i : body;
        lost += mail[i]->segment == 4;
    }
    assert_true(lost > 1);
    disk_bytes(disk, "/spool/00000002.log", &n)[mail[envelope]->offset + SEGMENT_RECORD] ^= 1;
    disk_bytes(disk, "/spool/00000003.log",
               &n)[mail[body]->offset + mail[body]->record_bytes - 1] ^= 1;
    memset(disk_bytes(disk, "/spool/00000004.log", &n), 0xff, SEGMENT_HEAD);
    memset(disk_bytes(disk, "/spool/00000004.head", &n), 0xff, SEGMENT_HEAD);
    assert_int_equal(story_open(&story), 0);
    for (size_t i = 0; i < 20; i++) {
        bool there = story_found(&story, mail[i]->env.id);
        assert_int_equal(there, i != envelope && mail[i]->segment != 4);
        if (there)
            assert_int_equal(story_same(&story, mail[i]), i != body);
    }
    assert_int_equal(disk_below(disk, "/spool/damaged"), 2); // the envelope's record, the body's
    assert_non_null(disk_bytes(disk, "/spool/00000004.damaged", &n));
    assert_true(story.alarms >= 3);
    for (size_t i = 0; i < 20; i++)
        message_unref(mail[i]);
    story_end(&story);
    disk_free(disk);
}

// How many of the messages with records in [from, to) of their segment are there, of those of segment 2.
static void check_around(struct story *story, struct message **mail, size_t n, uint64_t from,
                         uint64_t to)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t start = mail[i]->offset, end = start + mail[i]->record_bytes;
        bool hit = mail[i]->segment == 2 && start < to && end > from;
        assert_int_equal(story_found(story, mail[i]->env.id), !hit);
        if (!hit)
            assert_true(story_same(story, mail[i]));
    }
}

// A bad block takes the first 4 KiB: what begins behind them is there. `copy`: whether the copy of the header is.
static void the_beginning_of_a_segment_is_zeroed(bool newest, bool copy)
{
    struct disk *disk = disk_new(), *found;
    struct story story;
    struct message *mail[40];
    story_begin(&story, "/spool", disk_files(disk), 16384);
    assert_int_equal(story_open(&story), 0);
    size_t count = newest ? 34 : 40, n;
    for (unsigned i = 0; i < count; i++) {
        mail[i] = story_message(i, 400, "a@example.net", NULL);
        assert_int_equal(story_store(&story, mail[i]), 0);
    }
    found = newest ? disk_copy(disk) : disk;
    if (newest)
        assert_int_equal(mail[count - 1]->segment, 2);
    story_close(&story);
    if (newest) {
        story_end(&story);
        story_begin(&story, "/spool", disk_files(found), 16384);
    }
    memset(disk_bytes(found, "/spool/00000002.log", &n), 0, 4096);
    if (!copy)
        disk_resize(found, "/spool/00000002.head", 60);
    assert_int_equal(story_open(&story), 0);
    check_around(&story, mail, count, copy ? 128 : 0, copy ? 4096 : UINT64_MAX);
    assert_true(story.alarms > 0);
    assert_int_equal(disk_bytes(found, "/spool/00000002.damaged", &n) != NULL, !copy);
    story_close(&story);
    unsigned alarms = story.alarms;
    assert_int_equal(story_open(&story), 0); // restored for good
    check_around(&story, mail, count, copy ? 128 : 0, copy ? 4096 : UINT64_MAX);
    assert_true(story.alarms <= alarms + (copy ? 1 : 0)); // the hole is told, the header is not
    for (size_t i = 0; i < count; i++)
        message_unref(mail[i]);
    story_end(&story);
    disk_free(disk);
    if (newest)
        disk_free(found);
}

static void case_116_a_segment_without_its_first_block_is_read_all_the_same(void **state)
{
    (void)state;
    the_beginning_of_a_segment_is_zeroed(false, true);
    the_beginning_of_a_segment_is_zeroed(true, true);
    the_beginning_of_a_segment_is_zeroed(false, false);
}

// The copy itself may be anything: the segment's own header is believed first, and a copy of another is none.
static void the_copy_of_a_header_cut_and_flipped(void **state)
{
    (void)state;
    struct message *mail[MAIL];
    struct disk *disk = small_spool(mail, true);
    size_t n;
    for (size_t at = 0; at <= 2 * SEGMENT_HEAD; at++) {
        for (int zeroed = 0; zeroed < 2; zeroed++) {
            struct disk *bad = disk_copy(disk);
            bool there[MAIL];
            unsigned alarms;
            unsigned char *bytes = disk_bytes(bad, "/spool/00000001.head", &n);
            assert_int_equal(n, SEGMENT_HEAD);
            if (at < SEGMENT_HEAD)
                bytes[at] ^= (unsigned char)(1 << at % 8);
            else
                disk_resize(bad, "/spool/00000001.head", at - SEGMENT_HEAD);
            if (zeroed)
                memset(disk_bytes(bad, FIRST, &n), 0, SEGMENT_HEAD);
            recovered(bad, mail, there, &alarms);
            bool whole = !zeroed || at < SEGMENT_HEAD || at - SEGMENT_HEAD >= SEGMENT_HEAD / 2;
            for (size_t i = 0; i < MAIL - 1; i++)
                assert_int_equal(there[i], whole); // half a copy is enough
            disk_free(bad);
        }
    }
    forget(mail, disk);
}

static void the_copy_of_another_header_is_none(void **state)
{
    (void)state;
    struct message *mail[MAIL];
    struct disk *disk = small_spool(mail, true);
    size_t n;
    bool there[MAIL];
    unsigned alarms;
    struct segment_key key;
    unsigned char random[16] = {1};
    segment_key_make(&key, 2, random);
    segment_head_encode(&key, disk_bytes(disk, "/spool/00000001.head", &n));
    memset(disk_bytes(disk, FIRST, &n), 0, SEGMENT_HEAD);
    assert_int_equal(recovered(disk, mail, there, &alarms), 0);
    assert_non_null(disk_bytes(disk, "/spool/00000001.damaged", &n));
    forget(mail, disk);
}

// Its segment is emptied and goes; the sender must hear of it all the same, also after a restart.
static void a_damaged_message_outlives_its_segment(void **state)
{
    (void)state;
    struct disk *disk = disk_new();
    struct story story;
    story_begin(&story, "/spool", disk_files(disk), 2048);
    assert_int_equal(story_open(&story), 0);
    struct message *bad = story_message(0, 400, "a@example.net", NULL);
    assert_int_equal(story_store(&story, bad), 0);
    size_t n;
    disk_bytes(disk, FIRST, &n)[bad->offset + bad->record_bytes - 1] ^= 1;
    for (unsigned i = 1; i < 40; i++) {
        struct message *m = story_message(i, 400, "b@example.net", NULL);
        assert_int_equal(story_store(&story, m), 0);
        story_note(&story, m->env.id, "b@example.net", SPOOL_DELIVERED, 0);
        story_barrier(&story);
        message_unref(m);
    }
    story_close(&story);
    assert_null(disk_bytes(disk, FIRST, &n));
    assert_int_equal(story_open(&story), 0);
    assert_true(story_found(&story, bad->env.id));
    assert_false(story_same(&story, bad));
    assert_string_equal(story.why.status, "5.3.0");
    assert_int_equal(disk_below(disk, "/spool/damaged"), 1);
    message_unref(bad);
    story_end(&story);
    disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_cut_at_every_byte),
        cmocka_unit_test(a_sealed_log_cut_at_every_byte),
        cmocka_unit_test(a_log_with_every_byte_flipped),
        cmocka_unit_test(a_sealed_log_with_every_byte_flipped),
        cmocka_unit_test(a_body_cannot_pose_as_a_record),
        cmocka_unit_test(damage_in_older_segments_is_kept_aside),
        cmocka_unit_test(a_damaged_message_outlives_its_segment),
        cmocka_unit_test(case_116_a_segment_without_its_first_block_is_read_all_the_same),
        cmocka_unit_test(the_copy_of_a_header_cut_and_flipped),
        cmocka_unit_test(the_copy_of_another_header_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
