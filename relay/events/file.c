// SPDX-License-Identifier: ISC
// A sink that is a file: opened for each batch, so that it may be renamed at any time. Whole lines or none.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/events/inside.h"

struct file_way {
    const struct cfg_sink *config;
    uv_timer_t later; // says so, outside of the call
    struct why why;
    bool failed;
    sink_done *done;
    void *arg;
};

static void file_on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void file_close(void *way)
{
    struct file_way *w = way;
    uv_close((uv_handle_t *)&w->later, file_on_closed);
}

static void *file_open(struct sinks *s, const struct cfg_sink *config, struct trust *trust,
                       struct why *why)
{
    (void)trust, (void)why;
    struct file_way *w = mem_new(sizeof *w);
    w->config = config;
    uv_timer_init(s->loop, &w->later);
    w->later.data = w;
    return w;
}

// A line that a crash has left half is ended.
static int mend_end(int fd, off_t size)
{
    char last = '\n';
    if (size && pread(fd, &last, 1, size - 1) != 1)
        return -1;
    return last == '\n' || write(fd, "\n", 1) == 1 ? 0 : -1;
}

static int write_all(int fd, struct span bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes = span_from(bytes, (size_t)n);
    }
    return fdatasync(fd);
}

static int append(const char *path, struct span lines, struct why *why)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640);
    int rc = fd < 0 ? -1 : fstat(fd, &st);
    if (rc == 0 && !S_ISREG(st.st_mode)) {
        rc = -1;
        errno = EINVAL;
    } else if (rc == 0) {
        rc = mend_end(fd, st.st_size) < 0 || write_all(fd, lines) < 0 ? -1 : 0;
        int error = errno;
        if (rc < 0 && ftruncate(fd, st.st_size) < 0)
            error = errno; // half a line may stay, and is ended next time
        errno = error;
    }
    if (rc < 0)
        why_set(why, WHY_OURS, "4.3.0", "%s cannot be written: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

static void file_on_later(uv_timer_t *timer)
{
    struct file_way *w = timer->data;
    w->done(w->arg, 0, w->failed ? &w->why : NULL);
}

static void file_send(void *way, const struct sink_batch *batch, sink_done *done, void *arg)
{
    struct file_way *w = way;
    w->done = done;
    w->arg = arg;
    w->failed = append(w->config->file, buf_span(&batch->lines), &w->why) < 0;
    uv_timer_start(&w->later, file_on_later, 0, 0);
}

const struct sink_way sink_file = {file_open, file_send, file_close};
