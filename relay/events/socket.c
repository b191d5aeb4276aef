// SPDX-License-Identifier: ISC
// A sink that is a Unix stream socket: connected to, and written to line by line. Taken is what its reader has really
// read (SIOCOUTQ says what the kernel still holds for it), so that a reader that ends gets the rest again. With
// `acknowledge` it is what the reader says it has: a line "ok SEQ" says so of that event and all before it.
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/events/inside.h"

#define SOCKET_LOOK_MS 20    // how often a batch under way is looked at
#define SOCKET_WAIT_MS 60000 // without anything being written, read or acknowledged
#define SOCKET_ACK     32    // bytes of an acknowledgement

struct socket_way {
    const struct cfg_sink *config;
    uv_timer_t look;             // active while a batch is under way
    int fd;                      // -1: not connected
    struct buf left;             // of the batch, not written yet
    int held;                    // by the kernel, at the last look
    uint64_t first, last, taken; // of the batch; 0: nothing is acknowledged yet
    char said[SOCKET_ACK];       // by the reader, of a line that has no end yet
    size_t nsaid;
    uint64_t deadline_ms;
    sink_done *done;
    void *arg;
};

static void socket_on_closed(uv_handle_t *handle)
{
    struct socket_way *w = handle->data;
    buf_free(&w->left);
    free(w);
}

static void socket_leave(struct socket_way *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->nsaid = 0;
}

static void socket_close(void *way)
{
    struct socket_way *w = way;
    socket_leave(w);
    uv_close((uv_handle_t *)&w->look, socket_on_closed);
}

static void *socket_open(struct sinks *s, const struct cfg_sink *config, struct trust *trust,
                         struct why *why)
{
    (void)trust, (void)why;
    struct socket_way *w = mem_new(sizeof *w);
    w->config = config;
    w->fd = -1;
    uv_timer_init(s->loop, &w->look);
    w->look.data = w;
    buf_init(&w->left, SINK_BYTES + JOURNAL_LINE);
    return w;
}

static int socket_trouble(const struct socket_way *w, struct why *why, const char *what)
{
    char text[512];
    snprintf(text, sizeof text, "%s: %s", w->config->socket, what);
    return why_say(why, SINK_AWAY, text);
}

// A Unix socket is connected to at once or not at all.
static int socket_connect(struct socket_way *w, struct why *why)
{
    struct sockaddr_storage address;
    if (value_unix(span_text(w->config->socket), &address, why) < 0)
        return -1;
    w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd >= 0 && connect(w->fd, (struct sockaddr *)&address, sizeof(struct sockaddr_un)) == 0)
        return 0;
    socket_trouble(w, why, strerror(errno));
    socket_leave(w);
    return -1;
}

static void socket_moved(struct socket_way *w)
{
    w->deadline_ms = clock_mono_ms() + SOCKET_WAIT_MS;
}

// What was taken before is acknowledged twice without harm; what is behind the batch was never sent.
static int socket_ack(struct socket_way *w, struct why *why)
{
    uint64_t seq;
    struct span line = span_trim(span_of(w->said, w->nsaid));
    w->nsaid = 0;
    if (line.n < 4 || memcmp(line.p, "ok ", 3) != 0 ||
        !span_number(span_from(line, 3), UINT64_MAX / 2, &seq))
        return socket_trouble(w, why, "its reader says what is no acknowledgement");
    if (seq > w->last || (seq == w->last && w->left.len))
        return socket_trouble(w, why, "its reader acknowledges an event that it was not sent");
    if (seq < w->first || seq <= w->taken)
        return 0;
    w->taken = seq;
    socket_moved(w);
    return 0;
}

static int socket_parse(struct socket_way *w, const char *heard, size_t n, struct why *why)
{
    for (size_t i = 0; i < n; i++) {
        if (heard[i] == '\n' && socket_ack(w, why) < 0)
            return -1;
        if (heard[i] == '\n')
            continue;
        if (w->nsaid == SOCKET_ACK)
            return socket_trouble(w, why, "its reader says what is no acknowledgement");
        w->said[w->nsaid++] = heard[i];
    }
    return 0;
}

// Without `acknowledge` what a reader says is not looked at; that it hangs up is.
static int socket_hear(struct socket_way *w, struct why *why)
{
    char heard[4096];
    ssize_t n = recv(w->fd, heard, sizeof heard, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return socket_trouble(w, why, "its reader hung up");
    return n > 0 && w->config->acknowledge ? socket_parse(w, heard, (size_t)n, why) : 0;
}

static int socket_write(struct socket_way *w, struct why *why)
{
    while (w->left.len) {
        ssize_t n = send(w->fd, w->left.data, w->left.len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0)
            return socket_trouble(w, why, strerror(errno));
        buf_drop(&w->left, (size_t)n);
        socket_moved(w);
    }
    return 0;
}

// All of the batch was taken. A reader that is slow moves, too.
static bool socket_read(struct socket_way *w)
{
    int held = 0;
    if (w->config->acknowledge)
        return w->taken == w->last;
    if (w->left.len || ioctl(w->fd, SIOCOUTQ, &held) < 0)
        return false;
    if (held < w->held)
        socket_moved(w);
    w->held = held;
    return held == 0;
}

// 1: all of it was taken; 0: not yet; -1: no more of it will be.
static int socket_look(struct socket_way *w, struct why *why)
{
    if (w->fd < 0 && socket_connect(w, why) < 0)
        return -1;
    // What it said before it hung up counts. With it goes what it did not read, and then nothing is held either.
    if (socket_hear(w, why) < 0 || socket_write(w, why) < 0)
        return -1;
    if (socket_read(w))
        return w->config->acknowledge || socket_hear(w, why) == 0 ? 1 : -1;
    if (clock_mono_ms() > w->deadline_ms)
        return socket_trouble(w, why,
                              w->config->acknowledge ? "its reader does not acknowledge"
                                                     : "its reader does not read");
    return 0;
}

static void socket_on_look(uv_timer_t *timer)
{
    struct socket_way *w = timer->data;
    struct why why;
    int rc = socket_look(w, &why);
    if (rc == 0)
        return;
    uv_timer_stop(timer);
    if (rc < 0)
        socket_leave(w);
    w->done(w->arg, w->taken, rc < 0 ? &why : NULL);
}

static void socket_send(void *way, const struct sink_batch *batch, sink_done *done, void *arg)
{
    struct socket_way *w = way;
    struct why why;
    w->done = done;
    w->arg = arg;
    // A reader that left while nothing was to be told is met anew.
    if (w->fd >= 0 && socket_hear(w, &why) < 0)
        socket_leave(w);
    w->first = batch->first;
    w->last = batch->last;
    w->taken = 0;
    w->held = 0;
    socket_moved(w);
    buf_reset(&w->left);
    buf_addspan(&w->left, buf_span(&batch->lines));
    uv_timer_start(&w->look, socket_on_look, 0, SOCKET_LOOK_MS);
}

const struct sink_way sink_socket = {socket_open, socket_send, socket_close};
