// SPDX-License-Identifier: ISC
// The filter of the stories about filters.
#include "tests/unit/fakefilter.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOK_MS 20

static bool read_all(struct fakefilter *f, int fd, unsigned char *out, size_t n)
{
    for (size_t at = 0; at < n;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (atomic_load(&f->stop))
            return false;
        if (poll(&p, 1, LOOK_MS) == 0)
            continue;
        size_t room = n - at < f->cut_heard - f->heard ? n - at : f->cut_heard - f->heard;
        ssize_t got = room ? read(fd, out + at, room) : 0;
        if (got <= 0)
            return false;
        at += (size_t)got;
        f->heard += (size_t)got;
    }
    return true;
}

static void put(unsigned char *out, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(n >> (24 - 8 * i));
}

// What passes its cut is not sent: the connection ends behind this reply.
static void fakefilter_send(struct fakefilter *f, int fd, const void *bytes, size_t n)
{
    n = n < f->cut_said - f->said ? n : f->cut_said - f->said;
    f->said += n;
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, (const char *)bytes + at, n - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
    }
}

static void fakefilter_answer(struct fakefilter *f, int fd, char code)
{
    unsigned char packet[5] = {0, 0, 0, 1, (unsigned char)code};
    fakefilter_send(f, fd, packet, sizeof packet);
}

static void note(struct fakefilter *f, char code, const unsigned char *data, size_t n)
{
    pthread_mutex_lock(&f->lock);
    if (code == 'B')
        f->body_bytes += n;
    if (f->nseen + n + 2 < sizeof f->seen) {
        f->seen[f->nseen++] = code;
        for (size_t i = 0; i < n; i++)
            f->seen[f->nseen++] = data[i] == 0 ? '|' : data[i] == '\n' ? '/' : (char)data[i];
        f->seen[f->nseen++] = '\n';
        f->seen[f->nseen] = 0;
    }
    pthread_mutex_unlock(&f->lock);
}

static void negotiate(struct fakefilter *f, int fd)
{
    unsigned char packet[17] = {0, 0, 0, 13, 'O'};
    put(packet + 5, f->version);
    put(packet + 9, f->actions);
    put(packet + 13, f->steps);
    fakefilter_send(f, fd, packet, sizeof packet);
}

static bool is_mute(const struct fakefilter *f, char code)
{
    static const struct {
        char code;
        uint32_t bit;
    } table[] = {{'C', 0x1000},  {'H', 0x2000}, {'M', 0x4000},  {'R', 0x8000},
                 {'T', 0x10000}, {'L', 0x80},   {'N', 0x40000}, {'B', 0x80000}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == code)
            return f->steps & table[i].bit;
    return code == 'D' || code == 'Q' || code == 'A';
}

static void say(struct fakefilter *f, int fd)
{
    for (size_t i = 0; i < f->say_bytes && f->drip; i++) {
        fakefilter_send(f, fd, f->say + i, 1);
        usleep(100);
    }
    if (!f->drip)
        fakefilter_send(f, fd, f->say, f->say_bytes);
}

// False: the connection ends here.
static bool fakefilter_reply(struct fakefilter *f, int fd, char code)
{
    if (code == f->cut_at)
        return false;
    if (code == f->silent_at)
        return true;
    if (code == f->say_at)
        say(f, fd);
    else if (code == 'O')
        negotiate(f, fd);
    else if (code == f->answer_at)
        fakefilter_answer(f, fd, f->answer);
    else if (code == 'E') {
        fakefilter_send(f, fd, f->changes, f->nchanges);
        fakefilter_answer(f, fd, f->last ? f->last : 'c');
    } else if (!is_mute(f, code))
        fakefilter_answer(f, fd, 'c');
    return true;
}

static void serve(struct fakefilter *f, int fd)
{
    unsigned char *data = f->data;
    unsigned char head[4];
    f->said = f->heard = 0;
    while (f->said < f->cut_said && read_all(f, fd, head, 4)) {
        uint32_t n =
            (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
        if (n == 0 || n > sizeof f->data || !read_all(f, fd, data, n))
            break;
        note(f, (char)data[0], data + 1, n - 1);
        if (data[0] == 'Q' || !fakefilter_reply(f, fd, (char)data[0]))
            break;
    }
    close(fd);
}

static void *fakefilter_run(void *arg)
{
    struct fakefilter *f = arg;
    while (!atomic_load(&f->stop)) {
        struct pollfd p = {.fd = f->fd, .events = POLLIN};
        if (poll(&p, 1, LOOK_MS) <= 0)
            continue;
        int fd = accept(f->fd, NULL, NULL);
        if (fd < 0)
            continue;
        atomic_fetch_add(&f->connections, 1);
        serve(f, fd);
    }
    return NULL;
}

void fakefilter_reset(struct fakefilter *f)
{
    pthread_mutex_lock(&f->lock);
    f->version = 6;
    f->actions = 0x1ff;
    f->steps = 0;
    f->cut_at = f->silent_at = f->say_at = f->answer_at = f->last = 0;
    f->cut_said = f->cut_heard = SIZE_MAX;
    f->drip = false;
    f->nchanges = f->nseen = f->body_bytes = 0;
    f->seen[0] = 0;
    pthread_mutex_unlock(&f->lock);
}

void fakefilter_begin(struct fakefilter *f, const char *unix_path)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t n = sizeof sin;
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    fakefilter_reset(f);
    f->fd = socket(unix_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (unix_path) {
        unlink(unix_path);
        strcpy(un.sun_path, unix_path);
        strcpy(f->path, unix_path);
        assert_int_equal(bind(f->fd, (struct sockaddr *)&un, sizeof un), 0);
    } else {
        assert_int_equal(bind(f->fd, (struct sockaddr *)&sin, sizeof sin), 0);
        getsockname(f->fd, (struct sockaddr *)&sin, &n);
        f->port = ntohs(sin.sin_port);
    }
    assert_int_equal(listen(f->fd, 8), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, fakefilter_run, f), 0);
}

void fakefilter_end(struct fakefilter *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    close(f->fd);
    if (f->path[0])
        unlink(f->path);
    pthread_mutex_destroy(&f->lock);
}

void fakefilter_change(struct fakefilter *f, char code, const void *data, size_t n)
{
    unsigned char *at = f->changes + f->nchanges;
    assert_true(f->nchanges + n + 5 <= sizeof f->changes);
    put(at, (uint32_t)n + 1);
    at[4] = (unsigned char)code;
    memcpy(at + 5, data, n);
    f->nchanges += n + 5;
}

bool fakefilter_saw(struct fakefilter *f, const char *line_start)
{
    bool saw = false;
    size_t n = strlen(line_start);
    pthread_mutex_lock(&f->lock);
    for (const char *line = f->seen; !saw && line && *line;) {
        saw = strncmp(line, line_start, n) == 0;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    pthread_mutex_unlock(&f->lock);
    return saw;
}
