// SPDX-License-Identifier: ISC
#include "relay/socketmap/server.h"

#include <stdlib.h>
#include <unistd.h>
#include "config/value.h"
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/net/accept.h"
#include "relay/net/listen.h"
#include "relay/route/routes.h"
#include "relay/socketmap/answer.h"
#include "relay/socketmap/request.h"

#define FRAME_MAX (SOCKETMAP_REQUEST_MAX + 8)

struct socketmap {
    struct relay *relay;
    uv_loop_t *loop;
    struct acceptor *acceptor;
    struct list asking; // connections
    size_t connections;
    bool closed; // the listener's handle is gone
};

struct asker {
    struct list list;
    struct socketmap *map;
    uv_tcp_t tcp;
    uv_timer_t idle;
    unsigned handles;   // not yet closed
    uint64_t opened_ms; // clock_mono_ms()
    struct buf in;
    struct route_request *request; // NULL: no question under way
    uv_write_t write;
    struct buf out; // being written while not empty
};

static void free_when_done(struct socketmap *map)
{
    if (map->closed && !map->connections)
        free(map);
}

static void server_asker_closed(uv_handle_t *handle)
{
    struct asker *a = handle->data;
    if (--a->handles > 0)
        return;
    struct socketmap *map = a->map;
    list_remove(&a->list);
    buf_free(&a->in);
    buf_free(&a->out);
    free(a);
    map->connections--;
    free_when_done(map);
}

static void hang_up(struct asker *a)
{
    route_cancel(a->request);
    a->request = NULL;
    if (uv_is_closing((uv_handle_t *)&a->tcp))
        return;
    uv_close((uv_handle_t *)&a->tcp, server_asker_closed);
    uv_close((uv_handle_t *)&a->idle, server_asker_closed);
}

static void server_too_idle(uv_timer_t *timer)
{
    hang_up(timer->data);
}

static void server_look(struct asker *a);

static void server_written(uv_write_t *write, int status)
{
    struct asker *a = write->data;
    buf_reset(&a->out);
    if (status < 0)
        hang_up(a);
    else
        server_look(a);
}

static void reply(struct asker *a, struct span text)
{
    socketmap_frame(text, &a->out);
    uv_buf_t bytes = uv_buf_init((char *)a->out.data, (unsigned)a->out.len);
    a->write.data = a;
    if (uv_write(&a->write, (uv_stream_t *)&a->tcp, &bytes, 1, server_written) < 0)
        hang_up(a);
}

static void server_routed(struct route *route, void *arg)
{
    struct asker *a = arg;
    struct buf text;
    a->request = NULL;
    buf_init(&text, SOCKETMAP_REPLY_MAX);
    socketmap_answer(route, &text);
    // A list of names that is too long is cut nowhere: without it the answer would promise less.
    reply(a, text.full ? span_text("TEMP the policy names too many hosts") : buf_span(&text));
    buf_free(&text);
}

// The next question, when none is under way and no answer is being written.
static void server_look(struct asker *a)
{
    struct span key;
    size_t used;
    if (a->request || a->out.len || uv_is_closing((uv_handle_t *)&a->tcp))
        return;
    enum socketmap_state state = socketmap_request(buf_span(&a->in), &key, &used);
    if (state == SOCKETMAP_BAD)
        hang_up(a);
    if (state != SOCKETMAP_READY)
        return;
    uv_timer_again(&a->idle);
    list_remove(&a->list); // to the end: the first has been quiet for longest
    list_append(&a->map->asking, &a->list);
    char *domain = socketmap_domain(key);
    buf_drop(&a->in, used);
    if (domain)
        a->request = route_ask(a->map->relay->routes, a->map->relay->mail,
                               &(struct route_wish){.domain = domain}, server_routed, a);
    else
        reply(a, span_text("NOTFOUND "));
    free(domain);
}

static void server_give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    struct asker *a = handle->data;
    unsigned char *at;
    size_t n = FRAME_MAX - a->in.len;
    *room = uv_buf_init(NULL, 0); // full: who asks on without reading is closed
    if (n && buf_reserve(&a->in, n, &at) == 0)
        *room = uv_buf_init((char *)at, (unsigned)n);
}

static void server_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    (void)room;
    struct asker *a = stream->data;
    if (n < 0) {
        hang_up(a);
    } else if (n > 0) {
        a->in.len += (size_t)n;
        server_look(a);
    }
}

// Who has waited longest with no question under way goes: Postfix connects again, and somebody who only sits there
// must not keep it out.
// The one that waits longest without a question goes, where it is that old.
static bool end_quiet(struct socketmap *map, uint64_t ms)
{
    uint64_t now = clock_mono_ms();
    list_each (it, &map->asking) {
        struct asker *a = list_of(it, struct asker, list);
        bool quiet = !a->request && !a->out.len && now - a->opened_ms >= ms;
        if (quiet && !uv_is_closing((uv_handle_t *)&a->tcp)) {
            hang_up(a);
            return true;
        }
    }
    return false;
}

// Descriptors are short.
static bool server_make_room(void *arg)
{
    return end_quiet(arg, ACCEPT_QUIET_MS);
}

static void server_on_client(void *arg, int fd)
{
    struct socketmap *map = arg;
    if (map->connections >= SOCKETMAP_CONNECTIONS && !end_quiet(map, 0)) {
        close(fd);
        return;
    }
    struct asker *a = mem_new(sizeof *a);
    a->map = map;
    list_init(&a->list);
    buf_init(&a->in, FRAME_MAX);
    buf_init(&a->out, SOCKETMAP_REPLY_MAX + 8);
    uv_tcp_init(map->loop, &a->tcp);
    uv_timer_init(map->loop, &a->idle);
    a->tcp.data = a->idle.data = a;
    a->handles = 2;
    a->opened_ms = clock_mono_ms();
    list_append(&map->asking, &a->list);
    map->connections++;
    int rc = uv_tcp_open(&a->tcp, fd);
    if (rc < 0)
        close(fd);
    if (rc < 0 ||
        uv_timer_start(&a->idle, server_too_idle, SOCKETMAP_IDLE_MS, SOCKETMAP_IDLE_MS) < 0 ||
        uv_read_start((uv_stream_t *)&a->tcp, server_give_room, server_on_read) < 0)
        hang_up(a);
}

static void server_on_closed(void *arg)
{
    struct socketmap *map = arg;
    map->closed = true;
    free_when_done(map);
}

struct socketmap *socketmap_open(struct relay *relay, uv_loop_t *loop, const char *address,
                                 struct why *why)
{
    struct sockaddr_storage at;
    if (value_endpoint(span_text(address), PORT_REQUIRED, &at, why) < 0)
        return NULL;
    int fd = listen_tcp((const struct sockaddr *)&at, address, why);
    if (fd < 0)
        return NULL;
    struct socketmap *map = mem_new(sizeof *map);
    map->relay = relay;
    map->loop = loop;
    list_init(&map->asking);
    const struct acceptor_options options = {.name = "policy",
                                             .make_room = server_make_room,
                                             .client = server_on_client,
                                             .closed = server_on_closed,
                                             .arg = map};
    map->acceptor = acceptor_open(loop, fd, &options, why);
    if (map->acceptor)
        return map;
    free(map);
    return NULL;
}

void socketmap_close(struct socketmap *map)
{
    if (!map)
        return;
    list_each_safe (it, &map->asking)
        hang_up(list_of(it, struct asker, list));
    acceptor_close(map->acceptor);
}
