// SPDX-License-Identifier: ISC
// The ring files: begun, appended to, ended, removed.
#include "relay/trace/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/trace/keys.h"

#define TAIL                                                                                       \
    ((size_t)1 << 20) // bytes at the end of a file in which its last whole line is looked for

struct ring_file {
    struct list list;
    uint64_t number, bytes;
    int64_t written_ms; // wall clock: its last line
    uint64_t aged_ms;   // clock_mono_ms(): since when it seems too old; 0: it does not
};

struct ring {
    char *directory;
    uint64_t size, keep, reserve;
    bool shared;       // on the spool's file system
    struct list files; // oldest first; the last one is written to while fd >= 0
    uint64_t newest;   // the highest number that was ever used
    uint64_t total;    // bytes of all
    int fd, keys_fd;   // -1: the next line begins a file
    uint64_t bytes, keys_bytes;
    uint64_t empty;     // what a file without lines has of both
    int64_t created_ms; // wall clock
};

static int ring_trouble(struct why *why, const char *what)
{
    return why_say(why, TRACE_DISK, what, strerror(errno));
}

static struct ring_file *last_of(const struct ring *r)
{
    return list_empty(&r->files) ? NULL : list_of(r->files.prev, struct ring_file, list);
}

// ---- sizes

static uint64_t bound_of(const struct ring *r)
{
    uint64_t bound = r->size / RING_FILES;
    return bound < RING_LEAST ? RING_LEAST : bound > RING_MOST ? RING_MOST : bound;
}

bool ring_fits(const struct ring *r, size_t waiting, size_t n)
{
    if (r->fd < 0)
        return false;
    bool fresh = r->bytes + waiting <= RING_HEAD; // a line of any length stands in some file
    return fresh || r->bytes + waiting + n <= bound_of(r);
}

uint64_t ring_place(const struct ring *r)
{
    return r->bytes;
}

uint64_t ring_bytes(const struct ring *r)
{
    return r->total;
}

static void add_bytes(struct ring *r, struct ring_file *f, uint64_t n)
{
    f->bytes += n;
    r->total += n;
}

// ---- removing

static void ring_unlink(const struct ring *r, uint64_t number)
{
    static const char *const parts[] = {"index.new", "index", "keys", "trace"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *path = ring_path(r->directory, number, parts[i]);
        unlink(path);
        free(path);
    }
}

static void drop_open(struct ring *r)
{
    if (r->fd >= 0)
        close(r->fd);
    if (r->keys_fd >= 0)
        close(r->keys_fd);
    r->fd = r->keys_fd = -1;
}

static void remove_file(struct ring *r, struct ring_file *f)
{
    if (f == last_of(r))
        drop_open(r);
    ring_unlink(r, f->number);
    r->total -= f->bytes;
    list_remove(&f->list);
    free(f);
}

// Oldest files go until n more bytes are within `most`; the one that is written to stays. False: they are not.
static bool make_room(struct ring *r, uint64_t n, uint64_t most)
{
    while (r->total + n > most && !list_empty(&r->files)) {
        struct ring_file *f = list_of(r->files.next, struct ring_file, list);
        if (f == last_of(r) && r->fd >= 0)
            break;
        remove_file(r, f);
    }
    return r->total + n <= most;
}

// What it may not take on the spool's file system is the spool's alone.
static bool space_is_short(const struct ring *r, uint64_t n)
{
    struct statvfs st;
    if (statvfs(r->directory, &st) < 0)
        return false;
    uint64_t tenth = (uint64_t)st.f_blocks * st.f_frsize / 10;
    uint64_t reserve = r->shared || r->reserve < tenth ? r->reserve : tenth;
    return (uint64_t)st.f_bavail * st.f_frsize < reserve + n;
}

static bool same_device(const char *a, const char *b)
{
    struct stat x, y;
    return a && b && stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev;
}

static int find_room(struct ring *r, uint64_t n, struct why *why)
{
    uint64_t most = r->size;
    if (space_is_short(r, n) && r->total < most)
        most = r->total;
    if (make_room(r, n, most))
        return 0;
    errno = ENOSPC;
    return ring_trouble(why, r->directory);
}

// ---- ending

static void seal(struct ring *r)
{
    struct ring_file *f = last_of(r);
    struct stat st;
    drop_open(r);
    char *keys = ring_path(r->directory, f->number, "keys");
    char *index = ring_path(r->directory, f->number, "index");
    if (keys_sort(keys, index) == 0 && stat(index, &st) == 0)
        unlink(keys); // of the same size, entry by entry
    free(keys);
    free(index);
}

static int begin_files(struct ring *r, uint64_t number)
{
    char *path = ring_path(r->directory, number, "trace");
    char *keys = ring_path(r->directory, number, "keys");
    r->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    r->keys_fd = r->fd < 0 ? -1 : open(keys, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    free(path);
    free(keys);
    return r->keys_fd < 0 ? -1 : 0;
}

static int write_heads(struct ring *r)
{
    char head[RING_HEAD];
    unsigned char keys[KEYS_HEAD];
    r->created_ms = clock_ms();
    int n = snprintf(head, sizeof head, "waxwing trace 1 %" PRId64 "\n", r->created_ms);
    keys_head(keys);
    errno = ENOSPC;
    if (pwrite(r->fd, head, (size_t)n, 0) != n ||
        pwrite(r->keys_fd, keys, sizeof keys, 0) != (ssize_t)sizeof keys)
        return -1;
    r->bytes = (uint64_t)n;
    r->keys_bytes = sizeof keys;
    r->empty = r->bytes + r->keys_bytes;
    return 0;
}

int ring_turn(struct ring *r, struct why *why)
{
    if (r->fd >= 0)
        seal(r);
    if (find_room(r, RING_HEAD + KEYS_HEAD, why) < 0)
        return -1;
    uint64_t number = r->newest + 1;
    if (begin_files(r, number) < 0 || write_heads(r) < 0) {
        ring_trouble(why, r->directory);
        drop_open(r);
        ring_unlink(r, number);
        return -1;
    }
    struct ring_file *f = mem_new(sizeof *f);
    f->number = r->newest = number;
    f->written_ms = r->created_ms;
    list_init(&f->list);
    list_append(&r->files, &f->list);
    add_bytes(r, f, r->bytes + r->keys_bytes);
    return 0;
}

// ---- appending

// Keys first: a record that stands there without its key would never be found.
int ring_append(struct ring *r, struct span lines, struct span keys, struct why *why)
{
    if (r->fd < 0)
        return why_say(why, TRACE_DISK, r->directory, "no file is open");
    if (find_room(r, lines.n + keys.n, why) < 0)
        return -1;
    if (keys_write_all(r->keys_fd, keys, r->keys_bytes) < 0 ||
        keys_write_all(r->fd, lines, r->bytes) < 0) {
        ring_trouble(why, r->directory);
        if (ftruncate(r->fd, (off_t)r->bytes) < 0 ||
            ftruncate(r->keys_fd, (off_t)r->keys_bytes) < 0)
            drop_open(r);
        return -1;
    }
    r->bytes += lines.n;
    r->keys_bytes += keys.n;
    struct ring_file *f = last_of(r);
    f->written_ms = clock_ms();
    add_bytes(r, f, lines.n + keys.n);
    return 0;
}

void ring_tidy(struct ring *r)
{
    int64_t now = clock_ms(), keep = (int64_t)r->keep;
    uint64_t mono = clock_mono_ms();
    list_each_safe (it, &r->files) {
        struct ring_file *f = list_of(it, struct ring_file, list);
        bool current = f == last_of(r) && r->fd >= 0;
        if (f->written_ms > now) // from a clock that was ahead: its time begins now
            f->written_ms = now;
        if (now - f->written_ms < keep)
            f->aged_ms = 0;
        else if (!f->aged_ms)
            f->aged_ms = mono ? mono : 1;
        else if (mono - f->aged_ms >= RING_LOOK_MS && !current)
            remove_file(r, f);
    }
    int64_t age = now - r->created_ms;
    if (r->fd >= 0 && r->keys_bytes + r->bytes > r->empty && (age < 0 || age > keep / RING_PARTS))
        seal(r);
    make_room(r, 0, r->size);
    if (!r->size && !list_empty(&r->files))
        remove_file(r, last_of(r));
}

// ---- opening

static uint64_t size_of(const char *directory, uint64_t number, const char *what, int64_t *when)
{
    struct stat st;
    char *path = ring_path(directory, number, what);
    int rc = stat(path, &st);
    free(path);
    if (rc < 0)
        return 0;
    if (when)
        *when = (int64_t)st.st_mtim.tv_sec * 1000;
    return (uint64_t)st.st_size;
}

static int find_files(struct ring *r, struct why *why)
{
    uint64_t *numbers;
    size_t n;
    if (ring_list(r->directory, &numbers, &n) < 0)
        return ring_trouble(why, r->directory);
    for (size_t i = 0; i < n; i++) {
        struct ring_file *f = mem_new(sizeof *f);
        f->number = r->newest = numbers[i];
        f->bytes = size_of(r->directory, numbers[i], "trace", &f->written_ms) +
                   size_of(r->directory, numbers[i], "keys", NULL) +
                   size_of(r->directory, numbers[i], "index", NULL);
        r->total += f->bytes;
        list_init(&f->list);
        list_append(&r->files, &f->list);
    }
    free(numbers);
    return 0;
}

// The end of the last line that fits its sum, looked for in what is at the end of the file; 0: there is none.
static uint64_t whole_end(int fd, uint64_t bytes)
{
    size_t n = bytes < TAIL ? (size_t)bytes : TAIL;
    unsigned char *tail = mem_new(n);
    ssize_t got = pread(fd, tail, n, (off_t)(bytes - n));
    size_t end = got > 0 ? (size_t)got : 0;
    uint64_t found = 0;
    struct span object;
    while (end && !found) {
        const unsigned char *stop = memrchr(tail, '\n', end);
        if (!stop || stop == tail)
            break;
        const unsigned char *before = memrchr(tail, '\n', (size_t)(stop - tail));
        const unsigned char *begin = before ? before + 1 : tail;
        if (ring_line_read(span_of(begin, (size_t)(stop - begin)), &object))
            found = bytes - n + (size_t)(stop + 1 - tail);
        end = before ? (size_t)(before + 1 - tail) : 0;
    }
    free(tail);
    return found;
}

static bool read_head(struct ring *r)
{
    char head[RING_HEAD + 1] = "";
    return pread(r->fd, head, RING_HEAD, 0) > 0 &&
           sscanf(head, "waxwing trace 1 %" SCNd64, &r->created_ms) == 1;
}

// Goes on in the newest file where that is not complete and its end can be found.
static void go_on(struct ring *r)
{
    struct ring_file *f = last_of(r);
    if (!f || size_of(r->directory, f->number, "index", NULL))
        return;
    char *path = ring_path(r->directory, f->number, "trace");
    char *keys = ring_path(r->directory, f->number, "keys");
    r->fd = open(path, O_RDWR | O_CLOEXEC);
    r->keys_fd = open(keys, O_RDWR | O_CLOEXEC);
    uint64_t bytes = size_of(r->directory, f->number, "trace", NULL);
    uint64_t nkeys = size_of(r->directory, f->number, "keys", NULL);
    uint64_t end = r->fd < 0 || r->keys_fd < 0 || nkeys < KEYS_HEAD ? 0 : whole_end(r->fd, bytes);
    nkeys = nkeys < KEYS_HEAD ? 0 : nkeys - (nkeys - KEYS_HEAD) % KEYS_ENTRY;
    if (end && read_head(r) && ftruncate(r->fd, (off_t)end) == 0 &&
        ftruncate(r->keys_fd, (off_t)nkeys) == 0) {
        r->bytes = end;
        r->keys_bytes = nkeys;
        r->total -= f->bytes;
        f->bytes = 0;
        add_bytes(r, f, end + nkeys);
    } else {
        drop_open(r);
    }
    free(path);
    free(keys);
}

struct ring *ring_open(const struct ring_options *options, struct why *why)
{
    if (mkdir(options->directory, 0750) < 0 && errno != EEXIST) {
        ring_trouble(why, options->directory);
        return NULL;
    }
    struct ring *r = mem_new(sizeof *r);
    r->directory = mem_dup(options->directory);
    r->fd = r->keys_fd = -1;
    list_init(&r->files);
    ring_set(r, options);
    if (find_files(r, why) < 0) {
        ring_close(r);
        return NULL;
    }
    go_on(r);
    return r;
}

void ring_set(struct ring *r, const struct ring_options *options)
{
    r->size = options->size;
    r->keep = options->keep;
    r->reserve = options->reserve;
    r->shared = same_device(r->directory, options->beside);
}

void ring_close(struct ring *r)
{
    if (!r)
        return;
    drop_open(r);
    list_each_safe (it, &r->files) {
        struct ring_file *f = list_of(it, struct ring_file, list);
        list_remove(&f->list);
        free(f);
    }
    free(r->directory);
    free(r);
}
