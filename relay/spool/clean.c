// SPDX-License-Identifier: ISC
// Removes segments, strictly the oldest first: its open messages are copied to the head, the copies are
// synced with a batch, and only then is it unlinked and the directory synced. Were a segment in the
// middle removed, the RESULTs in it would be gone while their MESSAGE, in an older one, still stood.
#include <errno.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/spool/inside.h"

static struct segment *oldest(struct spool *s)
{
    return list_of(s->segments.next, struct segment, link);
}

// On a full disk the copies must fit into what is left of the reserve, and free more than they take. Results go first.
static bool pays_in_reserve(struct spool *s)
{
    const struct segment *old = oldest(s), *g = s->head;
    if (s->first || old->live * 2 >= old->end)
        return false;
    uint64_t rows = 0;
    list_each (it, &old->messages)
        rows++;
    uint64_t tail = 2 * (uint64_t)SEGMENT_RECORD, need = old->live + rows * SEGMENT_ROW + tail;
    return g->end + g->index.n * SEGMENT_ROW + need <= g->limit ||
           reserve_has(s, need + SEGMENT_HEAD);
}

// Copying pays when at least as much is dead as is alive, and some segments' worth in any case; on a
// disk that is nearly full, sooner.
bool clean_wanted(struct spool *s)
{
    if (!s->head || oldest(s) == s->head || clock_mono_ms() < s->tidy_at_ms)
        return false;
    if (s->head->limit)
        return pays_in_reserve(s);
    uint64_t live = 0, records = 0;
    list_each (it, &s->segments) {
        struct segment *g = list_of(it, struct segment, link);
        live += g->live;
        records += g->records;
    }
    uint64_t dead = records - live;
    return dead > live + SPOOL_GARBAGE * s->segment_bytes ||
           (!spool_room(s) && dead > s->segment_bytes);
}

// 1: read and whole; 0: damaged; -1: cannot be read now.
static int read_rest(struct spool *s, const struct kept *k, struct buf *rest)
{
    const struct spool_files *files = s->files;
    struct segment *g = k->segment;
    unsigned char head[SEGMENT_RECORD], *room;
    struct segment_record r;
    size_t n = k->length - k->text;
    ssize_t got = spool_files_read(files, g->fd, head, sizeof head, k->offset);
    if (got < 0)
        return -1;
    if ((size_t)got < sizeof head ||
        !segment_record_decode(&g->key, k->offset, UINT64_MAX, head, &r) || r.length != k->length ||
        r.text != k->text)
        return 0;
    if (buf_reserve(rest, n, &room) < 0)
        return -1;
    got = spool_files_read(files, g->fd, room, n, k->offset + SEGMENT_RECORD + k->text);
    if (got < 0)
        return -1;
    rest->len = (size_t)got;
    return segment_rest_whole(&g->key, &r, buf_span(rest));
}

// A damaged message stays in the queue without its content, so that its sender is told.
static struct job *copy_of(struct spool *s, struct kept *k)
{
    struct job *job = job_new(JOB_COPY);
    struct kept place;
    job->kept = k;
    job->id = k->id;
    bool there = table_place(s, k->id, &place);
    job->damaged = there && place.damaged;
    int rc = job->damaged ? 0 : read_rest(s, k, &job->rest);
    segment_unref(there ? place.segment : NULL);
    if (rc < 0) {
        spool_alarm(s, "%s cannot be read (%s): it is kept", k->segment->path, strerror(errno));
        job_free(job);
        return NULL;
    }
    if (rc == 0) {
        if (!job->damaged &&
            segment_aside(s, k->segment, k->offset, k->offset + SEGMENT_RECORD + k->length) < 0)
            k->segment->keep = true;
        if (!job->damaged)
            spool_alarm(s, "a message in %s is damaged and will not be sent", k->segment->path);
        job->damaged = true;
        buf_reset(&job->rest);
    }
    if (segment_message_encode(k->message, k->now, job->damaged, &job->record) < 0) {
        job_free(job);
        return NULL;
    }
    return job;
}

// The copies stand in front of the batch's results, which therefore still count for them.
void clean_copy(struct spool *s)
{
    if (!clean_wanted(s))
        return;
    struct batch *b = &s->batch;
    list_each (it, &oldest(s)->messages) {
        if (b->bytes >= SPOOL_COPY || b->npieces >= SPOOL_PIECES / 2)
            return;
        struct job *job = copy_of(s, list_of(it, struct kept, link));
        if (!job) {
            s->tidy_at_ms = clock_mono_ms() + 60 * SPOOL_RETRY_MS;
            return;
        }
        batch_add(s, job);
    }
}

void clean_remove(struct spool *s)
{
    while (s->head && oldest(s) != s->head && list_empty(&oldest(s)->messages) &&
           clock_mono_ms() >= s->tidy_at_ms)
        if (segment_remove(s, oldest(s)) < 0) {
            s->tidy_at_ms = clock_mono_ms() + SPOOL_RETRY_MS;
            spool_alarm(s, "an old spool segment could not be removed: %s", strerror(errno));
        }
}
