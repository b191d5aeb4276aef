// SPDX-License-Identifier: ISC
// Two buffers: callers fill one under a mutex, the thread writes the other, and they change places. The
// thread alone may block, in the write to standard error. After a write it lets lines gather for a moment, so that a
// busy relay pays for one wake-up and one write where there are many lines; a line after a pause is written at once.
#include "relay/log/writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "relay/base/buf.h"
#include "relay/base/naming.h"

#define PIECE 65536 // bytes of one write
#define GATHER                                                                                     \
    5 // milliseconds from one write to the next, unless PIECE bytes or an urgent line wait

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    pthread_t thread;
    struct buf waiting;
    size_t writing; // bytes that the thread has taken and not yet written
    bool running, closing, ended;
    bool asleep; // the thread waits for a first line
    bool urgent; // a line that waits is not to be kept back
    uint64_t dropped, told;
    void (*tell)(uint64_t lines);
} w = {.lock = PTHREAD_MUTEX_INITIALIZER, .emptied = PTHREAD_COND_INITIALIZER};

// As much of it as makes whole lines, so that what others write to the same place comes between lines.
static size_t piece_of(const unsigned char *p, size_t n)
{
    if (n <= PIECE)
        return n;
    const unsigned char *end = memrchr(p, '\n', PIECE);
    return end ? (size_t)(end - p) + 1 : PIECE;
}

// Where nobody takes it (a pipe without a reader, a full disk) the rest is lost. Returns how many lines.
static uint64_t writer_write_all(const unsigned char *p, size_t n)
{
    while (n) {
        ssize_t done = write(STDERR_FILENO, p, piece_of(p, n));
        if (done < 0 && errno == EAGAIN) { // somebody made it non-blocking
            struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (done < 0 && errno != EINTR) {
            break;
        }
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    uint64_t lost = 0;
    for (const unsigned char *end; n && (end = memchr(p, '\n', n)); lost++) {
        n -= (size_t)(end - p) + 1;
        p = end + 1;
    }
    return lost;
}

static void tell_dropped(void)
{
    uint64_t lines = w.dropped - w.told;
    w.told = w.dropped;
    if (!lines)
        return;
    pthread_mutex_unlock(&w.lock);
    w.tell(lines);
    pthread_mutex_lock(&w.lock);
}

static bool may_gather(void)
{
    return !w.closing && !w.urgent && w.waiting.len < PIECE;
}

// Until there is something to write that has waited long enough; under the lock.
static void await_lines(const struct timespec *next)
{
    while (may_gather() && pthread_cond_timedwait(&w.filled, &w.lock, next) != ETIMEDOUT)
        ;
    w.asleep = true;
    while (!w.waiting.len && !w.closing)
        pthread_cond_wait(&w.filled, &w.lock);
    w.asleep = w.urgent = false;
}

static struct timespec next_write(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += GATHER * 1000000L;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static void *writer_run(void *arg)
{
    naming_thread("log");
    (void)arg;
    struct timespec next = {0}; // long past: the first line is written at once
    struct buf now; // what is being written; its memory serves the lines after those that wait
    buf_init(&now, w.waiting.max);
    pthread_mutex_lock(&w.lock);
    for (;;) {
        await_lines(&next);
        if (!w.waiting.len)
            break;
        struct buf empty = now;
        now = w.waiting;
        w.waiting = empty;
        w.writing = now.len;
        pthread_mutex_unlock(&w.lock);
        uint64_t lost = writer_write_all(now.data, now.len);
        buf_reset(&now);
        if (now.cap > 4 * PIECE)
            buf_free(&now);
        next = next_write();
        pthread_mutex_lock(&w.lock);
        w.writing = 0;
        w.dropped += lost;
        if (!lost) // else nobody would read that either
            tell_dropped();
    }
    buf_free(&now);
    w.ended = true;
    pthread_cond_signal(&w.emptied);
    pthread_mutex_unlock(&w.lock);
    return NULL;
}

int writer_start(void (*dropped)(uint64_t lines))
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w.filled, &attr);
    pthread_cond_init(&w.emptied, &attr);
    pthread_condattr_destroy(&attr);
    buf_init(&w.waiting, WRITER_ROOM + WRITER_RESERVE);
    w.tell = dropped;
    w.closing = w.ended = false;
    pthread_mutex_lock(&w.lock);
    w.running = pthread_create(&w.thread, NULL, writer_run, NULL) == 0;
    pthread_mutex_unlock(&w.lock);
    return w.running ? 0 : -1;
}

void writer_stop(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WRITER_FLUSH_MS / 1000;
    pthread_mutex_lock(&w.lock);
    if (!w.running) {
        pthread_mutex_unlock(&w.lock);
        return;
    }
    w.closing = true;
    pthread_cond_signal(&w.filled);
    while (!w.ended && pthread_cond_timedwait(&w.emptied, &w.lock, &until) != ETIMEDOUT)
        ;
    bool ended = w.ended;
    w.running =
        !ended; // a thread that hangs in its write goes with the process; nobody waits for it
    pthread_mutex_unlock(&w.lock);
    if (ended) {
        pthread_join(w.thread, NULL);
        buf_free(&w.waiting);
    }
}

void writer_put(struct span line, bool urgent)
{
    pthread_mutex_lock(&w.lock);
    bool running = w.running;
    if (running) {
        size_t room = WRITER_ROOM + (urgent ? WRITER_RESERVE : 0);
        if (w.writing + w.waiting.len + line.n > room)
            w.dropped++;
        else if (buf_addspan(&w.waiting, line) == 0) {
            w.urgent = w.urgent || urgent;
            if (w.asleep || !may_gather())
                pthread_cond_signal(&w.filled);
            w.asleep = false;
        }
    }
    pthread_mutex_unlock(&w.lock);
    if (!running)
        writer_write_all(line.p, line.n);
}

uint64_t writer_dropped(void)
{
    pthread_mutex_lock(&w.lock);
    uint64_t dropped = w.dropped;
    pthread_mutex_unlock(&w.lock);
    return dropped;
}
