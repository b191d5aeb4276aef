// SPDX-License-Identifier: ISC
// One change to the users file, atomic for its readers and serial among its editors.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/replace.h"
#include "relay/setup/users.h"

#define MODE_MOST 0640 // hashes are nobody else's business

struct edit {
    char *path; // links resolved, so that the file is replaced and not a link to it
    int fd;     // the file, locked
    struct stat st;
};

static int users_edit_failed(struct why *why, const char *path)
{
    return why_set(why, WHY_OURS, "4.3.5", "%s: %s", path, strerror(errno));
}

// An editor that waited for the lock may hold a file that has been replaced meanwhile: then again.
static int lock(struct edit *e, bool create, gid_t group, struct why *why)
{
    for (;;) {
        struct stat now;
        e->fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
        if (e->fd < 0 && errno == ENOENT && create) {
            e->fd = open(e->path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            if (e->fd < 0 && errno == EEXIST)
                continue;
            if (e->fd >= 0 && group != (gid_t)-1 &&
                (fchown(e->fd, (uid_t)-1, group) < 0 || fchmod(e->fd, MODE_MOST) < 0))
                return users_edit_failed(why, e->path);
        }
        if (e->fd < 0 || flock(e->fd, LOCK_EX) < 0 || fstat(e->fd, &e->st) < 0)
            return users_edit_failed(why, e->path);
        if (stat(e->path, &now) == 0 && now.st_ino == e->st.st_ino && now.st_dev == e->st.st_dev)
            return 0;
        close(e->fd);
    }
}

static int read_old(struct edit *e, struct buf *old, struct why *why)
{
    unsigned char *room;
    if (!S_ISREG(e->st.st_mode))
        return why_set(why, WHY_OURS, "4.3.5", "%s is no file", e->path);
    size_t size = (size_t)e->st.st_size;
    if (buf_reserve(old, size, &room) < 0)
        return why_set(why, WHY_OURS, "4.3.5", "%s is larger than %d bytes", e->path,
                       USERS_FILE_SIZE);
    while (old->len < size) {
        ssize_t got = pread(e->fd, room + old->len, size - old->len, (off_t)old->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return users_edit_failed(why, e->path);
        old->len += (size_t)got;
    }
    return 0;
}

static bool is_line_of(struct span line, const char *name)
{
    struct span first, rest;
    return span_cut(line, ':', &first, &rest) && span_is(first, name);
}

// Copies every line but the name's; a new hash takes the place of the first of these, or the end.
static bool rewrite(struct span old, const char *name, const char *hash, struct buf *out)
{
    bool found = false;
    struct span line, rest = old;
    while (rest.n) {
        struct span all = rest;
        if (!span_cut(all, '\n', &line, &rest)) {
            line = all;
            rest.n = 0;
        }
        if (!is_line_of(line, name)) {
            buf_addspan(out, line);
            buf_addc(out, '\n');
        } else {
            if (!found && hash)
                buf_addf(out, "%s:%s\n", name, hash);
            found = true;
        }
    }
    if (!found && hash)
        buf_addf(out, "%s:%s\n", name, hash);
    return found;
}

static int users_edit_replace(struct edit *e, struct span text, struct why *why)
{
    const struct replace_rights rights = {e->st.st_uid, e->st.st_gid, e->st.st_mode & MODE_MOST};
    int rc = replace_file(e->path, text, &rights);
    if (rc < 0)
        users_edit_failed(why, e->path);
    return rc;
}

static enum users_result users_edit_change(struct edit *e, enum users_verb verb, const char *name,
                                           const char *hash, struct why *why)
{
    struct buf old, new;
    buf_init(&old, USERS_FILE_SIZE);
    buf_init(&new, USERS_FILE_SIZE);
    enum users_result result = USERS_FAILED;
    if (read_old(e, &old, why) == 0) {
        bool found = rewrite(buf_span(&old), name, verb == USERS_REMOVE ? NULL : hash, &new);
        if (found && verb == USERS_ADD)
            result = USERS_THERE;
        else if (!found && verb != USERS_ADD)
            result = USERS_ABSENT;
        else if (new.full)
            why_set(why, WHY_OURS, "4.3.5", "%s would be larger than %d bytes", e->path,
                    USERS_FILE_SIZE);
        else if (users_edit_replace(e, buf_span(&new), why) == 0)
            result = USERS_DONE;
    }
    buf_free(&old);
    buf_free(&new);
    return result;
}

enum users_result users_edit(const char *path, enum users_verb verb, const char *name,
                             const char *hash, gid_t group, struct why *why)
{
    struct edit e = {.path = realpath(path, NULL), .fd = -1};
    enum users_result result = USERS_FAILED;
    if (!e.path && errno == ENOENT)
        e.path = mem_dup(path);
    if (!e.path)
        users_edit_failed(why, path);
    else if (lock(&e, verb == USERS_ADD, group, why) == 0)
        result = users_edit_change(&e, verb, name, hash, why);
    if (e.fd >= 0)
        close(e.fd); // and the lock with it
    free(e.path);
    return result;
}
