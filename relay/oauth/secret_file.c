// SPDX-License-Identifier: ISC
// Secrets on disk.
#include "relay/oauth/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"

void secret_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

// A token or password has no line end.
char *secret_of(char *bytes, size_t n)
{
    struct span line = span_trim(span_of(bytes, n));
    ptrdiff_t end = span_find(line, '\n');
    if (end >= 0)
        line.n = (size_t)end;
    char *secret = span_dup(span_trim(line));
    explicit_bzero(bytes, n);
    return secret;
}

char *secret_read(const char *path, struct why *why)
{
    char bytes[SECRET_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0)
        close(fd);
    if (n <= 0 || n == SECRET_MAX) {
        if (n > 0)
            why_say(why, PASSWORD_TOO_LARGE, path);
        else
            why_say(why, PASSWORD_UNREADABLE, path);
        explicit_bzero(bytes, sizeof bytes);
        return NULL;
    }
    return secret_of(bytes, (size_t)n);
}

static int write_line(int fd, const char *secret)
{
    struct span rest = span_text(secret);
    while (rest.n) {
        ssize_t n = write(fd, rest.p, rest.n);
        if (n < 0 && errno != EINTR)
            return -1;
        rest = span_from(rest, n > 0 ? (size_t)n : 0);
    }
    return write(fd, "\n", 1) == 1 && fsync(fd) == 0 ? 0 : -1;
}

// The new name is on disk, too.
static int sync_above(const char *path)
{
    char *folder = mem_dup(path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

int secret_replace(const char *path, const char *secret, struct why *why)
{
    char *beside = mem_printf("%s.XXXXXX", path);
    int fd = mkostemp(beside, O_CLOEXEC); // mode 0600
    bool made = fd >= 0;
    int rc = made && write_line(fd, secret) == 0 ? rename(beside, path) : -1;
    int error = errno;
    if (made)
        close(fd);
    if (made && rc < 0)
        unlink(beside);
    if (rc == 0 && sync_above(path) < 0) {
        error = errno;
        rc = -1;
    }
    if (rc < 0)
        why_say(why, TOKEN_NOT_KEPT, path, strerror(error));
    free(beside);
    return rc;
}
