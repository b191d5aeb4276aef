// SPDX-License-Identifier: ISC
// Messages between threads. A mutex around two pointers: held for a few instructions, it costs less
// than the wake-up beside it.
#include "relay/base/inbox.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include "relay/base/mem.h"

struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t filled; // blocking kind
    struct item *first, **last;
    uv_async_t *wake; // loop kind; NULL for the blocking kind
    bool closed;
};

static struct item *take_all(struct inbox *mb)
{
    struct item *items = mb->first;
    mb->first = NULL;
    mb->last = &mb->first;
    return items;
}

static void run_all(struct item *item)
{
    while (item) {
        struct item *next = item->next;
        item->next = NULL;
        item->run(item);
        item = next;
    }
}

static void inbox_woken(uv_async_t *wake)
{
    struct inbox *mb = wake->data;
    pthread_mutex_lock(&mb->lock);
    struct item *items = take_all(mb);
    pthread_mutex_unlock(&mb->lock);
    run_all(items);
}

struct inbox *inbox_open_blocking(void)
{
    struct inbox *mb = mem_new(sizeof *mb);
    pthread_mutex_init(&mb->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&mb->filled, &attr);
    pthread_condattr_destroy(&attr);
    mb->last = &mb->first;
    return mb;
}

struct inbox *inbox_open(uv_loop_t *loop)
{
    uv_async_t *wake = mem_new(sizeof *wake);
    if (uv_async_init(loop, wake, inbox_woken) < 0) { // no eventfd: the handle has not come to be
        free(wake);
        return NULL;
    }
    struct inbox *mb = inbox_open_blocking();
    mb->wake = wake;
    wake->data = mb;
    return mb;
}

void inbox_unref(struct inbox *mb)
{
    uv_unref((uv_handle_t *)mb->wake);
}

void inbox_post(struct inbox *mb, struct item *item)
{
    item->next = NULL;
    pthread_mutex_lock(&mb->lock);
    bool wake = !mb->first && !mb->closed;
    if (!mb->closed) {
        *mb->last = item;
        mb->last = &item->next;
    }
    if (wake && !mb->wake)
        pthread_cond_signal(&mb->filled);
    if (wake && mb->wake) // under the lock, so that close cannot come between
        uv_async_send(mb->wake);
    pthread_mutex_unlock(&mb->lock);
}

struct item *inbox_wait(struct inbox *mb, int timeout_ms)
{
    assert(!mb->wake);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ms > 0) {
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
    }
    pthread_mutex_lock(&mb->lock);
    while (!mb->first && timeout_ms != 0) {
        if (timeout_ms < 0)
            pthread_cond_wait(&mb->filled, &mb->lock);
        else if (pthread_cond_timedwait(&mb->filled, &mb->lock, &until) == ETIMEDOUT)
            break;
    }
    struct item *items = take_all(mb);
    pthread_mutex_unlock(&mb->lock);
    return items;
}

static void inbox_release(struct inbox *mb)
{
    pthread_mutex_destroy(&mb->lock);
    pthread_cond_destroy(&mb->filled);
    free(mb);
}

static void inbox_wake_closed(uv_handle_t *handle)
{
    inbox_release(handle->data);
    free(handle);
}

void inbox_close(struct inbox *mb)
{
    if (!mb)
        return;
    pthread_mutex_lock(&mb->lock);
    mb->closed = true;
    struct item *left = mb->wake ? take_all(mb) : NULL;
    pthread_mutex_unlock(&mb->lock);
    run_all(left);
    if (mb->wake)
        uv_close((uv_handle_t *)mb->wake, inbox_wake_closed);
    else
        inbox_release(mb);
}
