// SPDX-License-Identifier: ISC
// The disk in memory. A file is a node with bytes; names point to nodes; the trace has every operation
// that changes or syncs something, with its data, and disk_after() plays a beginning of it.
#include "tests/unit/spool_disk.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

#define PAGE 512
#define FDS  256

struct node {
    unsigned char *bytes;
    size_t n;
};

struct name {
    char *path;
    size_t node;
};

struct trace {
    enum disk_op op;
    size_t node;
    char *path, *to;
    uint64_t offset; // or size
    size_t synced_at;
    unsigned char *data;
    size_t n;
};

struct disk {
    struct spool_files files;
    pthread_mutex_t lock;
    struct node *nodes;
    size_t nnodes;
    struct name *names;
    size_t nnames;
    struct trace *trace;
    size_t ntrace, count, syncs_known;
    size_t fds[FDS]; // node + 1
    size_t fail_at;
    int fail_error;
    size_t fail_times;
    bool failed;
    uint64_t free_bytes;
    unsigned char *mapped; // the one mapped file
    size_t nmapped;
    size_t full_at; // the operation from which on nothing grows
};

static void resize(struct node *node, size_t n)
{
    node->bytes = mem_grow(node->bytes, n, 1);
    if (n > node->n)
        memset(node->bytes + node->n, 0, n - node->n);
    node->n = n;
}

static void put(struct node *node, uint64_t offset, const unsigned char *data, size_t n)
{
    if (n && offset + n > node->n)
        resize(node, offset + n);
    if (n)
        memcpy(node->bytes + offset, data, n);
}

static struct name *name_of(struct disk *d, const char *path)
{
    for (size_t i = 0; i < d->nnames; i++)
        if (strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    return NULL;
}

static size_t add_node(struct disk *d)
{
    d->nodes = mem_grow(d->nodes, d->nnodes + 1, sizeof *d->nodes);
    d->nodes[d->nnodes] = (struct node){0};
    return d->nnodes++;
}

static void add_name(struct disk *d, const char *path, size_t node)
{
    d->names = mem_grow(d->names, d->nnames + 1, sizeof *d->names);
    d->names[d->nnames++] = (struct name){.path = mem_dup(path), .node = node};
}

static void drop_name(struct disk *d, struct name *name)
{
    free(name->path);
    *name = d->names[--d->nnames];
}

static void link_name(struct disk *d, const char *path, size_t node)
{
    struct name *old = name_of(d, path);
    if (old)
        old->node = node;
    else
        add_name(d, path, node);
}

// Counts an operation; 0, or what it fails with.
static int next_op(struct disk *d)
{
    size_t at = d->count++;
    if (!d->fail_error || at < d->fail_at || at - d->fail_at >= d->fail_times)
        return 0;
    d->failed = true;
    return d->fail_error;
}

static struct trace *add_trace(struct disk *d, enum disk_op op, size_t node)
{
    // An operation that failed leaves a hole, so that the trace is counted as the operations are.
    d->trace = mem_grow(d->trace, d->count, sizeof *d->trace);
    while (d->ntrace < d->count)
        d->trace[d->ntrace++] = (struct trace){.op = DISK_WRITE};
    struct trace *t = &d->trace[d->count - 1];
    *t = (struct trace){.op = op, .node = node};
    return t;
}

static int fails(int error)
{
    errno = error == DISK_SHORT ? EIO : error;
    return -1;
}

static int open_node(struct disk *d, size_t node)
{
    for (int fd = 0; fd < FDS; fd++)
        if (!d->fds[fd]) {
            d->fds[fd] = node + 1;
            return fd;
        }
    return fails(EMFILE);
}

static int disk_open(void *self, const char *path, enum spool_open how)
{
    struct disk *d = self;
    pthread_mutex_lock(&d->lock);
    struct name *name = name_of(d, path);
    int fd = -1, error = how == SPOOL_CREATE ? next_op(d) : 0;
    if (error) {
        fails(error);
    } else if (how == SPOOL_CREATE && name) {
        fails(EEXIST);
    } else if (how == SPOOL_CREATE && d->count > d->full_at) {
        fails(ENOSPC);
    } else if (how == SPOOL_CREATE) {
        size_t node = add_node(d);
        add_name(d, path, node);
        add_trace(d, DISK_CREATE, node)->path = mem_dup(path);
        fd = open_node(d, node);
    } else if (!name) {
        fails(ENOENT);
    } else {
        fd = open_node(d, name->node);
    }
    pthread_mutex_unlock(&d->lock);
    return fd;
}

static void disk_close(void *self, int fd)
{
    struct disk *d = self;
    pthread_mutex_lock(&d->lock);
    assert(d->fds[fd]);
    d->fds[fd] = 0;
    pthread_mutex_unlock(&d->lock);
}

static ssize_t disk_pread(void *self, int fd, void *out, size_t n, uint64_t offset)
{
    struct disk *d = self;
    pthread_mutex_lock(&d->lock);
    const struct node *node = &d->nodes[d->fds[fd] - 1];
    size_t got = offset >= node->n ? 0 : node->n - offset < n ? node->n - offset : n;
    if (got)
        memcpy(out, node->bytes + offset, got);
    pthread_mutex_unlock(&d->lock);
    return (ssize_t)got;
}

static ssize_t disk_pwritev(void *self, int fd, const struct iovec *pieces, int n, uint64_t offset)
{
    struct disk *d = self;
    size_t total = 0;
    for (int i = 0; i < n; i++)
        total += pieces[i].iov_len;
    unsigned char *data = mem_new(total);
    for (size_t i = 0, at = 0; i < (size_t)n; at += pieces[i++].iov_len)
        if (pieces[i].iov_len)
            memcpy(data + at, pieces[i].iov_base, pieces[i].iov_len);
    pthread_mutex_lock(&d->lock);
    int error = next_op(d);
    if (!error && d->count > d->full_at && offset + total > d->nodes[d->fds[fd] - 1].n)
        error = ENOSPC;
    if (error && error != DISK_SHORT) {
        free(data);
        pthread_mutex_unlock(&d->lock);
        return fails(error);
    }
    if (error)
        total /= 2;
    size_t node = d->fds[fd] - 1;
    put(&d->nodes[node], offset, data, total);
    struct trace *t = add_trace(d, DISK_WRITE, node);
    t->offset = offset;
    t->data = data;
    t->n = total;
    pthread_mutex_unlock(&d->lock);
    return (ssize_t)total;
}

static int on_node(struct disk *d, int fd, enum disk_op op, uint64_t size)
{
    pthread_mutex_lock(&d->lock);
    int error = next_op(d);
    size_t node = d->fds[fd] - 1;
    if (!error && op == DISK_ALLOCATE && d->count > d->full_at && size > d->nodes[node].n)
        error = ENOSPC;
    if (!error && op != DISK_SYNC && (op == DISK_TRUNCATE || size > d->nodes[node].n))
        resize(&d->nodes[node], size);
    if (!error)
        add_trace(d, op, node)->offset = size;
    pthread_mutex_unlock(&d->lock);
    return error ? fails(error) : 0;
}

static int disk_datasync(void *self, int fd)
{
    return on_node(self, fd, DISK_SYNC, 0);
}

static int disk_truncate(void *self, int fd, uint64_t size)
{
    return on_node(self, fd, DISK_TRUNCATE, size);
}

static int disk_allocate(void *self, int fd, uint64_t size)
{
    return on_node(self, fd, DISK_ALLOCATE, size);
}

static int disk_size(void *self, int fd, uint64_t *bytes)
{
    struct disk *d = self;
    pthread_mutex_lock(&d->lock);
    *bytes = d->nodes[d->fds[fd] - 1].n;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

static int on_name(struct disk *d, enum disk_op op, const char *path, const char *to)
{
    pthread_mutex_lock(&d->lock);
    int error = next_op(d);
    struct name *name = op == DISK_SYNC_DIR ? NULL : name_of(d, path);
    if (!error && !name && op != DISK_SYNC_DIR)
        error = ENOENT;
    if (!error) {
        size_t node = name ? name->node : 0;
        struct trace *t = add_trace(d, op, node);
        t->path = mem_dup(path);
        t->to = mem_dup(to);
        if (name)
            drop_name(d, name);
        if (to)
            link_name(d, to, node);
    }
    pthread_mutex_unlock(&d->lock);
    return error ? fails(error) : 0;
}

static int disk_rename(void *self, const char *from, const char *to)
{
    return on_name(self, DISK_RENAME, from, to);
}

static int disk_unlink(void *self, const char *path)
{
    return on_name(self, DISK_UNLINK, path, NULL);
}

static int disk_sync_dir(void *self, const char *path)
{
    return on_name(self, DISK_SYNC_DIR, path, NULL);
}

static int disk_mkdir(void *self, const char *path)
{
    (void)self;
    (void)path;
    return 0;
}

// The directory's length if the path is a file right in it, else 0.
static size_t below(const char *path, const char *directory)
{
    size_t n = strlen(directory);
    bool is = strncmp(path, directory, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
    return is ? n : 0;
}

static int disk_list(void *self, const char *path, void (*each)(void *arg, const char *name),
                     void *arg)
{
    struct disk *d = self;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->nnames; i++) {
        size_t n = below(d->names[i].path, path);
        if (n)
            each(arg, d->names[i].path + n + 1);
    }
    pthread_mutex_unlock(&d->lock);
    return 0;
}

static int disk_free_bytes(void *self, const char *path, uint64_t *bytes)
{
    struct disk *d = self;
    (void)path;
    pthread_mutex_lock(&d->lock);
    *bytes = d->count >= d->full_at ? 0 : d->free_bytes;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

static void *disk_map(void *self, const char *path, size_t bytes)
{
    struct disk *d = self;
    (void)path;
    assert(!d->mapped || d->nmapped == bytes);
    if (!d->mapped)
        d->mapped = mem_new(bytes);
    d->nmapped = bytes;
    return d->mapped;
}

static void disk_unmap(void *self, void *memory, size_t bytes)
{
    (void)self, (void)memory, (void)bytes;
}

static void disk_boot(void *self, char *out, size_t size)
{
    (void)self;
    memset(out, 'b', size);
}

static int disk_lock(void *self, const char *path)
{
    struct disk *d = self;
    (void)path;
    pthread_mutex_lock(&d->lock);
    int fd = open_node(d, add_node(d));
    pthread_mutex_unlock(&d->lock);
    return fd;
}

struct disk *disk_new(void)
{
    struct disk *d = mem_new(sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    d->free_bytes = UINT64_MAX;
    d->full_at = SIZE_MAX;
    d->files = (struct spool_files){.self = d,
                                    .open = disk_open,
                                    .close = disk_close,
                                    .pread = disk_pread,
                                    .pwritev = disk_pwritev,
                                    .datasync = disk_datasync,
                                    .truncate = disk_truncate,
                                    .allocate = disk_allocate,
                                    .size = disk_size,
                                    .rename = disk_rename,
                                    .unlink = disk_unlink,
                                    .mkdir = disk_mkdir,
                                    .sync_dir = disk_sync_dir,
                                    .list = disk_list,
                                    .free_bytes = disk_free_bytes,
                                    .map = disk_map,
                                    .unmap = disk_unmap,
                                    .boot = disk_boot,
                                    .lock = disk_lock};
    return d;
}

void disk_free(struct disk *d)
{
    for (size_t i = 0; i < d->nnodes; i++)
        free(d->nodes[i].bytes);
    for (size_t i = 0; i < d->nnames; i++)
        free(d->names[i].path);
    for (size_t i = 0; i < d->ntrace; i++) {
        free(d->trace[i].path);
        free(d->trace[i].to);
        free(d->trace[i].data);
    }
    free(d->mapped);
    free(d->nodes);
    free(d->names);
    free(d->trace);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

const struct spool_files *disk_files(struct disk *d)
{
    return &d->files;
}

size_t disk_count(struct disk *d)
{
    pthread_mutex_lock(&d->lock);
    size_t count = d->count;
    pthread_mutex_unlock(&d->lock);
    return count;
}

void disk_fail(struct disk *d, size_t at, int error, size_t times)
{
    pthread_mutex_lock(&d->lock);
    d->fail_at = at;
    d->fail_error = error;
    d->fail_times = times;
    d->failed = false;
    pthread_mutex_unlock(&d->lock);
}

bool disk_failed(struct disk *d)
{
    pthread_mutex_lock(&d->lock);
    bool failed = d->failed;
    pthread_mutex_unlock(&d->lock);
    return failed;
}

void disk_set_free(struct disk *d, uint64_t bytes)
{
    pthread_mutex_lock(&d->lock);
    d->free_bytes = bytes;
    pthread_mutex_unlock(&d->lock);
}

void disk_full_at(struct disk *d, size_t at)
{
    pthread_mutex_lock(&d->lock);
    d->full_at = at;
    pthread_mutex_unlock(&d->lock);
}

static uint64_t chance(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void play(struct node *node, const struct trace *t)
{
    if (t->op == DISK_WRITE)
        put(node, t->offset, t->data, t->n);
    else if (t->op == DISK_TRUNCATE || t->offset > node->n)
        resize(node, t->offset);
}

// Page by page: there, not there, or its beginning alone.
static void play_torn(struct node *node, const struct trace *t, uint64_t *seed)
{
    if (t->op != DISK_WRITE) {
        if (chance(seed) & 1)
            play(node, t);
        return;
    }
    for (size_t at = 0; at < t->n; at += PAGE) {
        size_t n = t->n - at < PAGE ? t->n - at : PAGE;
        uint64_t how = chance(seed) % 3;
        put(node, t->offset + at, t->data + at, how == 0 ? n : how == 1 ? 0 : chance(seed) % n);
    }
}

static void play_name(struct disk *d, const struct trace *t)
{
    struct name *name = name_of(d, t->path);
    if (name && (t->op == DISK_UNLINK || t->op == DISK_RENAME) && name->node == t->node)
        drop_name(d, name);
    if (t->op == DISK_CREATE)
        link_name(d, t->path, t->node);
    if (t->op == DISK_RENAME)
        link_name(d, t->to, t->node);
}

static bool about_data(const struct trace *t)
{
    return t->op == DISK_WRITE || t->op == DISK_TRUNCATE || t->op == DISK_ALLOCATE;
}

static bool about_name(const struct trace *t)
{
    return t->op == DISK_CREATE || t->op == DISK_RENAME || t->op == DISK_UNLINK;
}

// For each operation, which later one makes it last: computed once, when the trace is complete.
static void find_syncs(struct disk *d)
{
    if (d->syncs_known == d->ntrace)
        return;
    for (size_t i = 0; i < d->ntrace; i++) {
        struct trace *t = &d->trace[i];
        t->synced_at = SIZE_MAX;
        for (size_t j = i + 1; j < d->ntrace && t->synced_at == SIZE_MAX; j++) {
            const struct trace *u = &d->trace[j];
            if ((about_data(t) && u->op == DISK_SYNC && u->node == t->node) ||
                (about_name(t) && u->op == DISK_SYNC_DIR && below(t->path, u->path)))
                t->synced_at = j;
        }
    }
    d->syncs_known = d->ntrace;
}

struct disk *disk_after(struct disk *d, size_t at, enum disk_cut cut, uint64_t seed)
{
    struct disk *after = disk_new();
    find_syncs(d);
    for (size_t i = 0; i < d->nnodes; i++)
        add_node(after);
    seed = seed * 2654435761 + at + 1;
    for (size_t i = 0; i < at && i < d->ntrace; i++) {
        const struct trace *t = &d->trace[i];
        if (!about_data(t) && !about_name(t))
            continue;
        bool whole = t->synced_at < at || cut == CUT_PRESENT;
        if (!whole && cut == CUT_ABSENT)
            continue;
        if (about_data(t) && whole)
            play(&after->nodes[t->node], t);
        else if (about_data(t))
            play_torn(&after->nodes[t->node], t, &seed);
        else if (whole || chance(&seed) & 1)
            play_name(after, t);
    }
    return after;
}

struct disk *disk_copy(struct disk *d)
{
    struct disk *copy = disk_new();
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->nnodes; i++) {
        size_t node = add_node(copy);
        put(&copy->nodes[node], 0, d->nodes[i].bytes, d->nodes[i].n);
    }
    for (size_t i = 0; i < d->nnames; i++)
        add_name(copy, d->names[i].path, d->names[i].node);
    if (d->mapped) {
        copy->mapped = mem_new(d->nmapped);
        memcpy(copy->mapped, d->mapped, d->nmapped);
        copy->nmapped = d->nmapped;
    }
    pthread_mutex_unlock(&d->lock);
    return copy;
}

unsigned char *disk_bytes(struct disk *d, const char *path, size_t *n)
{
    struct name *name = name_of(d, path);
    if (!name)
        return NULL;
    *n = d->nodes[name->node].n;
    return d->nodes[name->node].bytes;
}

unsigned char *disk_mapped(struct disk *d, size_t *n)
{
    *n = d->nmapped;
    return d->mapped;
}

void disk_resize(struct disk *d, const char *path, size_t n)
{
    resize(&d->nodes[name_of(d, path)->node], n);
}

size_t disk_below(struct disk *d, const char *directory)
{
    size_t n = 0;
    for (size_t i = 0; i < d->nnames; i++)
        n += below(d->names[i].path, directory) > 0;
    return n;
}
