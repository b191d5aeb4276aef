// SPDX-License-Identifier: ISC
// The spool's tests: storing and waiting, noting, reopening, comparing.
#include "tests/unit/spool_story.h"

#include <assert.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"

char *story_directory(void)
{
    char *path = mem_dup("/tmp/waxwing-spool-XXXXXX");
    char *made = mkdtemp(path);
    assert(made);
    return path;
}

static void remove_files(const char *directory)
{
    DIR *dir = opendir(directory);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char *path = mem_printf("%s/%s", directory, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove(path);
        free(path);
    }
    if (dir)
        closedir(dir);
}

void story_remove(const char *directory)
{
    static const char *const below[] = {"/large", "/damaged", ""};
    for (size_t i = 0; i < 3; i++) {
        char *path = mem_printf("%s%s", directory, below[i]);
        remove_files(path);
        rmdir(path);
        free(path);
    }
}

static void heard(void *arg, const char *sentence)
{
    struct story *story = arg; // read only after a close or an open, which order it
    story->alarms++;
    snprintf(story->last_alarm, sizeof story->last_alarm, "%s", sentence);
    if (getenv("STORY_ALARMS"))
        fprintf(stderr, "alarm: %s\n", sentence);
}

void story_begin(struct story *story, const char *directory, const struct spool_files *files,
                 uint64_t segment_bytes)
{
    *story = (struct story){.inbox = inbox_open_blocking()};
    story->options = (struct spool_options){.directory = directory,
                                            .segment_bytes = segment_bytes,
                                            .files = files,
                                            .alarm = heard,
                                            .arg = story};
}

static void keep(struct message *m, void *arg)
{
    struct story *story = arg;
    assert(story->nfound < STORY_MESSAGES);
    story->found[story->nfound++] = m;
}

int story_open(struct story *story)
{
    return spool_open(&story->spool, &story->options, keep, story, &story->exit_status,
                      &story->why);
}

void story_close(struct story *story)
{
    spool_close(story->spool);
    story->spool = NULL;
    while (story->nfound)
        message_unref(story->found[--story->nfound]);
}

void story_end(struct story *story)
{
    story_close(story);
    inbox_close(story->inbox);
}

static void fill(struct buf *out, unsigned seed, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addc(out, (char)(32 + (seed * 31 + i * 7 + i / 64) % 95));
}

struct message *story_message(unsigned seed, size_t body_bytes, const char *recipient, ...)
{
    struct message *m = message_new();
    m->env.created_ms = 1700000000000 + seed;
    free(m->env.from);
    m->env.from = mem_dup("sender@example.org");
    va_list args;
    va_start(args, recipient);
    for (; recipient; recipient = va_arg(args, const char *))
        message_add_recipient(m, recipient, strchr(recipient, '@') + 1);
    va_end(args);
    buf_addf(&m->prefix, "Received: seed %u\r\n", seed);
    buf_adds(&m->header, "From: sender@example.org\r\nBcc: x@example.org\r\nSubject: ");
    fill(&m->header, seed, 20);
    buf_adds(&m->header, "\r\n\r\n");
    message_leave_out(m, 26, 46);
    fill(&m->body, seed, body_bytes);
    return m;
}

static void wait_for_one(struct story *story)
{
    struct item *item = inbox_wait(story->inbox, -1);
    assert(item && !item->next);
}

int story_store(struct story *story, struct message *m)
{
    struct spool_write write = {.reply = story->inbox, .message = m};
    spool_store(story->spool, &write);
    wait_for_one(story);
    story->why = write.why;
    return write.failed ? -1 : 0;
}

void story_note(struct story *story, uint64_t id, const char *address, enum spool_outcome outcome,
                int64_t next_ms)
{
    struct spool_result result = {
        .id = id, .address = address, .outcome = outcome, .attempts = 1, .next_ms = next_ms};
    spool_note(story->spool, &result);
}

void story_barrier(struct story *story)
{
    struct item item = {0};
    spool_barrier(story->spool, &item, story->inbox);
    wait_for_one(story);
}

bool story_found(const struct story *story, uint64_t id)
{
    size_t times = 0;
    for (size_t i = 0; i < story->nfound; i++)
        times += story->found[i]->env.id == id;
    assert(times <= 1);
    return times;
}

static bool equal(const struct buf *a, const struct buf *b)
{
    return span_equal(buf_span(a), buf_span(b));
}

bool story_same(struct story *story, const struct message *m)
{
    struct message *twin = message_twin(m);
    bool same = spool_load(story->spool, twin, &story->why) == 0 &&
                equal(&twin->prefix, &m->prefix) && equal(&twin->header, &m->header) &&
                equal(&twin->body, &m->body);
    message_unref(twin);
    return same;
}
