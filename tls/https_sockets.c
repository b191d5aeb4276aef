// SPDX-License-Identifier: ISC
// curl's multi interface on libuv: curl says which sockets to watch and when to wake it.
#include "tls/https_sockets.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include "relay/base/mem.h"

struct https_sockets {
    CURLM *multi;
    uv_timer_t timer;
    void (*done)(void *easy, int code);
};

struct watched {
    uv_poll_t poll;
    struct https_sockets *owner;
    curl_socket_t fd;
};

static void reap(struct https_sockets *s)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(s->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        curl_multi_remove_handle(s->multi, easy);
        s->done(easy, (int)code);
    }
}

static void https_sockets_on_poll(uv_poll_t *poll, int status, int events)
{
    struct watched *w = poll->data;
    struct https_sockets *s = w->owner;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(s->multi, w->fd, flags, &running);
    reap(s);
}

static void https_sockets_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int https_sockets_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                                   void *socket_arg)
{
    (void)easy;
    struct https_sockets *s = arg;
    struct watched *w = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, https_sockets_poll_closed);
            curl_multi_assign(s->multi, fd, NULL);
        }
        return 0;
    }
    if (!w) {
        w = mem_new(sizeof *w);
        w->owner = s;
        w->fd = fd;
        if (uv_poll_init_socket(s->timer.loop, &w->poll, fd) < 0) {
            free(w); // the transfer runs into its time limit
            return 0;
        }
        w->poll.data = w;
        curl_multi_assign(s->multi, fd, w);
    }
    int events = what & CURL_POLL_IN ? UV_READABLE : 0;
    events |= what & CURL_POLL_OUT ? UV_WRITABLE : 0;
    uv_poll_start(&w->poll, events, https_sockets_on_poll);
    return 0;
}

static void https_sockets_on_timer(uv_timer_t *timer)
{
    struct https_sockets *s = timer->data;
    int running;
    curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(s);
}

static int https_sockets_set_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct https_sockets *s = arg;
    if (ms < 0)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, https_sockets_on_timer, (uint64_t)ms, 0);
    return 0;
}

struct https_sockets *https_sockets_new(uv_loop_t *loop, void (*done)(void *easy, int code))
{
    CURLM *multi = curl_multi_init();
    if (!multi)
        return NULL;
    struct https_sockets *s = mem_new(sizeof *s);
    s->done = done;
    s->multi = multi;
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, https_sockets_on_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, https_sockets_set_timer);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    return s;
}

void https_sockets_add(struct https_sockets *s, void *easy)
{
    curl_multi_add_handle(s->multi, easy);
}

void https_sockets_remove(struct https_sockets *s, void *easy)
{
    curl_multi_remove_handle(s->multi, easy);
}

static void https_sockets_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void https_sockets_close(struct https_sockets *s)
{
    if (!s)
        return;
    curl_multi_cleanup(s->multi);
    uv_close((uv_handle_t *)&s->timer, https_sockets_timer_closed);
}
