// SPDX-License-Identifier: ISC
// libuv's own listening goes round and round inside one call while accept fails, and aborts nothing but
// starves its loop; so this listens for readiness alone and calls accept itself.
#include "relay/net/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"

#define TOLD_MS     60000 // between two alarms about the same listener
#define OWN_FILES   96    // descriptors for threads, spool, database, resolver and listeners
#define CLIENTS_MIN 8
#define BACKLOG     1024
#define SPARES      4 // another thread may take one in the moment between its close and accept

struct acceptor {
    struct acceptor_options o;
    char *name;
    uv_poll_t poll;
    uv_timer_t rest;
    int fd;
    int spares[SPARES]; // given up one at a time, for a moment, to send somebody away
    size_t nspares;
    bool held;
    int handles; // not yet closed
};

static void open_spares(struct acceptor *a)
{
    while (a->nspares < SPARES) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        a->spares[a->nspares++] = fd;
    }
}

static void close_spare(struct acceptor *a)
{
    close(a->spares[--a->nspares]);
}

uint64_t acceptor_room(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    uint64_t all = limit.rlim_cur;
    return all > OWN_FILES + 2 * CLIENTS_MIN ? (all - OWN_FILES) / 2 : CLIENTS_MIN;
}

static void accept_on_readable(uv_poll_t *poll, int status, int events);

static void listen_again(struct acceptor *a)
{
    if (!a->held && a->fd >= 0 && !uv_is_active((uv_handle_t *)&a->rest))
        uv_poll_start(&a->poll, UV_READABLE, accept_on_readable);
}

static void accept_on_rested(uv_timer_t *timer)
{
    struct acceptor *a = timer->data;
    open_spares(a);
    listen_again(a);
}

static void take_rest(struct acceptor *a)
{
    uv_poll_stop(&a->poll);
    uv_timer_start(&a->rest, accept_on_rested, ACCEPT_REST_MS, 0);
}

static void serve_one(struct acceptor *a)
{
    int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        a->o.client(a->o.arg, fd);
}

// Those who wait would else hang until their own patience ends.
static void send_away(struct acceptor *a)
{
    for (int i = 0; i < ACCEPT_TURN; i++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break; // nobody waits, or another thread had the descriptor
        if (a->o.busy)
            (void)!send(fd, a->o.busy, strlen(a->o.busy), MSG_NOSIGNAL);
        close(fd);
    }
    open_spares(a);
}

// Trouble of one connection concerns it alone; anything else will be there at the next try too.
static bool is_its_own(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

// True: somebody made room, and the next can be taken.
static bool accept_failed(struct acceptor *a, int error)
{
    bool files = error == EMFILE || error == ENFILE;
    log_alarm_once(
        "accept", REASON_ACCEPT_FAILS, a->name, TOLD_MS, "%s: nobody can be let in: %s%s", a->name,
        strerror(error),
        files ? "; raise the limit on open files (LimitNOFILE=) or lower limits.connections" : "");
    if (files && a->o.make_room && a->o.make_room(a->o.arg))
        return true;
    if (files && a->nspares) {
        close_spare(a);
        if (a->o.insist)
            serve_one(a);
        else
            send_away(a);
    }
    take_rest(a);
    return false;
}

static void accept_on_readable(uv_poll_t *poll, int status, int events)
{
    struct acceptor *a = poll->data;
    (void)status; // an error shows in accept
    (void)events;
    for (int i = 0; i < ACCEPT_TURN && a->fd >= 0 && !a->held; i++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            a->o.client(a->o.arg, fd);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (!is_its_own(errno) && !accept_failed(a, errno))
            return;
    }
}

static void accept_on_closed(uv_handle_t *handle)
{
    struct acceptor *a = handle->data;
    if (--a->handles)
        return;
    while (a->nspares)
        close_spare(a);
    void (*closed)(void *) = a->o.closed;
    void *arg = a->o.arg;
    free(a->name);
    free(a);
    if (closed)
        closed(arg);
}

struct acceptor *acceptor_open(uv_loop_t *loop, int fd, const struct acceptor_options *options,
                               struct why *why)
{
    struct acceptor *a = mem_new(sizeof *a);
    int rc =
        listen(fd, BACKLOG) < 0 ? uv_translate_sys_error(errno) : uv_poll_init(loop, &a->poll, fd);
    if (rc < 0) {
        close(fd);
        free(a);
        why_set(why, WHY_OURS, "4.3.0", "%s cannot be served: %s", options->name, uv_strerror(rc));
        return NULL;
    }
    a->o = *options;
    a->name = mem_dup(options->name);
    a->fd = fd;
    open_spares(a);
    uv_timer_init(loop, &a->rest);
    a->poll.data = a->rest.data = a;
    a->handles = 2;
    listen_again(a);
    return a;
}

void acceptor_hold(struct acceptor *a)
{
    a->held = true;
    if (a->fd >= 0)
        uv_poll_stop(&a->poll);
}

void acceptor_resume(struct acceptor *a)
{
    a->held = false;
    listen_again(a);
}

void acceptor_close(struct acceptor *a)
{
    if (!a || a->fd < 0)
        return;
    uv_close((uv_handle_t *)&a->poll, accept_on_closed);
    uv_close((uv_handle_t *)&a->rest, accept_on_closed);
    close(a->fd);
    a->fd = -1;
}
