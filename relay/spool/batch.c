// SPDX-License-Identifier: ISC
// One batch: copies first, then what waits in its order; one vector write, one sync, one answer to
// each. A batch lies in one segment. When it fails, its stores are refused, its results and barriers go
// back to where they were, and its segment is at its end.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/spool/inside.h"
#include "relay/spool/second_inside.h"

struct job *job_new(enum job_kind kind)
{
    static const unsigned char room[SEGMENT_RECORD];
    struct job *job = mem_new(sizeof *job);
    job->kind = kind;
    buf_init(&job->record, SPOOL_TEXT + SEGMENT_RECORD);
    buf_init(&job->rest, SIZE_MAX / 2);
    if (kind != JOB_BARRIER && kind != JOB_STOP)
        buf_add(&job->record, room, sizeof room);
    return job;
}

void job_free(struct job *job)
{
    if (job->kind == JOB_RESULT) {
        free((char *)(uintptr_t)job->result.address);
        free((char *)(uintptr_t)job->result.next_hop);
    }
    buf_free(&job->record);
    buf_free(&job->rest);
    free(job);
}

void job_refuse(struct spool *s, struct job *job)
{
    struct spool_write *write = job->write;
    if (write->message->large)
        second_forget(s, write->message->large);
    write->failed = true;
    if (!why_is_set(&write->why))
        write->why = s->trouble;
    job_free(job);
    inbox_post(write->reply, &write->item);
}

// What stands behind the text, in the order of the record.
static size_t rest_of(const struct job *job, struct span rest[static 3])
{
    if (job->kind == JOB_COPY) {
        rest[0] = buf_span(&job->rest);
        return 1;
    }
    if (job->kind != JOB_STORE)
        return 0;
    const struct message *m = job->write->message;
    rest[0] = buf_span(&m->prefix);
    rest[1] = buf_span(&m->header);
    rest[2] = m->large ? span_of(NULL, 0) : buf_span(&m->body);
    return 3;
}

static uint64_t job_bytes(const struct job *job)
{
    struct span rest[3];
    uint64_t bytes = job->record.len;
    for (size_t i = 0, n = rest_of(job, rest); i < n; i++)
        bytes += rest[i].n;
    return bytes;
}

void batch_add(struct spool *s, struct job *job)
{
    struct batch *b = &s->batch;
    assert(b->n < SPOOL_PIECES);
    b->jobs[b->n++] = job;
    b->bytes += job_bytes(job);
    b->npieces += 4; // at most; the pieces themselves are set when the place is known
}

// In the reserve only what must not be forgotten takes room. That a recipient is tried again later need not be known
// after a restart: it would be tried sooner.
static void spare(const struct spool *s, struct job *job)
{
    const struct spool_result *result = &job->result;
    if (s->head->limit && job->kind == JOB_RESULT && result->outcome == SPOOL_DEFERRED &&
        result->next_ms != INT64_MAX && !result->delay_warned && !result->next_hop)
        buf_reset(&job->record);
}

static bool batch_fits(const struct spool *s, const struct job *job)
{
    const struct batch *b = &s->batch;
    const struct segment *g = s->head;
    uint64_t bytes = b->bytes + job_bytes(job);
    uint64_t index = (g->index.n + b->n + 1) * SEGMENT_ROW + 2 * (uint64_t)SEGMENT_RECORD;
    return bytes <= SPOOL_BATCH && (!g->limit || g->end + bytes + index <= g->limit);
}

static void gather(struct spool *s)
{
    struct batch *b = &s->batch;
    b->n = 0;
    b->bytes = 0;
    b->npieces = 0;
    clean_copy(s);
    bool any = false;
    while (s->first && b->npieces + 4 <= SPOOL_PIECES) {
        spare(s, s->first);
        if (any && !batch_fits(s, s->first))
            break;
        struct job *job = s->first;
        s->first = (struct job *)(void *)job->item.next;
        if (!s->first)
            s->last = &s->first;
        s->urgent -= job->kind != JOB_RESULT;
        batch_add(s, job);
        any = true;
    }
}

static void add_piece(struct batch *b, const void *bytes, size_t n)
{
    if (n)
        b->pieces[b->npieces++] =
            (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
}

// Gives every record its place in the head, its sums and its fixed header.
static void lay_out(struct spool *s)
{
    struct batch *b = &s->batch;
    struct segment *g = s->head;
    uint64_t offset = g->end;
    b->npieces = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct job *job = b->jobs[i];
        if (!job->record.len)
            continue;
        struct span rest[3], text = span_from(buf_span(&job->record), SEGMENT_RECORD);
        size_t n = rest_of(job, rest);
        uint64_t bytes = job_bytes(job);
        struct segment_record *r = &job->place;
        *r = (struct segment_record){.type =
                                         job->kind == JOB_RESULT ? SEGMENT_RESULT : SEGMENT_MESSAGE,
                                     .offset = offset,
                                     .id = job->id,
                                     .length = bytes - SEGMENT_RECORD,
                                     .text = text.n,
                                     .synced = g->end};
        segment_sum(&g->key, offset, PART_TEXT, &text, 1, r->text_sum);
        segment_sum(&g->key, offset, PART_REST, rest, n, r->rest_sum);
        segment_record_encode(&g->key, r, job->record.data);
        add_piece(b, job->record.data, job->record.len);
        for (size_t j = 0; j < n; j++)
            add_piece(b, rest[j].p, rest[j].n);
        offset += bytes;
    }
}

static void end_job(struct spool *s, struct job *job)
{
    struct spool_entry *k;
    struct spool_write *write = job->write;
    switch (job->kind) {
    case JOB_STORE:
        message_pack(write->message); // nothing of it changes any more
        table_add(s, message_ref(write->message), s->head, &job->place, false);
        write->message->segment = s->head->key.number;
        write->message->offset = job->place.offset;
        write->message->record_bytes = SEGMENT_RECORD + job->place.length;
        write->failed = false;
        message_meter(write->message, NULL, 0);
        atomic_fetch_add(&s->spent, SEGMENT_RECORD + job->place.length);
        atomic_fetch_add(&s->stored, 1);
        inbox_post(write->reply, &write->item);
        break;
    case JOB_COPY:
        table_move(s, job->entry, s->head, &job->place, job->damaged);
        break;
    case JOB_RESULT:
        s->owed -= job->owed;
        atomic_fetch_add(&s->results, 1);
        k = table_find(s, job->id);
        if (k && table_result(s, k, &job->result)) {
            if (k->message->large)
                second_forget(s, k->message->large);
            table_drop(s, k);
        }
        break;
    case JOB_BARRIER:
        inbox_post(job->reply, job->back);
        break;
    case JOB_STOP:
        break;
    }
    job_free(job);
}

static void batch_done(struct spool *s)
{
    struct batch *b = &s->batch;
    struct segment *g = s->head;
    g->end += b->bytes;
    g->records += b->bytes;
    for (size_t i = 0; i < b->n; i++) {
        if (b->jobs[i]->record.len)
            segment_index_add(&g->index, &b->jobs[i]->place);
        end_job(s, b->jobs[i]);
    }
    s->failures = 0;
    if (!s->owed)
        atomic_store(&s->healthy, true);
}

static void put_back(struct spool *s, struct job *job)
{
    bool result = job->kind == JOB_RESULT;
    s->owed += result && !job->owed;
    job->owed |= result;
    s->urgent += !result;
    job->item.next = (struct item *)(void *)s->first;
    if (!s->first)
        s->last = (struct job **)(void *)&job->item.next;
    s->first = job;
}

// From the last to the first, so that what goes back to the queue keeps its order.
static void batch_failed(struct spool *s)
{
    struct batch *b = &s->batch;
    atomic_store(&s->healthy, false);
    if (spool_full(&s->trouble))
        atomic_store(&s->tight, true); // the next segment is of the reserve
    if (s->failures++)                 // the first failure tries the next segment at once
        s->begin_at_ms = clock_mono_ms() + SPOOL_RETRY_MS;
    for (size_t i = b->n; i-- > 0;) {
        struct job *job = b->jobs[i];
        if (job->kind == JOB_STORE)
            continue;
        b->jobs[i] = NULL;
        if (job->kind == JOB_COPY)
            job_free(job);
        else
            put_back(s, job);
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->jobs[i])
            job_refuse(s, b->jobs[i]);
}

// The head has room for the batch, or is replaced; an empty one takes a batch of any size.
static int batch_make_room(struct spool *s)
{
    struct segment *g = s->head;
    struct batch *b = &s->batch;
    uint64_t index = (g->index.n + b->n) * SEGMENT_ROW + 2 * (uint64_t)SEGMENT_RECORD;
    uint64_t limit = g->limit ? g->limit : s->segment_bytes;
    if (!b->bytes || g->end == SEGMENT_HEAD || g->end + b->bytes + index <= limit)
        return 0;
    if (segment_seal(s, g) < 0) {
        spool_alarm(s, "%s could not be closed with its index", g->path);
        segment_fail(s, g);
    }
    s->head = NULL;
    return segment_begin(s);
}

static int put_on_disk(struct spool *s)
{
    const struct spool_files *files = s->files;
    struct batch *b = &s->batch;
    if (!b->bytes)
        return 0;
    ssize_t put = files->pwritev(files->self, s->head->fd, b->pieces, b->npieces, s->head->end);
    if (put >= 0 && (uint64_t)put < b->bytes)
        errno = ENOSPC;
    if (put < 0 || (uint64_t)put < b->bytes)
        return spool_trouble(&s->trouble, errno, "the spool could not be written");
    uint64_t began = clock_mono_ns();
    int rc = files->datasync(files->self, s->head->fd);
    histogram_add_since(&s->sync_times, began);
    if (rc < 0)
        return spool_trouble(&s->trouble, errno, "the spool could not be synced");
    atomic_fetch_add(&s->syncs, 1);
    return 0;
}

// Here and there, side by side.
static int put_on_both(struct spool *s)
{
    bool second = second_submit(s);
    int rc = put_on_disk(s);
    return second && second_await(s) < 0 ? -1 : rc;
}

void batch_write(struct spool *s)
{
    gather(s);
    if (s->options.before)
        s->options.before(s->options.before_arg);
    if (batch_make_room(s) < 0) {
        spool_alarm(s, "%s", s->trouble.text);
        batch_failed(s);
        return;
    }
    lay_out(s);
    if (put_on_both(s) == 0) {
        batch_done(s);
        return;
    }
    spool_alarm(s, "%s; its segment %s is ended", s->trouble.text, s->head->path);
    struct segment *g = segment_ref(s->head);
    segment_fail(s, g);
    second_cut(s, g);
    segment_unref(g);
    batch_failed(s);
}
