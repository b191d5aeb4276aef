// SPDX-License-Identifier: ISC
// The journal's files: appended, read, removed.
#include "relay/events/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"

#define SUFFIX   ".events"
#define DIGITS   20
#define SUM_TEXT 16 // hexadecimal digits before a line's object

struct journal_file {
    struct list list; // oldest first
    uint64_t first;
    uint64_t bytes; // on disk, and to be read
    int64_t written_ms;
};

struct journal {
    atomic_uint refs;
    char *directory;
    pthread_mutex_t lock; // over the list of files, its end, and damaged
    struct list files;
    int fd; // of the newest; -1: the next line begins a file
    uint64_t last, damaged;
    struct buf out;
};

static int journal_trouble(struct why *why, const char *what)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    why_say(why, EVENTS_DISK, what, strerror(errno));
    if (full)
        why_status(why, "4.3.1");
    return -1;
}

static char *journal_path(const struct journal *j, uint64_t first)
{
    return mem_printf("%s/%0*" PRIu64 SUFFIX, j->directory, DIGITS, first);
}

static struct journal_file *newest(const struct journal *j)
{
    return list_empty(&j->files) ? NULL : list_of(j->files.prev, struct journal_file, list);
}

static struct journal_file *file_add(struct journal *j, uint64_t first)
{
    struct journal_file *f = mem_new(sizeof *f);
    f->first = first;
    list_init(&f->list);
    list_append(&j->files, &f->list);
    return f;
}

static void file_drop(struct journal_file *f)
{
    list_remove(&f->list);
    free(f);
}

// ---- lines

static uint64_t sum_of(struct span object)
{
    return XXH3_64bits(object.p, object.n);
}

// {"seq":N,
static bool journal_number(struct span object, uint64_t *seq)
{
    static const char head[] = "{\"seq\":";
    struct span digits, rest;
    return span_starts_nocase(object, head) &&
           span_cut(span_from(object, strlen(head)), ',', &digits, &rest) &&
           span_number(digits, UINT64_MAX / 2, seq);
}

// A line without its end.
static bool line_read(struct span line, uint64_t *seq, struct span *object)
{
    char sum[SUM_TEXT + 1];
    if (line.n < SUM_TEXT + 2 || line.p[SUM_TEXT] != ' ')
        return false;
    *object = span_from(line, SUM_TEXT + 1);
    snprintf(sum, sizeof sum, "%016" PRIx64, sum_of(*object));
    return memcmp(sum, line.p, SUM_TEXT) == 0 && journal_number(*object, seq);
}

static int line_add(struct journal *j, uint64_t seq, const struct journal_entry *e)
{
    char head[64];
    int n = snprintf(head, sizeof head, "{\"seq\":%" PRIu64 ",", seq);
    size_t at = j->out.len;
    buf_addf(&j->out, "%*s %s", SUM_TEXT, "", head);
    buf_add(&j->out, e->text, e->n);
    if (buf_addc(&j->out, '\n') < 0)
        return -1;
    char sum[SUM_TEXT + 1];
    struct span object = span_of(j->out.data + at + SUM_TEXT + 1, (size_t)n + e->n);
    snprintf(sum, sizeof sum, "%016" PRIx64, sum_of(object));
    memcpy(j->out.data + at, sum, SUM_TEXT);
    return 0;
}

// ---- opening

static int journal_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int list_files(struct journal *j, struct why *why)
{
    DIR *dir = opendir(j->directory);
    if (!dir)
        return journal_trouble(why, j->directory);
    uint64_t *found = NULL, number;
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        struct span name = span_text(e->d_name);
        if (name.n == DIGITS + strlen(SUFFIX) && span_ends_nocase(name, SUFFIX) &&
            span_number(span_slice(name, 0, DIGITS), UINT64_MAX / 2, &number) && number) {
            found = mem_grow(found, n + 1, sizeof *found);
            found[n++] = number;
        }
    }
    closedir(dir);
    if (n)
        qsort(found, n, sizeof *found, journal_compare);
    for (size_t i = 0; i < n; i++)
        file_add(j, found[i]);
    free(found);
    return 0;
}

static void look_at_file(struct journal *j, struct journal_file *f)
{
    struct stat st;
    char *path = journal_path(j, f->first);
    if (stat(path, &st) == 0) {
        f->bytes = (uint64_t)st.st_size;
        f->written_ms = (int64_t)st.st_mtim.tv_sec * 1000;
    }
    free(path);
}

static bool journal_find_last(uint64_t seq, struct span object, void *arg)
{
    (void)object;
    *(uint64_t *)arg = seq;
    return true;
}

static size_t whole_lines(struct span bytes)
{
    size_t n = bytes.n;
    while (n && bytes.p[n - 1] != '\n')
        n--;
    return n;
}

// What is found is told to people: it must not be gone after the next loss of power.
static void sync_file(const struct journal *j, const struct journal_file *f)
{
    char *path = journal_path(j, f->first);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0)
        return;
    fdatasync(fd);
    close(fd);
}

// The newest file up to its last whole line. It is never appended to again: what stands behind may be anything.
static void find_end(struct journal *j)
{
    struct journal_file *f = newest(j);
    if (!f)
        return;
    sync_file(j, f);
    struct journal_place at = {.seq = f->first - 1, .file = f->first};
    j->last = f->first - 1;
    while (journal_read(j, &at, journal_find_last, &j->last))
        continue;
    if (j->last < f->first) { // nothing in it counts: its number is used anew
        char *path = journal_path(j, f->first);
        unlink(path);
        free(path);
        file_drop(f);
    }
}

struct journal *journal_open(const char *directory, struct why *why)
{
    if (mkdir(directory, 0750) < 0 && errno != EEXIST) {
        journal_trouble(why, directory);
        return NULL;
    }
    struct journal *j = mem_new(sizeof *j);
    atomic_init(&j->refs, 1);
    j->directory = mem_dup(directory);
    j->fd = -1;
    list_init(&j->files);
    pthread_mutex_init(&j->lock, NULL);
    buf_init(&j->out, (size_t)1 << 30);
    if (list_files(j, why) < 0) {
        journal_unref(j);
        return NULL;
    }
    list_each (it, &j->files)
        look_at_file(j, list_of(it, struct journal_file, list));
    find_end(j);
    return j;
}

struct journal *journal_ref(struct journal *j)
{
    atomic_fetch_add(&j->refs, 1);
    return j;
}

void journal_unref(struct journal *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) > 1)
        return;
    list_each_safe (it, &j->files)
        file_drop(list_of(it, struct journal_file, list));
    if (j->fd >= 0)
        close(j->fd);
    pthread_mutex_destroy(&j->lock);
    buf_free(&j->out);
    free(j->directory);
    free(j);
}

const char *journal_directory(const struct journal *j)
{
    return j->directory;
}

// ---- writing

static void end_file(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

static int sync_directory(const struct journal *j)
{
    int fd = open(j->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int begin_file(struct journal *j, struct why *why)
{
    char *path = journal_path(j, j->last + 1);
    j->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    int rc = j->fd < 0 || sync_directory(j) < 0 ? journal_trouble(why, path) : 0;
    free(path);
    if (rc < 0) {
        end_file(j);
        return -1;
    }
    pthread_mutex_lock(&j->lock);
    struct journal_file *f = newest(j);
    if (f && f->first == j->last + 1)
        f->bytes = 0; // a try that failed had begun it
    else
        file_add(j, j->last + 1);
    pthread_mutex_unlock(&j->lock);
    return 0;
}

static int write_out(struct journal *j, struct why *why)
{
    const unsigned char *p = j->out.data;
    size_t left = j->out.len;
    off_t at = (off_t)newest(j)->bytes;
    while (left) {
        ssize_t n = pwrite(j->fd, p, left, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return journal_trouble(why, "events could not be written");
        p += n;
        at += n;
        left -= (size_t)n;
    }
    if (fdatasync(j->fd) < 0)
        return journal_trouble(why, "events could not be synced");
    return 0;
}

// Readers are not to wait for a disk: the lock is held where the list or its end changes. The newest file is never
// removed, and nobody else writes.
static int journal_put(struct journal *j, uint64_t last, int64_t now_ms, struct why *why)
{
    struct journal_file *f = newest(j);
    if (j->fd >= 0 && f->bytes >= JOURNAL_FILE)
        end_file(j);
    if (j->fd < 0 && begin_file(j, why) < 0)
        return -1;
    if (write_out(j, why) < 0) {
        end_file(j);
        return -1;
    }
    pthread_mutex_lock(&j->lock);
    f = newest(j);
    f->bytes += j->out.len;
    f->written_ms = now_ms;
    j->last = last;
    pthread_mutex_unlock(&j->lock);
    return 0;
}

int journal_append(struct journal *j, const struct journal_entry *first, struct why *why)
{
    uint64_t seq = j->last;
    int rc = 0;
    buf_reset(&j->out);
    for (const struct journal_entry *e = first; e && rc == 0; e = e->next)
        rc = line_add(j, ++seq, e);
    if (rc < 0)
        why_set(why, WHY_OURS, "4.3.0", "too many events at once");
    else
        rc = journal_put(j, seq, clock_ms(), why);
    return rc;
}

// ---- reading

uint64_t journal_last(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t last = j->last;
    pthread_mutex_unlock(&j->lock);
    return last;
}

uint64_t journal_first(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t first = list_empty(&j->files)
                         ? j->last + 1
                         : list_of(j->files.next, struct journal_file, list)->first;
    pthread_mutex_unlock(&j->lock);
    return first;
}

uint64_t journal_damaged(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t damaged = j->damaged;
    pthread_mutex_unlock(&j->lock);
    return damaged;
}

// Where to read, and how far: up to the next file's first number, and to what is on disk.
struct extent {
    uint64_t file, bytes, below;
    bool last;
};

static bool journal_holds(const struct journal *j, const struct journal_file *f, uint64_t seq)
{
    bool last = f->list.next == &j->files;
    return last || list_of(f->list.next, struct journal_file, list)->first > seq;
}

// The file that the line behind the place stands in, or the oldest one behind it.
static bool find_extent(struct journal *j, struct journal_place *place, struct extent *out)
{
    pthread_mutex_lock(&j->lock);
    bool found = false;
    list_each (it, &j->files) {
        const struct journal_file *f = list_of(it, struct journal_file, list);
        bool last = it->next == &j->files;
        uint64_t below = last ? UINT64_MAX : list_of(it->next, struct journal_file, list)->first;
        bool here = place->file == f->first ? place->offset < f->bytes : f->first > place->file;
        found = here && journal_holds(j, f, place->seq + 1);
        if (!found)
            continue;
        *out = (struct extent){f->first, f->bytes, below, last};
        break;
    }
    pthread_mutex_unlock(&j->lock);
    if (found && out->file != place->file) {
        place->file = out->file;
        place->offset = 0;
    }
    return found;
}

static ssize_t read_piece(struct journal *j, const struct journal_place *place,
                          const struct extent *e, unsigned char *out)
{
    uint64_t left = e->bytes - place->offset;
    char *path = journal_path(j, e->file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0)
        return -1;
    ssize_t n = pread(fd, out, left < JOURNAL_BYTES ? left : JOURNAL_BYTES, (off_t)place->offset);
    close(fd);
    return n;
}

static void note_damage(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->damaged++;
    pthread_mutex_unlock(&j->lock);
}

// False: a line was not taken.
static bool give_lines(struct journal *j, struct journal_place *place, const struct extent *e,
                       struct span bytes, journal_fn *each, void *arg)
{
    struct span line, rest = bytes, object;
    uint64_t seq;
    while (span_cut(rest, '\n', &line, &rest)) {
        bool good = line_read(line, &seq, &object);
        if (!good)
            note_damage(j);
        if (good && seq > place->seq && seq < e->below) {
            if (!each(seq, object, arg))
                return false;
            place->seq = seq;
        }
        place->offset += line.n + 1;
    }
    return true;
}

bool journal_read(struct journal *j, struct journal_place *place, journal_fn *each, void *arg)
{
    struct extent e;
    if (!find_extent(j, place, &e))
        return false;
    unsigned char *bytes = mem_new(JOURNAL_BYTES);
    ssize_t n = read_piece(j, place, &e, bytes);
    size_t whole = n > 0 ? whole_lines(span_of(bytes, (size_t)n)) : 0;
    if (!whole) // torn, gone or unreadable: the rest of the file is passed over
        place->offset = e.bytes;
    else
        give_lines(j, place, &e, span_of(bytes, whole), each, arg);
    free(bytes);
    return true;
}

// ---- removing

uint64_t journal_trim(struct journal *j, int64_t before_ms, uint64_t size)
{
    uint64_t total = 0, gone = 0;
    pthread_mutex_lock(&j->lock);
    list_each (it, &j->files)
        total += list_of(it, struct journal_file, list)->bytes;
    list_each_safe (it, &j->files) {
        struct journal_file *f = list_of(it, struct journal_file, list);
        if (it->next == &j->files || (f->written_ms >= before_ms && total <= size))
            break;
        char *path = journal_path(j, f->first);
        unlink(path);
        free(path);
        total -= f->bytes;
        gone = list_of(it->next, struct journal_file, list)->first - 1;
        file_drop(f);
    }
    pthread_mutex_unlock(&j->lock);
    return gone;
}
