// SPDX-License-Identifier: ISC
// How `waxwing init` reads and writes files and runs other programs.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/replace.h"
#include "relay/command/init.h"

bool init_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

int init_refuse(struct why *why, const char *verb, const char *path)
{
    int error = errno;
    return why_set(why, WHY_OURS, "4.3.5", "cannot %s %s: %s%s", verb, path, strerror(error),
                   error == EACCES || error == EPERM
                       ? "; run it as root, or name a folder of your own with --directory"
                       : "");
}

int init_read(const char *path, struct buf *out, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    unsigned char *room;
    ssize_t n = 0;
    if (fd < 0)
        return errno == ENOENT ? 1 : init_refuse(why, "read", path);
    while (buf_reserve(out, 4096, &room) == 0 && (n = read(fd, room, 4096)) > 0)
        out->len += (size_t)n;
    if (n < 0)
        init_refuse(why, "read", path);
    else if (n > 0)
        why_set(why, WHY_OURS, "4.3.5", "%s is too large to be what it should be", path);
    close(fd);
    return n == 0 ? 0 : -1;
}

int init_write(const char *path, struct span text, mode_t mode, uid_t uid, gid_t gid,
               struct why *why)
{
    const struct replace_rights rights = {uid, gid, mode};
    return replace_file(path, text, &rights) == 0 ? 0 : init_refuse(why, "write", path);
}

// Reads to the end even where there is no more room, so that the program is not stopped.
static void drain(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(out, piece, (size_t)n);
}

int init_run(const char *const *argv, struct buf *out)
{
    posix_spawn_file_actions_t actions;
    int ends[2] = {-1, -1}, status = -1;
    pid_t pid;
    fflush(stdout);
    if (out && pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    if (out)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (out) {
        close(ends[1]);
        if (!failed)
            drain(ends[0], out);
        close(ends[0]);
    }
    while (!failed && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return !failed && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
