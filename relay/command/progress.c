// SPDX-License-Identifier: ISC
// A thread that wakes twice a second; the command itself does nothing for it but count.
#include "relay/command/progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "relay/base/clock.h"

#define FIRST_MS 1000 // shorter work shows nothing
#define EVERY_MS 500
#define BAR      20 // columns

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool runs, ends;
    const char *name;
    uint64_t done, total, began_ms, wrote_ms;
    bool shown, halfway; // halfway: a line of the command's own is not ended
} p = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void write_all(const char *bytes, size_t n)
{
    while (n) {
        ssize_t wrote = write(STDERR_FILENO, bytes, n);
        if (wrote <= 0)
            return;
        bytes += wrote;
        n -= (size_t)wrote;
    }
}

static void hide(void)
{
    static const char erase[] = "\r\033[K";
    if (p.shown)
        write_all(erase, sizeof erase - 1);
    p.shown = false;
}

size_t progress_line(const char *name, uint64_t done, uint64_t total, uint64_t seconds,
                     char out[static PROGRESS_LINE + 1])
{
    char bar[BAR + 1], amount[48] = "";
    if (total) {
        uint64_t part = done < total ? (uint64_t)((double)done * BAR / (double)total) : BAR;
        memset(bar, ' ', BAR);
        memset(bar, '=', part);
        if (part < BAR)
            bar[part] = '>';
        bar[BAR] = 0;
        snprintf(amount, sizeof amount, "  [%s] %3" PRIu64 " %%", bar,
                 done < total ? (uint64_t)((double)done * 100 / (double)total) : 100);
    } else if (done) {
        snprintf(amount, sizeof amount, "  %" PRIu64, done);
    }
    int n =
        snprintf(out, PROGRESS_LINE + 1, "waxwing %.24s%s  %" PRIu64 " s", name, amount, seconds);
    return n < PROGRESS_LINE ? (size_t)n : PROGRESS_LINE;
}

static void progress_show(uint64_t now)
{
    char line[PROGRESS_LINE + 1];
    size_t n = progress_line(p.name, p.done, p.total, (now - p.began_ms) / 1000, line);
    hide();
    write_all(line, n);
    p.shown = true;
}

static void *progress_thread(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&p.lock);
    while (!p.ends) {
        struct timespec until;
        uint64_t now = clock_mono_ms();
        if (!p.halfway && now - p.began_ms >= FIRST_MS && now - p.wrote_ms >= FIRST_MS)
            progress_show(now);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&p.wake, &p.lock, &until);
    }
    hide();
    pthread_mutex_unlock(&p.lock);
    return NULL;
}

void progress_begin(const char *name)
{
    sigset_t all, before;
    progress_end();
    if (!isatty(STDERR_FILENO))
        return;
    p.name = name;
    p.began_ms = clock_mono_ms();
    p.done = p.total = p.wrote_ms = 0;
    p.ends = p.shown = p.halfway = false;
    sigfillset(&all); // signals are for the command's own thread
    pthread_sigmask(SIG_BLOCK, &all, &before);
    p.runs = pthread_create(&p.thread, NULL, progress_thread, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void progress_end(void)
{
    if (!p.runs)
        return;
    pthread_mutex_lock(&p.lock);
    p.ends = true;
    pthread_cond_signal(&p.wake);
    pthread_mutex_unlock(&p.lock);
    pthread_join(p.thread, NULL);
    p.runs = false;
}

void progress_step(uint64_t done, uint64_t total)
{
    pthread_mutex_lock(&p.lock);
    p.done = done;
    p.total = total;
    pthread_mutex_unlock(&p.lock);
}

void progress_hide(void)
{
    pthread_mutex_lock(&p.lock);
    hide();
    p.halfway = true;
    pthread_mutex_unlock(&p.lock);
}

void progress_may_show(char last_byte)
{
    pthread_mutex_lock(&p.lock);
    p.halfway = last_byte != '\n';
    p.wrote_ms = clock_mono_ms();
    pthread_mutex_unlock(&p.lock);
}
