// SPDX-License-Identifier: ISC
// Space for results on a disk that is full: files of real blocks, made while there is room. When no ordinary segment
// can be begun or written, one of them becomes a segment that takes results and the copies that empty the oldest
// segment, and no new mail: so what is delivered can be recorded, its segments go, and the disk heals by itself.
//
// A segment of the reserve is a segment like any other to whoever reads the spool. There are several files, because
// a start ends the one in use.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/spool/inside.h"

static char *path_of(const struct spool *s, size_t i)
{
    return mem_printf("%s/reserve.%zu", s->directory, i + 1);
}

static uint64_t free_now(struct spool *s)
{
    uint64_t bytes;
    return s->files->free_bytes(s->files->self, s->directory, &bytes) == 0 ? bytes : 0;
}

static uint64_t missing(const struct spool *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < SPOOL_RESERVES; i++)
        n += !s->reserves[i];
    return n;
}

// A small disk gives a small share.
static uint64_t share(const struct spool *s, uint64_t free_bytes)
{
    uint64_t bytes = s->segment_bytes / 32;
    bytes = bytes > SPOOL_RESERVE_MAX ? SPOOL_RESERVE_MAX : bytes;
    if (bytes > free_bytes / (4 * SPOOL_RESERVES))
        bytes = free_bytes / (4 * SPOOL_RESERVES);
    bytes -= bytes % 4096;
    return bytes < 4096 ? 4096 : bytes;
}

static int write_zeros(const struct spool_files *files, int fd, uint64_t bytes)
{
    unsigned char *zeros = mem_new(SPOOL_COPY);
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < bytes; at += SPOOL_COPY)
        rc = spool_files_write(files, fd, zeros, bytes - at < SPOOL_COPY ? bytes - at : SPOOL_COPY,
                               at);
    free(zeros);
    return rc;
}

static void make(struct spool *s, size_t i, uint64_t bytes)
{
    const struct spool_files *files = s->files;
    char *path = path_of(s, i);
    int fd = files->open(files->self, path, SPOOL_CREATE);
    if (fd >= 0) {
        int rc = files->allocate(files->self, fd, bytes);
        if (rc < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
            rc = write_zeros(files, fd, bytes);
        if (rc == 0)
            rc = files->datasync(files->self, fd);
        files->close(files->self, fd);
        if (rc == 0)
            s->reserves[i] = bytes;
        else
            (void)!files->unlink(files->self, path);
    }
    free(path);
}

void reserve_fill(struct spool *s)
{
    uint64_t n = missing(s);
    uint64_t bytes = free_now(s);
    if (!n || bytes < 4 * SPOOL_RESERVES * 4096)
        return;
    bytes = share(s, bytes);
    for (size_t i = 0; i < SPOOL_RESERVES; i++)
        if (!s->reserves[i])
            make(s, i, bytes);
    s->reserve_bytes = bytes;
}

void reserve_find(struct spool *s)
{
    const struct spool_files *files = s->files;
    for (size_t i = 0; i < SPOOL_RESERVES; i++) {
        char *path = path_of(s, i);
        int fd = files->open(files->self, path, SPOOL_READ);
        uint64_t bytes = 0;
        if (fd >= 0 && files->size(files->self, fd, &bytes) == 0 && bytes >= 4096)
            s->reserves[i] = bytes;
        if (fd >= 0)
            files->close(files->self, fd);
        if (fd >= 0 && !s->reserves[i])
            (void)!files->unlink(files->self, path); // it was just being made
        if (s->reserves[i] > s->reserve_bytes)
            s->reserve_bytes = s->reserves[i];
        free(path);
    }
}

// The file at `path`, which is a segment's name from now on; -1: none is left, or it could not be had.
int reserve_take(struct spool *s, const char *path, uint64_t *bytes)
{
    const struct spool_files *files = s->files;
    for (size_t i = 0; i < SPOOL_RESERVES; i++) {
        if (!s->reserves[i])
            continue;
        char *from = path_of(s, i);
        int rc = files->rename(files->self, from, path);
        *bytes = s->reserves[i];
        s->reserves[i] = 0;
        free(from);
        if (rc == 0)
            return files->open(files->self, path, SPOOL_READ_WRITE);
    }
    errno = ENOSPC;
    return -1;
}

bool reserve_has(const struct spool *s, uint64_t bytes)
{
    size_t fit = 0, others = 0;
    for (size_t i = 0; i < SPOOL_RESERVES; i++) {
        fit += s->reserves[i] >= bytes;
        others += s->reserves[i] > 0;
    }
    return fit && others > 1;
}

// Room for the whole reserve anew, and for a beginning of ordinary life.
static bool enough(struct spool *s)
{
    uint64_t bytes = (missing(s) + SPOOL_RESERVES / 2) * s->reserve_bytes;
    return free_now(s) >= (bytes < 65536 ? 65536 : bytes);
}

// Looks from time to time whether the disk is well again. True: the head is no segment of the reserve (any more).
bool reserve_leave(struct spool *s)
{
    struct segment *g = s->head;
    if (!g || !g->limit)
        return true;
    uint64_t now = clock_mono_ms();
    if (now < s->reserve_at_ms)
        return false;
    s->reserve_at_ms = now + SPOOL_ROOM_MS;
    if (!enough(s))
        return false;
    if (segment_seal(s, g) < 0)
        segment_fail(s, g);
    s->head = NULL;
    s->begin_at_ms = 0;
    atomic_store(&s->tight, false);
    s->reserve_told = false;
    reserve_fill(s);
    spool_alarm(s, "the spool's disk has room again; mail is accepted");
    return true;
}
