// SPDX-License-Identifier: ISC
#include "relay/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"

static int give_rights(int fd, const struct replace_rights *rights)
{
    struct stat made;
    if (!rights)
        return 0; // mkostemp's 0600
    if (fstat(fd, &made) < 0)
        return -1;
    bool others = (rights->uid != (uid_t)REPLACE_KEEP && rights->uid != made.st_uid) ||
                  (rights->gid != (gid_t)REPLACE_KEEP && rights->gid != made.st_gid);
    if (others && fchown(fd, rights->uid, rights->gid) < 0)
        return -1;
    return fchmod(fd, rights->mode);
}

static int write_synced(int fd, struct span rest)
{
    while (rest.n) {
        ssize_t n = write(fd, rest.p, rest.n);
        if (n < 0 && errno != EINTR)
            return -1;
        rest = span_from(rest, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd);
}

static int sync_folder_of(const char *path)
{
    char *folder = mem_dup(path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd), error = errno;
    if (fd >= 0)
        close(fd);
    free(folder);
    errno = error;
    return rc;
}

int replace_file(const char *path, struct span bytes, const struct replace_rights *rights)
{
    char *beside = mem_printf("%s.XXXXXX", path);
    int fd = mkostemp(beside, O_CLOEXEC), rc = -1, error = errno;
    if (fd >= 0) {
        // The rights come first: what is secret was never readable for others.
        bool placed = give_rights(fd, rights) == 0 && write_synced(fd, bytes) == 0 &&
                      rename(beside, path) == 0;
        rc = placed ? sync_folder_of(path) : -1;
        error = errno;
        close(fd);
        if (!placed)
            unlink(beside);
    }
    free(beside);
    errno = error;
    return rc;
}
