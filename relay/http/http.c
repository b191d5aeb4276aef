// SPDX-License-Identifier: ISC
// Connections of the status pages (RFC 9112). Never looks into a page: it finds the one that a request names and
// sends what that answers. No byte of a request goes back to the client or into the log.
#include "relay/http/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/net/accept.h"

#define READ_ROOM HTTP_REQUEST_MAX

// READING until the head is whole, ASKED while a page thinks, WRITING, LINGERING until the client has closed
// too (a close before that would reset what it has not read yet), CLOSED: the handles are going or gone.
enum call_state { CALL_READING, CALL_ASKED, CALL_WRITING, CALL_LINGERING, CALL_CLOSED };

struct http {
    struct http_options o;
    struct acceptor *acceptor;
    struct list calls; // the oldest first
    size_t ncalls;     // until they are freed: one that a page still holds counts
    bool waiting;      // the next connection waits for room
    bool closing, closed;
};

struct http_call {
    struct list list;
    struct http *http;
    enum call_state state;
    uv_tcp_t tcp;
    uv_timer_t deadline;
    unsigned handles; // not yet closed
    bool held;        // by a page, whatever has become of the connection
    bool head;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct buf in, header, content;
};

static void free_when_done(struct http *http)
{
    if (http->closed && http->ncalls == 0)
        free(http);
}

static void call_free(struct http_call *call)
{
    struct http *http = call->http;
    if (call->handles || call->held)
        return;
    list_remove(&call->list);
    buf_free(&call->in);
    buf_free(&call->header);
    buf_free(&call->content);
    free(call);
    http->ncalls--;
    if (http->waiting && !http->closing) {
        http->waiting = false;
        acceptor_resume(http->acceptor);
    }
    free_when_done(http);
}

static void http_handle_closed(uv_handle_t *handle)
{
    struct http_call *call = handle->data;
    call->handles--;
    call_free(call);
}

static void go(struct http_call *call, enum call_state state)
{
    assert(call->state != CALL_CLOSED);
    call->state = state;
    if (state == CALL_ASKED || state == CALL_WRITING)
        uv_read_stop((uv_stream_t *)&call->tcp);
    if (state == CALL_CLOSED) {
        uv_close((uv_handle_t *)&call->tcp, http_handle_closed);
        uv_close((uv_handle_t *)&call->deadline, http_handle_closed);
    }
}

static void hang_up(struct http_call *call)
{
    if (call->state != CALL_CLOSED)
        go(call, CALL_CLOSED);
}

static void http_too_late(uv_timer_t *timer)
{
    hang_up(timer->data);
}

// ---- answering

static const char *status_words(int status)
{
    switch (status) {
    case 200:
        return "200 OK";
    case 400:
        return "400 Bad Request";
    case 404:
        return "404 Not Found";
    case 405:
        return "405 Method Not Allowed";
    case 421:
        return "421 Misdirected Request"; // RFC 9110 section 15.5.20
    case 503:
        return "503 Service Unavailable";
    default:
        return "500 Internal Server Error";
    }
}

static void http_give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room);
static void http_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room);

static void http_shut(uv_shutdown_t *shutdown, int status)
{
    struct http_call *call = shutdown->data;
    if (call->state == CALL_CLOSED)
        return;
    go(call, CALL_LINGERING);
    if (status < 0 || uv_read_start((uv_stream_t *)&call->tcp, http_give_room, http_on_read) < 0)
        hang_up(call);
}

static void http_written(uv_write_t *write, int status)
{
    struct http_call *call = write->data;
    if (call->state == CALL_CLOSED)
        return;
    call->shutdown.data = call;
    if (status < 0 || uv_shutdown(&call->shutdown, (uv_stream_t *)&call->tcp, http_shut) < 0)
        hang_up(call);
}

// The page is of today and of nobody else's making: not kept, not framed, no script runs in it.
static void build_header(struct http_call *call, int status, const char *type)
{
    buf_addf(&call->header, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
             status_words(status), type, call->content.len);
    if (status == HTTP_METHOD)
        buf_adds(&call->header, "Allow: GET, HEAD\r\n");
    buf_adds(&call->header, "Connection: close\r\n"
                            "Cache-Control: no-store\r\n"
                            "Content-Security-Policy: default-src 'none'; "
                            "style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
                            "Referrer-Policy: no-referrer\r\n"
                            "X-Content-Type-Options: nosniff\r\n\r\n");
}

void http_answer(struct http_call *call, int status, const char *type, struct buf *content)
{
    call->held = false;
    if (call->state == CALL_CLOSED) {
        buf_free(content);
        call_free(call);
        return;
    }
    buf_move(&call->content, content);
    build_header(call, status, type);
    uv_buf_t out[2] = {uv_buf_init((char *)call->header.data, (unsigned)call->header.len),
                       uv_buf_init((char *)call->content.data, (unsigned)call->content.len)};
    unsigned pieces = call->head || call->content.len == 0 ? 1 : 2;
    go(call, CALL_WRITING);
    call->write.data = call;
    if (uv_write(&call->write, (uv_stream_t *)&call->tcp, out, pieces, http_written) < 0)
        hang_up(call);
}

void http_answer_line(struct http_call *call, int status, const char *line)
{
    struct buf content;
    buf_init(&content, HTTP_CONTENT_MAX);
    buf_addf(&content, "%s\n", line);
    http_answer(call, status, "text/plain; charset=utf-8", &content);
}

// ---- asking

static void serve(struct http_call *call, const struct http_request *request)
{
    const struct http *http = call->http;
    call->head = request->head;
    const struct http_page *page = http->o.pages;
    while (page->path && !span_is(request->path, page->path))
        page++;
    bool any = !http->o.is_ours || (page->path && page->any_host);
    if (!any && request->host.n && !http->o.is_ours(http->o.relay, request->host))
        http_answer_line(
            call, 421, "this is no name of this relay; http_names in its configuration adds some");
    else if (page->path)
        page->run(call, http->o.relay);
    else
        http_answer_line(call, 404, "there is no such page");
}

static void http_look(struct http_call *call)
{
    struct http_request request;
    enum http_verdict verdict = http_request_parse(buf_span(&call->in), &request);
    if (verdict == HTTP_INCOMPLETE)
        return;
    go(call, CALL_ASKED);
    call->held = true;
    if (verdict == HTTP_OK)
        serve(call, &request);
    else
        http_answer_line(call, (int)verdict,
                         verdict == HTTP_METHOD ? "GET and HEAD are all there is"
                                                : "this is no request that is served here");
}

static void http_give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    struct http_call *call = handle->data;
    unsigned char *at;
    if (call->state == CALL_LINGERING)
        buf_reset(&call->in); // what comes now is thrown away
    *room = uv_buf_init(NULL, 0);
    size_t n = READ_ROOM - call->in.len;
    if (buf_reserve(&call->in, n, &at) == 0)
        *room = uv_buf_init((char *)at, (unsigned)n);
}

static void http_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    (void)room;
    struct http_call *call = stream->data;
    if (n < 0) {
        hang_up(call);
    } else if (n > 0 && call->state == CALL_READING) {
        call->in.len += (size_t)n;
        http_look(call);
    }
}

// ---- connections

static void take_connection(struct http *http, int fd)
{
    struct http_call *call = mem_new(sizeof *call);
    call->http = http;
    list_init(&call->list);
    buf_init(&call->in, READ_ROOM);
    buf_init(&call->header, HTTP_REQUEST_MAX);
    buf_init(&call->content, HTTP_CONTENT_MAX);
    uv_tcp_init(http->o.loop, &call->tcp);
    uv_timer_init(http->o.loop, &call->deadline);
    call->tcp.data = call->deadline.data = call;
    call->handles = 2;
    list_append(&http->calls, &call->list);
    http->ncalls++;
    uint64_t ms = http->o.deadline_ms ? http->o.deadline_ms : HTTP_DEADLINE_MS;
    int rc = uv_tcp_open(&call->tcp, fd);
    if (rc < 0)
        close(fd);
    if (rc < 0 || uv_timer_start(&call->deadline, http_too_late, ms, 0) < 0 ||
        uv_read_start((uv_stream_t *)&call->tcp, http_give_room, http_on_read) < 0)
        hang_up(call);
}

static bool drop_oldest(struct http *http, enum call_state one, enum call_state other)
{
    list_each (it, &http->calls) {
        struct http_call *call = list_of(it, struct http_call, list);
        if (call->state == one || call->state == other) {
            hang_up(call);
            return true;
        }
    }
    return false;
}

// Whoever has said nothing for longest, or has been answered and stays, makes room, then whoever reads slowly:
// idle connections keep nobody from asking.
static void make_room(struct http *http)
{
    if (!drop_oldest(http, CALL_READING, CALL_LINGERING))
        drop_oldest(http, CALL_WRITING, CALL_WRITING);
}

static void http_on_client(void *arg, int fd)
{
    struct http *http = arg;
    if (http->ncalls + 1 >= HTTP_CONNECTIONS)
        make_room(http);
    take_connection(http, fd);
    if (http->ncalls < HTTP_CONNECTIONS)
        return;
    http->waiting = true; // until one is freed, which a closed one is in this turn of the loop
    acceptor_hold(http->acceptor);
}

static void http_on_closed(void *arg)
{
    struct http *http = arg;
    http->closed = true;
    free_when_done(http);
}

struct http *http_open(const struct http_options *options, struct why *why)
{
    struct http *http = mem_new(sizeof *http);
    http->o = *options;
    list_init(&http->calls);
    const struct acceptor_options acceptor = {.name = "http",
                                              .insist = true,
                                              .client = http_on_client,
                                              .closed = http_on_closed,
                                              .arg = http};
    http->acceptor = acceptor_open(options->loop, options->fd, &acceptor, why);
    if (http->acceptor)
        return http;
    free(http);
    return NULL;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    http->closing = true;
    list_each_safe (it, &http->calls)
        hang_up(list_of(it, struct http_call, list));
    acceptor_close(http->acceptor);
}
