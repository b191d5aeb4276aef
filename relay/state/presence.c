// SPDX-License-Identifier: ISC
// Whether the database's file is there, and whether another relay has it. SQLite opens what is missing or empty as
// a new database without a word, writes on into a file that was deleted, and lets two processes share one.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/state/inside.h"

// A file of its own: closing any descriptor of the database itself would drop SQLite's locks.
int presence_lock(const char *path, int *fd, bool *used_before, struct why *why)
{
    char *name = mem_printf("%s-lock", path);
    *used_before = access(name, F_OK) == 0;
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    free(name);
    if (*fd < 0 || flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    bool busy = errno == EWOULDBLOCK;
    close(*fd);
    *fd = -1;
    return busy ? why_set(why, WHY_OURS, "4.3.0", "another relay is using %s", path) : 0;
}

char *presence_lost(const char *path, bool used_before)
{
    struct stat st;
    char when[40];
    bool there = stat(path, &st) == 0;
    if (there ? st.st_size > 0 : errno != ENOENT || !used_before)
        return NULL;
    clock_rfc3339(clock_ms(), when);
    return mem_printf("policies and memory lost at %s: the state database %s was %s", when, path,
                      there ? "empty" : "gone");
}

void presence_note(struct state_db *db)
{
    struct stat st;
    bool there = stat(db->path, &st) == 0;
    db->dev = there ? st.st_dev : 0;
    db->ino = there ? st.st_ino : 0;
}

bool presence_changed(const struct state_db *db)
{
    struct stat st;
    if (!db->ino)
        return false;
    if (stat(db->path, &st) < 0)
        return errno == ENOENT;
    return st.st_dev != db->dev || st.st_ino != db->ino;
}
