// SPDX-License-Identifier: ISC
// How far a sink has come: a file with one number, replaced whole.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/events/inside.h"

int cursor_load(const char *path, uint64_t *seq)
{
    char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    return n > 0 && span_number(span_trim(span_of(text, (size_t)n)), UINT64_MAX / 2, seq) ? 0 : -1;
}

static int cursor_write(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -1;
    int rc = write(fd, text, n) == (ssize_t)n && fdatasync(fd) == 0 ? 0 : -1;
    return close(fd) < 0 ? -1 : rc;
}

int cursor_save(const char *path, uint64_t seq, struct why *why)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRIu64 "\n", seq);
    char *new = mem_printf("%s.new", path);
    int rc = cursor_write(new, text, (size_t)n);
    if (rc == 0)
        rc = rename(new, path);
    if (rc < 0)
        why_set(why, WHY_OURS, "4.3.0", "%s cannot be written: %s", path, strerror(errno));
    free(new);
    return rc;
}
