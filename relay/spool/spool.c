// SPDX-License-Identifier: ISC
// The spool's door and its thread: what waits is taken, written at once, synced once, answered. The
// batch grows by itself while the previous sync runs; there is no timer but the results'.
#include "relay/spool/spool.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/lease.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/base/naming.h"
#include "relay/spool/inside.h"
#include "relay/spool/second_inside.h"

// Appends what has come to the queue.
static void spool_take(struct spool *s, struct item *items)
{
    while (items) {
        struct job *job = (struct job *)(void *)items;
        items = items->next;
        job->item.next = NULL;
        if (job->kind == JOB_STOP) {
            s->stopping = true; // one more try, at once
            s->begin_at_ms = 0;
            s->failures = 0;
            job_free(job);
            continue;
        }
        s->urgent += job->kind != JOB_RESULT;
        *s->last = job;
        s->last = (struct job **)(void *)&job->item.next;
    }
}

// Without a segment to write to, stores are told so at once; results and barriers wait for the next.
static void refuse_stores(struct spool *s)
{
    struct job **at = &s->first;
    while (*at) {
        struct job *job = *at;
        struct job **next = (struct job **)(void *)&job->item.next;
        if (job->kind != JOB_STORE) {
            at = next;
            continue;
        }
        *at = *next;
        s->urgent--;
        if (second_away(s))
            why_say(&job->write->why, SPOOL_TROUBLE, "the fleet's database cannot keep a copy",
                    "it does not answer");
        job_refuse(s, job);
    }
    s->last = at;
}

static void begin_again(struct spool *s)
{
    uint64_t now = clock_mono_ms();
    if (s->head || now < s->begin_at_ms)
        return;
    if (segment_begin(s) == 0) {
        if (!s->owed)
            atomic_store(&s->healthy, true);
        return;
    }
    atomic_store(&s->healthy, false);
    if (s->failures++) // the first of a row is tried again at once
        s->begin_at_ms = now + SPOOL_RETRY_MS;
    else
        spool_alarm(s, "%s", s->trouble.text);
}

static bool due(struct spool *s)
{
    if (!s->head || (second_away(s) && !s->stopping))
        return false;
    if (!s->first)
        return clean_wanted(s);
    return s->urgent || s->stopping || s->owed || clock_mono_ms() >= s->first->due_ms;
}

static int until(uint64_t when)
{
    uint64_t now = clock_mono_ms();
    return when <= now ? 0 : when - now > 60000 ? 60000 : (int)(when - now);
}

static int patience(struct spool *s)
{
    if (s->stopping || due(s))
        return 0;
    if (!s->head)
        return until(s->begin_at_ms);
    if (second_away(s))
        return SPOOL_AWAY_MS;
    if (s->first)
        return until(s->first->due_ms);
    if (s->head->limit)
        return until(s->reserve_at_ms);
    return s->tidy_at_ms > clock_mono_ms() ? until(s->tidy_at_ms) : -1;
}

static void *spool_thread(void *arg)
{
    naming_thread("spool");
    struct spool *s = arg;
    clean_remove(s);
    for (;;) {
        spool_take(s, inbox_wait(s->inbox, patience(s)));
        bool ordinary = reserve_leave(s);
        begin_again(s);
        second_look(s);
        if (!s->head || !ordinary || second_away(s))
            refuse_stores(s);
        if (s->head && due(s))
            batch_write(s);
        clean_remove(s);
        if (s->stopping && (!s->first || s->failures > 1))
            break;
    }
    refuse_stores(s);
    return NULL;
}

static void spool_release(struct spool *s)
{
    while (s->table)
        table_drop(s, s->table);
    list_each_safe (it, &s->segments) {
        struct segment *g = list_of(it, struct segment, link);
        list_remove(it);
        segment_unref(g);
    }
    underway_close(s);
    if (s->lock_fd >= 0)
        s->files->close(s->files->self, s->lock_fd);
    inbox_close(s->inbox);
    pthread_mutex_destroy(&s->lock);
    free(s->directory);
    free(s->large);
    free(s->damaged);
    free(s);
}

static struct spool *spool_new(const struct spool_options *options)
{
    struct spool *s = mem_new(sizeof *s);
    s->options = *options;
    s->files = options->files ? options->files : &spool_files_system;
    s->directory = mem_dup(options->directory);
    s->large = mem_printf("%s/large", options->directory);
    s->damaged = mem_printf("%s/damaged", options->directory);
    s->segment_bytes = options->segment_bytes ? options->segment_bytes : SPOOL_SEGMENT;
    s->lock_fd = -1;
    s->inbox = inbox_open_blocking();
    s->last = &s->first;
    s->next_number = 1;
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->segments);
    atomic_init(&s->free_bytes, UINT64_MAX);
    return s;
}

static int take_directory(struct spool *s, int *exit_status, struct why *why)
{
    const struct spool_files *files = s->files;
    *exit_status = EXIT_TEMP;
    if (files->mkdir(files->self, s->directory) < 0) {
        if (errno == ENOTDIR || errno == ENOENT)
            *exit_status = EXIT_CONFIG;
        return why_set(why, WHY_OURS, "4.3.0", "%s: %s", s->directory, strerror(errno));
    }
    char *path = mem_printf("%s/lock", s->directory);
    s->lock_fd = files->lock(files->self, path);
    free(path);
    if (s->lock_fd < 0 && errno == EAGAIN)
        return why_set(why, WHY_OURS, "4.3.0", "another relay is using %s", s->directory);
    if (s->lock_fd < 0 || files->mkdir(files->self, s->large) < 0 ||
        files->mkdir(files->self, s->damaged) < 0 || files->sync_dir(files->self, s->directory) < 0)
        return why_set(why, WHY_OURS, "4.3.0", "%s: %s", s->directory, strerror(errno));
    return 0;
}

static int spool_older(const struct spool_entry *a, const struct spool_entry *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

// A spool that cannot be written (full disk) still opens: it refuses mail politely and says so.
int spool_open(struct spool **spool, const struct spool_options *options,
               void (*each)(struct message *m, void *arg), void *arg, int *exit_status,
               struct why *why)
{
    struct spool *s = spool_new(options);
    *spool = NULL;
    if (take_directory(s, exit_status, why) < 0 || second_prepare(s, exit_status, why) < 0 ||
        spool_recover(s, exit_status, why) < 0) {
        spool_release(s);
        return -1;
    }
    id_floor(s->last_id);
    underway_open(s);
    reserve_find(s);
    reserve_fill(s);
    begin_again(s);
    HASH_SORT(s->table, spool_older);
    if (second_attach(s, exit_status, why) < 0) {
        spool_release(s);
        return -1;
    }
    for (struct spool_entry *k = s->table; k; k = k->hh.next)
        if (each)
            each(message_ref(k->message), arg);
    int error = pthread_create(&s->thread, NULL, spool_thread, s);
    if (error) {
        spool_release(s);
        return spool_trouble(why, error, "the spool thread could not be started");
    }
    *spool = s;
    return 0;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    inbox_post(s->inbox, &job_new(JOB_STOP)->item);
    pthread_join(s->thread, NULL);
    while (
        s->first) { // only when the disk has failed: what was noted is told again after a restart
        struct job *job = s->first;
        s->first = (struct job *)(void *)job->item.next;
        job_free(job);
    }
    if (s->head && segment_seal(s, s->head) < 0)
        segment_fail(s, s->head);
    spool_release(s);
}

void spool_store(struct spool *s, struct spool_write *write)
{
    struct message *m = write->message;
    assert(m->env.nrcpts && m->in_memory);
    struct job *job = job_new(JOB_STORE);
    job->write = write;
    job->id = m->env.id;
    m->prefix_bytes = m->prefix.len;
    m->header_bytes = m->header.len;
    if (!m->large)
        m->body_bytes = m->body.len;
    why_clear(&write->why);
    if (segment_message_encode(m, NULL, false, &job->record) < 0) {
        why_say(&write->why, ENVELOPE_TOO_LARGE);
        job_refuse(s, job);
        return;
    }
    inbox_post(s->inbox, &job->item);
}

void spool_note(struct spool *s, const struct spool_result *result)
{
    struct job *job = job_new(JOB_RESULT);
    job->id = result->id;
    job->result = *result;
    job->result.address = mem_dup(result->address);
    job->result.next_hop = mem_dup(result->next_hop);
    job->result.why = NULL;
    job->result.reply = NULL;
    job->due_ms = clock_mono_ms() + SPOOL_RESULT_MS;
    int rc = segment_result_encode(result, &job->record);
    assert(rc == 0); // an address and a why are small
    inbox_post(s->inbox, &job->item);
}

void spool_barrier(struct spool *s, struct item *item, struct inbox *reply)
{
    struct job *job = job_new(JOB_BARRIER);
    job->back = item;
    job->reply = reply;
    inbox_post(s->inbox, &job->item);
}

void spool_promise(struct spool *s, struct message *m, uint64_t bytes)
{
    message_meter(m, &s->promised, bytes > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)bytes);
}

bool spool_healthy(struct spool *s)
{
    return atomic_load(&s->healthy) && !second_away(s) && lease_held();
}

void spool_get_state(struct spool *s, struct spool_state *out)
{
    *out = (struct spool_state){.syncs = atomic_load(&s->syncs),
                                .stored = atomic_load(&s->stored),
                                .results = atomic_load(&s->results),
                                .healthy = spool_healthy(s),
                                .room = spool_room(s)};
    pthread_mutex_lock(&s->lock);
    out->messages = HASH_COUNT(s->table);
    // The table keeps the order in which they came, which the start puts right (spool_older).
    out->oldest_ms = s->table ? s->table->message->env.created_ms : 0;
    list_each (it, &s->segments) {
        out->segments++;
        out->bytes += list_of(it, struct segment, link)->live;
    }
    pthread_mutex_unlock(&s->lock);
}

const struct histogram *spool_sync_times(const struct spool *s)
{
    return &s->sync_times;
}
