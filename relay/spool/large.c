// SPDX-License-Identifier: ISC
// Large bodies: a file each below spool/large/, whole and on disk before its MESSAGE is written, removed
// after its last final RESULT is. Runs on libuv's thread pool; touches nothing of the spool's thread.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/spool/inside.h"

struct spool_large {
    struct spool *s;
    char name[33], *path;
    int fd;
    uint64_t bytes;
    XXH3_state_t *hash;
};

static void put_sum(unsigned char out[16], XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out, canonical.digest, 16);
}

static void large_release(struct spool_large *large)
{
    if (large->fd >= 0)
        large->s->files->close(large->s->files->self, large->fd);
    XXH3_freeState(large->hash);
    free(large->path);
    free(large);
}

struct spool_large *spool_large_begin(struct spool *s, struct why *why)
{
    struct spool_large *large = mem_new(sizeof *large);
    random_digits(large->name, sizeof large->name);
    large->s = s;
    large->path = mem_printf("%s/%s", s->large, large->name);
    large->hash = XXH3_createState();
    large->fd = s->files->open(s->files->self, large->path, SPOOL_CREATE);
    if (large->fd >= 0 && large->hash) {
        XXH3_128bits_reset(large->hash);
        return large;
    }
    spool_trouble(why, errno, "a file for a large body could not be made");
    spool_large_abort(large);
    return NULL;
}

int spool_large_write(struct spool_large *large, const void *bytes, size_t n, struct why *why)
{
    if (spool_files_write(large->s->files, large->fd, bytes, n, large->bytes) < 0)
        return spool_trouble(why, errno, "a large body could not be written");
    XXH3_128bits_update(large->hash, bytes, n);
    large->bytes += n;
    atomic_fetch_add(&large->s->spent, n);
    return 0;
}

int spool_large_finish(struct spool_large *large, struct message *m, struct why *why)
{
    const struct spool_files *files = large->s->files;
    assert(!m->large && !m->body.len);
    if (files->datasync(files->self, large->fd) < 0 ||
        files->sync_dir(files->self, large->s->large) < 0) {
        spool_trouble(why, errno, "a large body could not be synced");
        spool_large_abort(large);
        return -1;
    }
    m->large = mem_dup(large->name);
    m->body_bytes = large->bytes;
    put_sum(m->large_sum, XXH3_128bits_digest(large->hash));
    large_release(large);
    return 0;
}

void spool_large_abort(struct spool_large *large)
{
    if (!large)
        return;
    if (large->fd >= 0)
        large_unlink(large->s, large->name);
    large_release(large);
}

void spool_large_discard(struct spool *s, struct message *m)
{
    if (m->large)
        large_unlink(s, m->large);
    free(m->large);
    m->large = NULL;
}

// What stays behind after a failure is an orphan, and goes at the next start.
void large_unlink(struct spool *s, const char *name)
{
    char *path = mem_printf("%s/%s", s->large, name);
    (void)!s->files->unlink(s->files->self, path);
    free(path);
}

static int open_large(struct spool *s, const struct message *m, struct why *why)
{
    char *path = mem_printf("%s/%s", s->large, m->large);
    int fd = s->files->open(s->files->self, path, SPOOL_READ);
    if (fd < 0 && errno == ENOENT)
        why_say(why, STORED_BODY_GONE);
    else if (fd < 0)
        spool_trouble(why, errno, "a large body cannot be read now");
    free(path);
    return fd;
}

ssize_t spool_read_large(struct spool *s, const struct message *m, uint64_t offset, void *out,
                         size_t n, struct why *why)
{
    int fd = open_large(s, m, why);
    if (fd < 0)
        return -1;
    ssize_t got = spool_files_read(s->files, fd, out, n, offset);
    if (got < 0)
        spool_trouble(why, errno, "a large body cannot be read now");
    s->files->close(s->files->self, fd);
    return got;
}

// 0: the hash of all of it is in `sum`.
static int hash_file(struct spool *s, int fd, uint64_t bytes, unsigned char sum[16])
{
    XXH3_state_t *hash = XXH3_createState();
    unsigned char *piece = mem_new(SPOOL_COPY);
    ssize_t got = hash ? 1 : -1;
    if (hash)
        XXH3_128bits_reset(hash);
    for (uint64_t at = 0; got > 0 && at <= bytes; at += (uint64_t)got) {
        got = spool_files_read(s->files, fd, piece, SPOOL_COPY, at);
        if (got > 0)
            XXH3_128bits_update(hash, piece, (size_t)got);
    }
    if (got >= 0)
        put_sum(sum, XXH3_128bits_digest(hash));
    free(piece);
    XXH3_freeState(hash);
    return got < 0 ? -1 : 0;
}

int large_verify(struct spool *s, const struct message *m, struct why *why)
{
    unsigned char sum[16];
    int fd = open_large(s, m, why);
    if (fd < 0)
        return -1;
    int rc = hash_file(s, fd, m->body_bytes, sum);
    s->files->close(s->files->self, fd);
    if (rc < 0)
        return spool_trouble(why, errno, "a large body cannot be read now");
    if (memcmp(sum, m->large_sum, sizeof sum) == 0)
        return 0;
    char *from = mem_printf("%s/%s", s->large, m->large);
    char *to = mem_printf("%s/%s", s->damaged, m->large);
    (void)!s->files->rename(s->files->self, from, to);
    free(from);
    free(to);
    return why_say(why, STORED_BODY_DAMAGED);
}
