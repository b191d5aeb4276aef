// SPDX-License-Identifier: ISC
// The power goes. A relay's life is played on a disk that remembers every operation; then, for every
// beginning of it, the disk is built as a power cut would have left it, and the spool opens that.
//
// What was answered with 250 and is not done must be there, byte for byte and once; what was never
// handed in must not; what a barrier has confirmed as done must not come back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "tests/unit/spool_disk.h"
#include "tests/unit/spool_story.h"

#define MAIL    54
#define NEVER   SIZE_MAX
#define SEGMENT 2048
#define ROUNDS  64

// When, counted in disk operations, things became so.
struct fact {
    struct message *m;
    size_t submitted, answered;
    size_t half_noted, half; // the first of two recipients: noted, confirmed as done
    size_t noted, confirmed; // all recipients
    unsigned attempts;       // of one that is deferred again and again
    struct sure {
        size_t at;
        unsigned attempts;
    } sure[ROUNDS]; // what barriers have confirmed of them
    size_t nsure;
};

struct life {
    struct disk *disk;
    struct story story;
    struct fact facts[MAIL];
    size_t n;
};

static int give_file(struct life *life, struct message *m)
{
    struct why *why = &life->story.why;
    struct spool_large *large = spool_large_begin(life->story.spool, why);
    if (!large)
        return -1;
    for (int k = 0; k < 3; k++)
        if (spool_large_write(large, m->prefix.data, m->prefix.len, why) < 0) {
            spool_large_abort(large);
            return -1;
        }
    return spool_large_finish(large, m, why);
}

static void hand_in(struct life *life, struct spool_write *write)
{
    size_t i = life->n++;
    struct fact *f = &life->facts[i];
    size_t body = i % 9 == 4 ? 0 : 150 + i * 53 % 700;
    *f = (struct fact){
        .answered = NEVER, .half_noted = NEVER, .half = NEVER, .noted = NEVER, .confirmed = NEVER};
    f->m = i % 5 ? story_message((unsigned)i, body, "b@example.net", NULL)
                 : story_message((unsigned)i, body, "a@example.net", "b@example.net", NULL);
    if (i % 9 == 4) {                     // its body is a file
        while (give_file(life, f->m) < 0) // at most one operation fails
            assert_true(disk_failed(life->disk));
    }
    f->submitted = disk_count(life->disk);
    *write = (struct spool_write){.reply = life->story.inbox, .message = f->m, .arg = f};
    spool_store(life->story.spool, write);
}

// Several at once, so that they share a sync.
static void hand_in_some(struct life *life, size_t n)
{
    struct spool_write writes[4];
    for (size_t i = 0; i < n; i++)
        hand_in(life, &writes[i]);
    for (size_t left = n; left;) {
        struct item *item = inbox_wait(life->story.inbox, -1);
        for (; item; item = item->next, left--) {
            struct spool_write *write = (struct spool_write *)(void *)item;
            if (write->failed)
                assert_true(disk_failed(life->disk));
            else
                ((struct fact *)write->arg)->answered = disk_count(life->disk);
        }
    }
}

static void confirm(struct life *life)
{
    story_barrier(&life->story);
    for (size_t i = 0; i < life->n; i++) {
        struct fact *f = &life->facts[i];
        if (f->half_noted != NEVER && f->half == NEVER)
            f->half = disk_count(life->disk);
        if (f->noted != NEVER && f->confirmed == NEVER)
            f->confirmed = disk_count(life->disk);
        if (f->attempts)
            f->sure[f->nsure++] = (struct sure){disk_count(life->disk), f->attempts};
    }
}

// These wait for ever.
static bool waits(size_t i)
{
    return i == 0 || i == 20 || i == 31;
}

static void deliver(struct life *life, size_t i)
{
    struct fact *f = &life->facts[i];
    if (f->answered == NEVER)
        return;
    uint64_t id = f->m->env.id;
    if (f->m->env.nrcpts == 2) {
        f->half_noted = disk_count(life->disk);
        story_note(&life->story, id, "a@example.net", SPOOL_DELIVERED, 0);
    }
    if (waits(i))
        return;
    f->noted = disk_count(life->disk);
    story_note(&life->story, id, "b@example.net", SPOOL_DELIVERED, 0);
}

// Tried again, in vain: so results come for messages that are being copied.
static void defer(struct life *life, size_t i)
{
    struct fact *f = &life->facts[i];
    struct spool_result result = {.id = f->m->env.id,
                                  .address = "b@example.net",
                                  .outcome = SPOOL_DEFERRED,
                                  .attempts = ++f->attempts,
                                  .next_ms = 1700000999000};
    spool_note(life->story.spool, &result);
}

// `fault`: the number of the operation that fails, or NEVER.
static void live(struct life *life, size_t fault)
{
    life->disk = disk_new();
    if (fault != NEVER)
        disk_fail(life->disk, fault, fault % 2 ? EIO : DISK_SHORT, 1);
    story_begin(&life->story, "/spool", disk_files(life->disk), SEGMENT);
    assert_int_equal(story_open(&life->story), 0);
    for (size_t round = 0, done = 0; life->n + 4 <= MAIL; round++) {
        hand_in_some(life, 1 + round % 4);
        while (done + 2 < life->n)
            deliver(life, done++);
        for (size_t i = 0; i < life->n; i++)
            if (waits(i) && life->facts[i].answered != NEVER)
                defer(life, i);
        if (round % 3 == 2)
            confirm(life);
    }
    confirm(life);
    story_close(&life->story);
    if (fault == NEVER)
        assert_int_equal(life->story.alarms, 0);
}

static void fail_at(const struct fact *f, const char *what, size_t at, int cut, uint64_t seed)
{
    char id[ID_TEXT];
    id_text(f->m->env.id, id);
    fail_msg("message %s %s after a cut at operation %zu (kind %d, seed %llu)", id, what, at, cut,
             (unsigned long long)seed);
}

static const struct message *found(struct story *story, uint64_t id)
{
    for (size_t i = 0; i < story->nfound; i++)
        if (story->found[i]->env.id == id)
            return story->found[i];
    return NULL;
}

static void check(struct life *life, struct story *story, size_t at, int cut, uint64_t seed)
{
    for (size_t i = 0; i < life->n; i++) {
        const struct fact *f = &life->facts[i];
        bool there = story_found(story, f->m->env.id);
        if (there && f->submitted >= at)
            fail_at(f, "is there before it was handed in", at, cut, seed);
        if (there && f->confirmed <= at)
            fail_at(f, "came back", at, cut, seed);
        if (!there && f->answered <= at && at <= f->noted)
            fail_at(f, "is lost", at, cut, seed);
        if (there && !story_same(story, f->m))
            fail_at(f, "is changed", at, cut, seed);
        const struct message *m = found(story, f->m->env.id);
        size_t open = !there ? 0 : m->env.nrcpts;
        if (there && f->half <= at && open != 1)
            fail_at(f, "has a recipient that was done", at, cut, seed);
        unsigned attempts = 0;
        for (size_t k = 0; k < f->nsure && f->sure[k].at <= at; k++)
            attempts = f->sure[k].attempts;
        if (there && m->env.rcpts[open - 1].attempts < attempts)
            fail_at(f, "forgot its attempts", at, cut, seed);
        if (there && at <= f->half_noted && open != f->m->env.nrcpts)
            fail_at(f, "lost a recipient", at, cut, seed);
    }
}

static void cut_at(struct life *life, size_t at, enum disk_cut cut, uint64_t seed)
{
    struct disk *disk = disk_after(life->disk, at, cut, seed);
    struct story story;
    story_begin(&story, "/spool", disk_files(disk), SEGMENT);
    assert_int_equal(story_open(&story), 0);
    check(life, &story, at, (int)cut, seed);
    size_t n = story.nfound;
    unsigned alarms = story.alarms;
    story_close(&story);
    assert_int_equal(story_open(&story), 0); // and it is stable
    check(life, &story, at, (int)cut, seed);
    assert_int_equal(story.nfound, n);
    assert_int_equal(story.alarms, alarms);
    story_end(&story);
    disk_free(disk);
}

static uint64_t choose_seed(void)
{
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    if (getenv("SPOOL_SEED"))
        seed = strtoull(getenv("SPOOL_SEED"), NULL, 10);
    print_message("seed %llu (SPOOL_SEED repeats it)\n", (unsigned long long)seed);
    return seed;
}

static void end(struct life *life)
{
    for (size_t i = 0; i < life->n; i++)
        message_unref(life->facts[i].m);
    story_end(&life->story);
    disk_free(life->disk);
    free(life);
}

static void every_power_cut(void **state)
{
    (void)state;
    struct life *life = mem_new(sizeof *life);
    live(life, NEVER);
    size_t operations = disk_count(life->disk);
    uint64_t seed = choose_seed();
    print_message("%zu operations\n", operations);
    for (size_t at = 0; at <= operations; at++) {
        cut_at(life, at, CUT_ABSENT, 0);
        cut_at(life, at, CUT_PRESENT, 0);
        for (uint64_t k = 0; k < 2; k++)
            cut_at(life, at, CUT_RANDOM, seed + k);
    }
    end(life);
}

// First an operation fails, then the power.
static void power_cuts_after_a_failure(void **state)
{
    (void)state;
    uint64_t seed = choose_seed();
    for (size_t fault = 7 + seed % 5; fault < 300; fault += 9) {
        struct life *life = mem_new(sizeof *life);
        live(life, fault);
        for (size_t at = fault; at < fault + 12; at++) {
            cut_at(life, at, CUT_ABSENT, 0);
            cut_at(life, at, CUT_PRESENT, 0);
            cut_at(life, at, CUT_RANDOM, seed);
            cut_at(life, at, CUT_RANDOM, seed + at);
        }
        end(life);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_power_cut),
        cmocka_unit_test(power_cuts_after_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
