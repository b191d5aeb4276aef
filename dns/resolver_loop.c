// SPDX-License-Identifier: ISC
// The glue between getdns and libuv: getdns's own does not link on Debian 12. Each event is a poll
// handle, a timer, or both; its memory goes when the last of them has closed.
#include "dns/resolver_loop.h"

#include <stdbool.h>
#include <stdlib.h>
#include "relay/base/mem.h"

#define FOREVER UINT64_MAX // what getdns passes for "no timeout"

struct event {
    getdns_eventloop_event *event; // NULL once cleared
    uv_poll_t poll;
    uv_timer_t timer;
    int open; // handles that have not closed yet
};

static void resolver_loop_fire_timeout(uv_timer_t *timer)
{
    struct event *e = timer->data;
    if (e->event && e->event->timeout_cb)
        e->event->timeout_cb(e->event->userarg);
}

// Any callback may clear the event, and getdns then owns nothing here: look again each time.
static void resolver_loop_fire_poll(uv_poll_t *poll, int status, int events)
{
    struct event *e = poll->data;
    if (status < 0) // whoever reads or writes next sees the error itself
        events = UV_READABLE | UV_WRITABLE;
    if ((events & UV_READABLE) && e->event && e->event->read_cb)
        e->event->read_cb(e->event->userarg);
    if ((events & UV_WRITABLE) && e->event && e->event->write_cb)
        e->event->write_cb(e->event->userarg);
}

static void resolver_loop_closed(uv_handle_t *handle)
{
    struct event *e = handle->data;
    if (--e->open == 0)
        free(e);
}

static getdns_return_t resolver_loop_clear(getdns_eventloop *base, getdns_eventloop_event *event)
{
    (void)base;
    struct event *e = event->ev;
    if (!e)
        return GETDNS_RETURN_GOOD;
    event->ev = NULL;
    e->event = NULL;
    if (e->poll.data)
        uv_close((uv_handle_t *)&e->poll, resolver_loop_closed);
    if (e->timer.data)
        uv_close((uv_handle_t *)&e->timer, resolver_loop_closed);
    return GETDNS_RETURN_GOOD;
}

static getdns_return_t resolver_loop_schedule(getdns_eventloop *base, int fd, uint64_t timeout,
                                              getdns_eventloop_event *event)
{
    struct resolver_loop *loop = (struct resolver_loop *)base;
    bool polls = fd >= 0 && (event->read_cb || event->write_cb);
    bool times = event->timeout_cb && timeout != FOREVER;
    event->ev = NULL;
    if (!polls && !times)
        return GETDNS_RETURN_GOOD;
    struct event *e = mem_new(sizeof *e);
    if (polls) {
        if (uv_poll_init(loop->uv, &e->poll, fd) < 0) {
            free(e);
            return GETDNS_RETURN_GENERIC_ERROR;
        }
        e->poll.data = e;
        e->open++;
        int wanted = (event->read_cb ? UV_READABLE : 0) | (event->write_cb ? UV_WRITABLE : 0);
        uv_poll_start(&e->poll, wanted, resolver_loop_fire_poll);
    }
    if (times) {
        uv_timer_init(loop->uv, &e->timer);
        e->timer.data = e;
        e->open++;
        uv_timer_start(&e->timer, resolver_loop_fire_timeout, timeout, 0);
    }
    e->event = event;
    event->ev = e;
    return GETDNS_RETURN_GOOD;
}

static void resolver_loop_nothing(getdns_eventloop *base)
{
    (void)base; // the loop is the resolver's: getdns neither runs nor ends it
}

static void resolver_loop_run_once(getdns_eventloop *base, int blocking)
{
    uv_run(((struct resolver_loop *)base)->uv, blocking ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void resolver_loop_init(struct resolver_loop *loop, uv_loop_t *uv)
{
    static getdns_eventloop_vmt vmt = {resolver_loop_nothing, resolver_loop_schedule,
                                       resolver_loop_clear, resolver_loop_nothing,
                                       resolver_loop_run_once};
    loop->base.vmt = &vmt;
    loop->uv = uv;
}
