// SPDX-License-Identifier: ISC
// The start: which files the log has, that this program can read them all, what they say, and which
// large files nobody names any more. Changes nothing before every version has been seen.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/words.h"
#include "relay/base/exit.h"
#include "relay/spool/inside.h"

struct file {
    char *name;
    uint64_t number;
    bool suspect;
    uint64_t limit; // suspect: up to where it counts; else its size
    int fd;
    uint64_t size;
    enum segment_head head;
    bool copied; // its own header is damaged: the copy beside it was read
    struct segment_key key;
};

struct files {
    struct spool *s;
    struct file *at;
    size_t n;
    uint64_t *heads; // the numbers of the copies of headers
    size_t nheads;
};

// "00000001.log", "00000001.4096.suspect"; a damaged one only keeps its number from being used again.
static void recover_see_name(void *arg, const char *name)
{
    struct files *files = arg;
    struct file f = {.fd = -1};
    struct span number, rest, limit, kind;
    if (!span_cut(span_text(name), '.', &number, &rest) ||
        !span_number(number, UINT64_MAX / 2, &f.number))
        return;
    if (f.number >= files->s->next_number)
        files->s->next_number = f.number + 1;
    if (span_is(rest, "head")) {
        files->heads = mem_grow(files->heads, files->nheads + 1, sizeof *files->heads);
        files->heads[files->nheads++] = f.number;
    }
    f.suspect = span_cut(rest, '.', &limit, &kind) && span_is(kind, "suspect") &&
                span_number(limit, UINT64_MAX / 2, &f.limit);
    if (!f.suspect && !span_is(rest, "log"))
        return;
    f.name = mem_dup(name);
    files->at = mem_grow(files->at, files->n + 1, sizeof *files->at);
    files->at[files->n++] = f;
}

static int recover_by_number(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static char *path_of(struct spool *s, const char *name)
{
    return mem_printf("%s/%s", s->directory, name);
}

static int recover_look_at(struct spool *s, struct file *f, struct why *why, int *exit_status)
{
    const struct spool_files *files = s->files;
    unsigned char head[SEGMENT_HEAD];
    char *path = path_of(s, f->name);
    f->fd = files->open(files->self, path, SPOOL_READ_WRITE);
    ssize_t got = -1;
    if (f->fd >= 0 && files->size(files->self, f->fd, &f->size) == 0)
        got = spool_files_read(files, f->fd, head, sizeof head, 0);
    if (got < 0 && (f->fd < 0 || errno != EIO)) {
        why_set(why, WHY_OURS, "4.3.0", "%s: %s", path, strerror(errno));
        free(path);
        return -1;
    }
    f->head = segment_head_decode(head, got > 0 ? (size_t)got : 0, &f->key);
    if (f->head == HEAD_OURS && f->key.number != f->number)
        f->head = HEAD_DAMAGED;
    if (f->head == HEAD_DAMAGED) {
        f->head = segment_head_find(s, f->number, &f->key);
        f->copied = f->head == HEAD_OURS;
    }
    if (!f->suspect || f->limit > f->size)
        f->limit = f->size;
    if (f->head == HEAD_OTHER_VERSION) {
        *exit_status = EXIT_CONFIG;
        why_set(why, WHY_OURS, "4.3.0",
                "%s was written by another version of this program, whose format is not known",
                path);
    }
    free(path);
    return f->head == HEAD_OTHER_VERSION ? -1 : 0;
}

static bool is_empty(struct spool *s, const struct file *f)
{
    unsigned char piece[4096];
    for (uint64_t at = 0; at < f->size;) {
        ssize_t got = spool_files_read(s->files, f->fd, piece, sizeof piece, at);
        if (got <= 0)
            return false;
        for (ssize_t i = 0; i < got; i++)
            if (piece[i])
                return false;
        at += (uint64_t)got;
    }
    return true;
}

// Without its header no record of a segment can be told from a forgery. A newest one that is empty was
// just being made.
static bool put_away(struct spool *s, struct file *f, bool newest)
{
    const struct spool_files *files = s->files;
    char *path = path_of(s, f->name);
    bool empty = newest && is_empty(s, f);
    files->close(files->self, f->fd);
    f->fd = -1;
    segment_head_drop(s, f->number);
    if (empty) {
        if (files->unlink(files->self, path) < 0)
            spool_alarm(s, "%s is empty and could not be removed: %s", path, strerror(errno));
    } else {
        char *away = mem_printf("%s/%08" PRIu64 ".damaged", s->directory, f->number);
        if (files->rename(files->self, path, away) < 0)
            spool_alarm(s, "%s cannot be read: its header is damaged", path);
        else
            spool_alarm(s, "%s cannot be read: its header is damaged; it is now %s", path, away);
        free(away);
    }
    free(path);
    return !empty;
}

// Recipients that are done leave the envelope, the others say where they stand.
static void recover_settle(struct spool_entry *k)
{
    struct envelope *env = &k->message->env;
    size_t n = 0;
    for (size_t i = 0; i < env->nrcpts; i++) {
        struct recipient *r = &env->rcpts[i];
        message_set_next_hop(r, k->now[i].open ? k->now[i].next_hop : NULL);
        if (!k->now[i].open) { // its other texts lie in the message's one piece of memory
            words_drop(k->now[i].next_hop);
            continue;
        }
        r->attempts = k->now[i].attempts;
        r->next_ms = k->now[i].next_ms;
        r->delay_warned = k->now[i].delay_warned;
        k->now[n] = k->now[i];
        env->rcpts[n++] = *r;
    }
    env->nrcpts = n;
}

struct orphan {
    char *name;
    bool claimed;
};
struct orphans {
    struct orphan *at;
    size_t n;
};

static void recover_see_large(void *arg, const char *name)
{
    struct orphans *o = arg;
    o->at = mem_grow(o->at, o->n + 1, sizeof *o->at);
    o->at[o->n++] = (struct orphan){.name = mem_dup(name)};
}

static int recover_by_name(const void *a, const void *b)
{
    const struct orphan *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void claim(struct orphans *o, char *name)
{
    struct orphan key = {.name = name};
    struct orphan *found = o->n ? bsearch(&key, o->at, o->n, sizeof key, recover_by_name) : NULL;
    if (found)
        found->claimed = true;
}

static void move_away(struct spool *s, const char *name)
{
    char *from = mem_printf("%s/%s", s->large, name);
    char *to = mem_printf("%s/%s", s->damaged, name);
    if (s->files->rename(s->files->self, from, to) == 0)
        spool_alarm(s, "%s belongs to no message that can be read; it is now %s", from, to);
    free(from);
    free(to);
}

// Where part of the log could not be read, a file that nobody names may still be somebody's body.
static void tidy_large(struct spool *s, bool damaged)
{
    struct orphans o = {0};
    if (s->files->list(s->files->self, s->large, recover_see_large, &o) < 0)
        spool_alarm(s, "%s: %s", s->large, strerror(errno));
    if (o.n)
        qsort(o.at, o.n, sizeof *o.at, recover_by_name);
    for (struct spool_entry *k = s->table; k; k = k->hh.next)
        if (k->message->large)
            claim(&o, k->message->large);
    for (size_t i = 0; i < o.n; i++) {
        if (!o.at[i].claimed && damaged)
            move_away(s, o.at[i].name);
        else if (!o.at[i].claimed)
            large_unlink(s, o.at[i].name);
        free(o.at[i].name);
    }
    free(o.at);
}

static int look_at_all(struct spool *s, struct files *found, int *exit_status, struct why *why)
{
    if (s->files->list(s->files->self, s->directory, recover_see_name, found) < 0)
        return why_set(why, WHY_OURS, "4.3.0", "%s: %s", s->directory, strerror(errno));
    if (found->n)
        qsort(found->at, found->n, sizeof *found->at, recover_by_number);
    for (size_t i = 0; i < found->n; i++)
        if (recover_look_at(s, &found->at[i], why, exit_status) < 0)
            return -1;
    return 0;
}

// From the copy beside it. What else of the segment is damaged is found by the scan.
static void restore_head(struct spool *s, struct segment *g)
{
    const struct spool_files *files = s->files;
    unsigned char head[SEGMENT_HEAD];
    segment_head_encode(&g->key, head);
    bool restored = spool_files_write(files, g->fd, head, sizeof head, 0) == 0 &&
                    files->datasync(files->self, g->fd) == 0;
    spool_alarm(s, "the header of %s was damaged; it is %s", g->path,
                restored ? "restored from the copy beside it" : "read from the copy beside it");
}

static void drop_heads(struct spool *s, struct files *found)
{
    for (size_t i = 0; i < found->nheads; i++) {
        bool used = false;
        for (size_t j = 0; j < found->n && !used; j++)
            used = found->at[j].number == found->heads[i];
        if (!used)
            segment_head_drop(s, found->heads[i]);
    }
    free(found->heads);
}

int spool_recover(struct spool *s, int *exit_status, struct why *why)
{
    struct files found = {.s = s};
    int rc = look_at_all(s, &found, exit_status, why);
    bool damaged = false;
    for (size_t i = 0; rc == 0 && i < found.n; i++) {
        struct file *f = &found.at[i];
        bool newest = i + 1 == found.n && !f->suspect;
        if (f->head == HEAD_DAMAGED || (f->copied && newest && is_empty(s, f))) {
            damaged |= put_away(s, f, newest);
            continue;
        }
        struct segment *g = segment_of(s, f->fd, path_of(s, f->name), &f->key);
        f->fd = -1;
        if (f->copied)
            restore_head(s, g);
        segment_head_keep(s, &f->key);
        damaged |= scan_segment(s, g, f->limit, newest);
    }
    if (rc == 0) {
        for (struct spool_entry *k = s->table; k; k = k->hh.next)
            recover_settle(k);
        tidy_large(s, damaged);
        s->dir_unsynced = s->files->sync_dir(s->files->self, s->directory) < 0;
    }
    if (rc == 0)
        drop_heads(s, &found);
    else
        free(found.heads);
    for (size_t i = 0; i < found.n; i++) {
        if (found.at[i].fd >= 0)
            s->files->close(s->files->self, found.at[i].fd);
        free(found.at[i].name);
    }
    free(found.at);
    return rc;
}
