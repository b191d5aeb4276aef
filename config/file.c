// SPDX-License-Identifier: ISC
// Reading a file whole.
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/load.h"

#define PIECE 65536

static int check_plain(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    return S_ISREG(st.st_mode) ? 0 : -1;
}

static int file_read_all(int fd, struct buf *out)
{
    size_t start = out->len;
    while (out->len - start <= CONFIG_FILE_SIZE) {
        unsigned char *room;
        size_t want = CONFIG_FILE_SIZE + 1 - (out->len - start);
        if (want > PIECE)
            want = PIECE;
        if (buf_reserve(out, want, &room) < 0)
            return 0;
        ssize_t got = read(fd, room, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        out->len += (size_t)got;
    }
    return 0;
}

int file_read(const char *path, bool plain, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (plain ? O_NONBLOCK : 0));
    if (fd < 0)
        return -1;
    int rc = plain ? check_plain(fd) : 0;
    if (rc == 0)
        rc = file_read_all(fd, out);
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}
