// SPDX-License-Identifier: ISC
// The files of the log: begun, sealed, ended after a failure, removed. Each step is durable before the
// next relies on it; a failed fdatasync is never asked again for the same data.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/spool/inside.h"
#include "relay/spool/second_inside.h"

struct segment *segment_of(struct spool *s, int fd, char *path, const struct segment_key *key)
{
    struct segment *g = mem_new(sizeof *g);
    atomic_init(&g->refs, 1);
    g->files = s->files;
    g->fd = fd;
    g->path = path;
    g->key = *key;
    g->end = SEGMENT_HEAD;
    list_init(&g->messages);
    list_init(&g->link);
    pthread_mutex_lock(&s->lock);
    list_append(&s->segments, &g->link);
    pthread_mutex_unlock(&s->lock);
    return g;
}

struct segment *segment_ref(struct segment *g)
{
    atomic_fetch_add(&g->refs, 1);
    return g;
}

void segment_unref(struct segment *g)
{
    if (!g || atomic_fetch_sub(&g->refs, 1) > 1)
        return;
    g->files->close(g->files->self, g->fd);
    segment_index_free(&g->index);
    free(g->path);
    free(g);
}

static char *head_path(const struct spool *s, uint64_t number)
{
    return mem_printf("%s/%08" PRIu64 ".head", s->directory, number);
}

enum segment_head segment_head_find(struct spool *s, uint64_t number, struct segment_key *key)
{
    const struct spool_files *files = s->files;
    unsigned char head[SEGMENT_HEAD];
    char *path = head_path(s, number);
    enum segment_head found = HEAD_DAMAGED;
    int fd = files->open(files->self, path, SPOOL_READ);
    if (fd >= 0) {
        ssize_t got = spool_files_read(files, fd, head, sizeof head, 0);
        found = segment_head_decode(head, got > 0 ? (size_t)got : 0, key);
        files->close(files->self, fd);
    }
    if (found == HEAD_OURS && key->number != number)
        found = HEAD_DAMAGED;
    free(path);
    return found;
}

void segment_head_drop(struct spool *s, uint64_t number)
{
    char *path = head_path(s, number);
    (void)!s->files->unlink(s->files->self, path);
    free(path);
}

// A log without it is as good as every log of the first program's; so nothing fails here.
void segment_head_keep(struct spool *s, const struct segment_key *key)
{
    const struct spool_files *files = s->files;
    unsigned char head[SEGMENT_HEAD];
    struct segment_key found;
    if (segment_head_find(s, key->number, &found) == HEAD_OURS &&
        memcmp(found.random, key->random, sizeof found.random) == 0)
        return;
    char *path = head_path(s, key->number);
    segment_head_encode(key, head);
    int fd = files->open(files->self, path, SPOOL_READ);
    if (fd >= 0) { // damaged, or of a segment that was never begun
        files->close(files->self, fd);
        (void)!files->unlink(files->self, path);
    }
    fd = files->open(files->self, path, SPOOL_CREATE);
    if (fd >= 0) {
        bool whole = spool_files_write(files, fd, head, sizeof head, 0) == 0 &&
                     files->datasync(files->self, fd) == 0;
        files->close(files->self, fd);
        if (!whole)
            (void)!files->unlink(files->self, path);
    }
    free(path);
}

// Space ahead saves fdatasync the work on sizes; a file system that has none to give says no, and nothing is lost by
// that. A disk that is nearly full is not filled by it.
static void space_ahead(struct spool *s, int fd)
{
    uint64_t bytes, want = s->segment_bytes;
    if (s->files->free_bytes(s->files->self, s->directory, &bytes) == 0 && bytes / 2 < want)
        want = bytes / 2;
    if (want)
        (void)!s->files->allocate(s->files->self, fd, want);
}

// The file and its name are on disk before any record is put into it.
static int spool_segment_begin(struct spool *s, bool reserve)
{
    const struct spool_files *files = s->files;
    unsigned char random[16], head[SEGMENT_HEAD];
    struct segment_key key;
    uint64_t limit = 0, number = s->next_number++;
    random_bytes(random, sizeof random);
    segment_key_make(&key, number, random);
    segment_head_encode(&key, head);
    char *path = mem_printf("%s/%08" PRIu64 ".log", s->directory, number);
    segment_head_keep(s, &key);
    int fd = reserve ? reserve_take(s, path, &limit) : files->open(files->self, path, SPOOL_CREATE);
    if (fd < 0)
        goto failed;
    if (!reserve)
        space_ahead(s, fd);
    if (spool_files_write(files, fd, head, sizeof head, 0) < 0 ||
        files->datasync(files->self, fd) < 0 || files->sync_dir(files->self, s->directory) < 0)
        goto failed;
    s->dir_unsynced = false;
    s->head = segment_of(s, fd, path, &key);
    s->head->limit = limit;
    return 0;
failed:
    spool_trouble(&s->trouble, errno, "a new spool segment could not be begun");
    if (fd >= 0) {
        files->close(files->self, fd);
        (void)!files->unlink(files->self, path);
    }
    segment_head_drop(s, number);
    free(path);
    return -1;
}

// On a full disk the reserve comes first: what an ordinary segment could still get would be used up at once.
int segment_begin(struct spool *s)
{
    bool tight = atomic_load(&s->tight);
    if (!tight && spool_segment_begin(s, false) == 0)
        return 0;
    tight = tight || spool_full(&s->trouble);
    if (!tight)
        return -1;
    atomic_store(&s->tight, true);
    struct why first = s->trouble;
    if (spool_segment_begin(s, true) == 0) {
        if (!s->reserve_told)
            spool_alarm(s, "the spool's disk is full; its reserve takes what is delivered until "
                           "there is room, and no mail is accepted");
        s->reserve_told = true;
        s->reserve_at_ms = clock_mono_ms() + SPOOL_ROOM_MS;
        return 0;
    }
    if (spool_segment_begin(s, false) == 0) { // a new look, without the reserve
        atomic_store(&s->tight, false);
        return 0;
    }
    if (why_is_set(&first))
        s->trouble = first;
    return -1;
}

int segment_seal(struct spool *s, struct segment *g)
{
    const struct spool_files *files = s->files;
    struct buf tail;
    buf_init(&tail, SIZE_MAX / 2);
    segment_index_encode(&g->key, &g->index, g->end, g->end, &tail);
    int rc = spool_files_write(files, g->fd, tail.data, tail.len, g->end);
    if (rc == 0)
        rc = files->truncate(files->self, g->fd, g->end + tail.len);
    if (rc == 0)
        rc = files->datasync(files->self, g->fd);
    int error = errno;
    if (rc < 0) // a piece of an index says nothing
        (void)!files->truncate(files->self, g->fd, g->end);
    errno = error;
    buf_free(&tail);
    segment_index_free(&g->index);
    return rc;
}

// Behind `end` there may be records whose clients were told 451. Where they cannot be cut off, the
// file's new name says up to where it counts.
void segment_fail(struct spool *s, struct segment *g)
{
    const struct spool_files *files = s->files;
    segment_index_free(&g->index);
    s->head = NULL;
    if (files->truncate(files->self, g->fd, g->end) == 0 &&
        files->datasync(files->self, g->fd) == 0)
        return;
    char *path =
        mem_printf("%s/%08" PRIu64 ".%" PRIu64 ".suspect", s->directory, g->key.number, g->end);
    if (files->rename(files->self, g->path, path) < 0 ||
        files->sync_dir(files->self, s->directory) < 0)
        spool_alarm(s, "%s could be neither cut nor renamed: a restart may deliver messages again",
                    g->path);
    else
        spool_alarm(s, "%s could not be cut at its last safe byte and is now %s", g->path, path);
    free(g->path);
    g->path = path;
}

// The caller has seen that it is the oldest and that no message in it is open. A directory that could
// not be synced must be before anything else is removed, or a younger segment could vanish alone.
int segment_remove(struct spool *s, struct segment *g)
{
    const struct spool_files *files = s->files;
    if (s->dir_unsynced && files->sync_dir(files->self, s->directory) < 0)
        return -1;
    s->dir_unsynced = false;
    int rc;
    if (g->keep) {
        char *path = mem_printf("%s/%08" PRIu64 ".damaged", s->directory, g->key.number);
        rc = files->rename(files->self, g->path, path);
        free(path);
    } else {
        rc = files->unlink(files->self, g->path);
    }
    if (rc < 0 && errno != ENOENT)
        return -1;
    segment_head_drop(s, g->key.number);
    second_drop(s, g->key.number);
    pthread_mutex_lock(&s->lock);
    list_remove(&g->link);
    pthread_mutex_unlock(&s->lock);
    segment_unref(g);
    s->dir_unsynced = files->sync_dir(files->self, s->directory) < 0;
    return s->dir_unsynced ? -1 : 0;
}

static int copy_bytes(struct spool *s, struct segment *g, uint64_t from, uint64_t to, int fd)
{
    const struct spool_files *files = s->files;
    unsigned char *piece = mem_new(SPOOL_COPY);
    uint64_t at = 0;
    int rc = 0;
    while (rc == 0 && from + at < to) {
        size_t n = to - from - at < SPOOL_COPY ? (size_t)(to - from - at) : SPOOL_COPY;
        ssize_t got = spool_files_read(files, g->fd, piece, n, from + at);
        rc = got <= 0 ? -1 : spool_files_write(files, fd, piece, (size_t)got, at);
        at += got > 0 ? (uint64_t)got : 0;
    }
    free(piece);
    return rc == 0 ? files->datasync(files->self, fd) : rc;
}

// Keeps a copy of bytes that could not be understood; once for each place.
int segment_quarantine(struct spool *s, struct segment *g, uint64_t from, uint64_t to)
{
    const struct spool_files *files = s->files;
    char *path = mem_printf("%s/%08" PRIu64 "-%" PRIu64, s->damaged, g->key.number, from);
    char *part = mem_printf("%s.part", path);
    int rc = -1, fd = files->open(files->self, path, SPOOL_READ);
    if (fd >= 0) {
        files->close(files->self, fd);
        rc = 0;
        goto done;
    }
    (void)!files->unlink(files->self, part);
    fd = files->open(files->self, part, SPOOL_CREATE);
    if (fd >= 0) {
        rc = copy_bytes(s, g, from, to, fd);
        files->close(files->self, fd);
        if (rc == 0)
            rc = files->rename(files->self, part, path);
        if (rc == 0)
            rc = files->sync_dir(files->self, s->damaged);
    }
    if (rc < 0)
        spool_alarm(s, "%s could not be written; the damaged bytes stay in %s", path, g->path);
done:
    free(part);
    free(path);
    return rc;
}
