// SPDX-License-Identifier: ISC
// One line, "1 LOG".
#include "relay/fleet/marker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/replace.h"

static char *marker_path(const char *spool)
{
    return mem_printf("%s/fleet", spool);
}

void marker_new(char log[static MARKER_LOG])
{
    random_digits(log, MARKER_LOG);
}

static int marker_wrong(const char *path, const char *what, struct why *why)
{
    return why_set(why, WHY_OURS, "4.3.0", "%s: %s", path, what);
}

int marker_read(const char *spool, char log[static MARKER_LOG], struct why *why)
{
    char line[64] = "", read_log[MARKER_LOG] = "";
    char *path = marker_path(spool);
    int end = 0, fd = open(path, O_RDONLY | O_CLOEXEC), rc = 1;
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    log[0] = 0;
    if (fd < 0 && errno == ENOENT)
        rc = 0;
    else if (n < 0)
        rc = marker_wrong(path, strerror(errno), why);
    else if (sscanf(line, "1 %32[0-9a-f]%n", read_log, &end) != 1 || line[end] != '\n' ||
             strlen(read_log) != MARKER_LOG - 1)
        rc = marker_wrong(path, "it does not name a log", why);
    else
        memcpy(log, read_log, MARKER_LOG);
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

int marker_write(const char *spool, const char *log, struct why *why)
{
    char line[64], *path = marker_path(spool);
    int n = snprintf(line, sizeof line, "1 %s\n", log);
    int rc = replace_file(path, span_of(line, (size_t)n), NULL);
    if (rc < 0)
        marker_wrong(path, strerror(errno), why);
    free(path);
    return rc;
}

int marker_remove(const char *spool, struct why *why)
{
    char *path = marker_path(spool);
    int rc = unlink(path) < 0 && errno != ENOENT ? marker_wrong(path, strerror(errno), why) : 0;
    free(path);
    return rc;
}

// ---- aside

static int marker_sync(const char *folder, struct why *why)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? marker_wrong(folder, strerror(errno), why) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && strcmp(name + n - m, ending) == 0;
}

// Of the spool's own folder only what is of its log; of the others all that is a file.
static bool is_moved(const char *name, bool all)
{
    if (name[0] == '.')
        return false;
    return all || ends_in(name, ".log") || ends_in(name, ".head") || ends_in(name, ".suspect");
}

// `to` NULL: they are removed.
static int marker_move(const char *from, const char *to, bool all, struct why *why)
{
    DIR *dir = opendir(from);
    int rc = 0;
    if (!dir)
        return errno == ENOENT ? 0 : marker_wrong(from, strerror(errno), why);
    for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
        if (!is_moved(e->d_name, all))
            continue;
        char *old = mem_printf("%s/%s", from, e->d_name);
        char *new = mem_printf("%s/%s", to ? to : "", e->d_name);
        if ((to ? rename(old, new) : unlink(old)) < 0)
            rc = marker_wrong(old, strerror(errno), why);
        free(new);
        free(old);
    }
    closedir(dir);
    return rc;
}

int marker_put_aside(const char *spool, struct why *why)
{
    char *taken = mem_printf("%s/taken", spool), *large = mem_printf("%s/large", spool);
    int rc =
        mkdir(taken, 0700) < 0 && errno != EEXIST ? marker_wrong(taken, strerror(errno), why) : 0;
    if (rc == 0)
        rc = marker_move(taken, NULL, true, why);
    if (rc == 0)
        rc = marker_move(spool, taken, false, why);
    if (rc == 0)
        rc = marker_move(large, taken, true, why);
    if (rc == 0)
        rc = marker_sync(taken, why);
    if (rc == 0)
        rc = marker_sync(spool, why);
    free(large);
    free(taken);
    return rc;
}
