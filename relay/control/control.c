// SPDX-License-Identifier: ISC
// The server side of the control socket.
#include "relay/control/control.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/net/accept.h"

struct control {
    struct relay *relay;
    uv_loop_t *loop;
    struct acceptor *acceptor;
    const struct control_verb *const *tables;
    struct list calls; // the oldest first
    size_t ncalls;     // connections that are not closed
    bool waiting;      // the next one waits for room
};

struct control_call {
    struct list list;
    struct relay *relay;
    uv_loop_t *loop;
    struct control *control; // NULL: the socket has been closed, the answer goes nowhere
    control_local_fn *local; // a page's call: no client, the answer goes here
    void *local_arg;
    json_t *rows;           // its pieces, read
    struct item piece_kept; // asks for the next one
    uv_pipe_t pipe;
    uv_timer_t deadline;
    unsigned handles;   // not yet closed
    size_t unsent;      // bytes of the answer when the deadline was last looked at
    uint64_t opened_ms; // clock_mono_ms()
    struct buf in;
    uv_write_t write;
    char *answer;
    struct buf piece; // of a long answer, being written
    control_next *next;
    void *next_arg;
    bool asked;  // the verb has it
    bool closed; // the client is gone; freed when the verb answers
};

static void make_way(struct control *control)
{
    control->ncalls--;
    if (!control->waiting)
        return;
    control->waiting = false;
    acceptor_resume(control->acceptor);
}

static void control_call_gone(uv_handle_t *handle)
{
    struct control_call *call = handle->data;
    if (--call->handles)
        return;
    call->closed = true;
    if (call->control)
        make_way(call->control);
    list_remove(&call->list); // harmless where the socket was closed before
    buf_free(&call->in);
    buf_free(&call->piece);
    free(call->answer);
    call->answer = NULL;
    if (!call->asked)
        free(call);
}

static void hang_up(struct control_call *call)
{
    if (uv_is_closing((uv_handle_t *)&call->pipe))
        return;
    uv_close((uv_handle_t *)&call->pipe, control_call_gone);
    uv_close((uv_handle_t *)&call->deadline, control_call_gone);
}

// A request is to come in its time, and of an answer something has to leave in each such time; while the verb
// works there is none.
static void control_on_deadline(uv_timer_t *timer)
{
    struct control_call *call = timer->data;
    size_t unsent = uv_stream_get_write_queue_size((uv_stream_t *)&call->pipe);
    if (unsent && unsent < call->unsent)
        call->unsent = unsent;
    else
        hang_up(call);
}

static void set_deadline(struct control_call *call, uint64_t ms)
{
    call->unsent = SIZE_MAX;
    uv_timer_start(&call->deadline, control_on_deadline, ms, ms);
}

static void control_answered(uv_write_t *write, int status)
{
    (void)status;
    hang_up(write->data);
}

static void answer_locally(struct control_call *call, int exit, json_t *answer)
{
    if (call->rows)
        json_object_set(answer, "rows", call->rows);
    call->local(exit, answer, call->local_arg);
    json_decref(call->rows);
    json_decref(answer);
    free(call);
}

void control_answer(struct control_call *call, int exit, json_t *answer)
{
    call->asked = false;
    if (call->local) {
        answer_locally(call, exit, answer);
        return;
    }
    if (call->closed) {
        json_decref(answer);
        free(call);
        return;
    }
    json_object_set_new(answer, "exit", json_integer(exit));
    call->answer = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    if (!call->answer || uv_is_closing((uv_handle_t *)&call->pipe)) {
        hang_up(call);
        return;
    }
    uv_buf_t out = uv_buf_init(call->answer, (unsigned)strlen(call->answer));
    call->write.data = call;
    if (uv_write(&call->write, (uv_stream_t *)&call->pipe, &out, 1, control_answered) < 0)
        hang_up(call);
    else
        set_deadline(call, CONTROL_DEADLINE_MS);
}

void control_error(struct control_call *call, int exit, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *answer = json_object();
    json_object_set_new(answer, "error", json_string(text));
    control_answer(call, exit, answer);
}

static void control_piece_written(uv_write_t *write, int status)
{
    struct control_call *call = write->data;
    buf_free(&call->piece);
    if (status < 0)
        hang_up(call);
    else
        uv_timer_stop(&call->deadline);
    call->next(call->next_arg);
}

static void control_on_kept(struct item *item)
{
    struct control_call *call = list_of(item, struct control_call, piece_kept);
    call->next(call->next_arg);
}

// A page shows the beginning of a long answer. True: there is room for more.
static bool keep_rows(struct control_call *call, struct buf *piece)
{
    struct span rest = buf_span(piece), line;
    if (!call->rows)
        call->rows = json_array();
    while (rest.n && span_cut(rest, '\n', &line, &rest))
        json_array_append_new(call->rows, json_loadb((const char *)line.p, line.n, 0, NULL));
    buf_free(piece);
    return json_array_size(call->rows) < CONTROL_LOCAL_ROWS;
}

bool control_piece(struct control_call *call, struct buf *piece, control_next *next, void *arg)
{
    if (call->local) {
        call->next = next;
        call->next_arg = arg;
        bool more = keep_rows(call, piece);
        if (more)
            inbox_post(control_mail(call), &call->piece_kept);
        return more;
    }
    if (call->closed || uv_is_closing((uv_handle_t *)&call->pipe)) {
        buf_free(piece);
        return false;
    }
    buf_move(&call->piece, piece);
    call->next = next;
    call->next_arg = arg;
    call->write.data = call;
    uv_buf_t out = uv_buf_init((char *)call->piece.data, (unsigned)call->piece.len);
    if (uv_write(&call->write, (uv_stream_t *)&call->pipe, &out, 1, control_piece_written) == 0) {
        set_deadline(call, CONTROL_READER_MS);
        return true;
    }
    hang_up(call);
    return false;
}

static int peer_of(struct control_call *call, struct ucred *peer)
{
    socklen_t n = sizeof *peer;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&call->pipe, &fd) < 0)
        return -1;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &n);
}

void control_by(struct control_call *call, char *out, size_t size)
{
    struct ucred peer;
    struct passwd user, *found = NULL;
    char room[4096];
    if (call->local || call->closed || peer_of(call, &peer) < 0) {
        snprintf(out, size, "unknown");
        return;
    }
    if (getpwuid_r(peer.uid, &user, room, sizeof room, &found) == 0 && found)
        snprintf(out, size, "%s", found->pw_name);
    else
        snprintf(out, size, "uid %u", (unsigned)peer.uid);
}

struct inbox *control_mail(struct control_call *call)
{
    return call->relay->mail;
}

uv_loop_t *control_loop(struct control_call *call)
{
    return call->loop;
}

static const struct control_verb *find_verb(const struct control *control, const char *name)
{
    for (const struct control_verb *const *table = control->tables; *table; table++)
        for (const struct control_verb *v = *table; v->name; v++)
            if (strcmp(v->name, name) == 0)
                return v;
    return NULL;
}

// Root, or the user that the relay runs as.
static bool may_change(struct control_call *call)
{
    struct ucred peer;
    if (peer_of(call, &peer) < 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

static void dispatch(struct control_call *call)
{
    call->asked = true;
    uv_timer_stop(&call->deadline);
    uv_read_stop((uv_stream_t *)&call->pipe);
    json_error_t error;
    json_t *request = json_loadb((char *)call->in.data, call->in.len,
                                 JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    const char *name = json_string_value(json_object_get(request, "verb"));
    const struct control_verb *verb = name ? find_verb(call->control, name) : NULL;
    if (!verb)
        control_error(call, EXIT_USAGE, "the relay knows no verb '%s'", name ? name : "");
    else if (verb->changes && !may_change(call))
        control_error(call, EXIT_NO, "'%s' needs root or the relay's own user", verb->name);
    else
        verb->run(call, call->control->relay, request);
    json_decref(request);
}

void control_local(struct control *control, json_t *request, control_local_fn *fn, void *arg)
{
    struct control_call *call = mem_new(sizeof *call);
    const char *name = json_string_value(json_object_get(request, "verb"));
    const struct control_verb *verb = find_verb(control, name);
    call->relay = control->relay;
    call->loop = control->loop;
    call->local = fn;
    call->local_arg = arg;
    call->piece_kept.run = control_on_kept;
    if (verb && !verb->changes)
        verb->run(call, control->relay, request);
    else
        control_error(call, EXIT_USAGE, "'%s' is no verb for a page", name);
    json_decref(request);
}

static void control_give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    struct control_call *call = handle->data;
    unsigned char *at;
    if (buf_reserve(&call->in, 16384, &at) < 0)
        *room = uv_buf_init(NULL, 0);
    else
        *room = uv_buf_init((char *)at, 16384);
}

static void control_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    (void)room;
    struct control_call *call = stream->data;
    if (n < 0) {
        hang_up(call);
        return;
    }
    bool whole = n > 0 && memchr(call->in.data + call->in.len, '\n', (size_t)n);
    call->in.len += (size_t)n;
    if (whole)
        dispatch(call);
}

static void take_connection(struct control *control, int fd)
{
    struct control_call *call = mem_new(sizeof *call);
    call->control = control;
    call->relay = control->relay;
    call->loop = control->loop;
    call->opened_ms = clock_mono_ms();
    list_init(&call->list);
    buf_init(&call->in, CONTROL_REQUEST_MAX);
    buf_init(&call->piece, CONTROL_ANSWER_MAX);
    uv_pipe_init(control->loop, &call->pipe, 0);
    uv_timer_init(control->loop, &call->deadline);
    call->pipe.data = call->deadline.data = call;
    call->handles = 2;
    list_append(&control->calls, &call->list);
    control->ncalls++;
    set_deadline(call, CONTROL_DEADLINE_MS);
    int rc = uv_pipe_open(&call->pipe, fd);
    if (rc < 0)
        close(fd);
    else if (may_change(call))
        call->in.max = CONTROL_OWNER_MAX;
    if (rc < 0 || uv_read_start((uv_stream_t *)&call->pipe, control_give_room, control_on_read) < 0)
        hang_up(call);
}

// The oldest call that has asked nothing, or that does not read the pieces of its answer.
static struct control_call *oldest(struct control *control, bool reader)
{
    list_each (it, &control->calls) {
        struct control_call *call = list_of(it, struct control_call, list);
        bool waits = reader ? call->piece.len > 0 : !call->asked && !call->answer;
        if (waits && !uv_is_closing((uv_handle_t *)&call->pipe))
            return call;
    }
    return NULL;
}

// Whoever has asked nothing for longest makes room for the next, then whoever reads too slowly.
static void hang_up_if(struct control_call *call)
{
    if (call)
        hang_up(call);
}

static struct control_call *makes_room(struct control *control)
{
    struct control_call *call = oldest(control, false);
    return call ? call : oldest(control, true);
}

// Descriptors are short.
static bool control_make_room(void *arg)
{
    struct control_call *call = makes_room(arg);
    if (!call || clock_mono_ms() - call->opened_ms < ACCEPT_QUIET_MS)
        return false;
    hang_up(call);
    return true;
}

static void control_on_client(void *arg, int fd)
{
    struct control *control = arg;
    if (control->ncalls + 1 >= CONTROL_CALLS)
        hang_up_if(makes_room(control));
    take_connection(control, fd);
    if (control->ncalls < CONTROL_CALLS)
        return;
    control->waiting = true;
    acceptor_hold(control->acceptor);
}

static void control_on_closed(void *arg)
{
    free(arg);
}

struct control *control_open(struct relay *relay, uv_loop_t *loop, int fd,
                             const struct control_verb *const *tables, struct why *why)
{
    struct control *control = mem_new(sizeof *control);
    control->relay = relay;
    control->loop = loop;
    control->tables = tables;
    list_init(&control->calls);
    const struct acceptor_options options = {.name = "the control socket",
                                             .insist = true,
                                             .make_room = control_make_room,
                                             .client = control_on_client,
                                             .closed = control_on_closed,
                                             .arg = control};
    control->acceptor = acceptor_open(loop, fd, &options, why);
    if (control->acceptor)
        return control;
    free(control);
    return NULL;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    list_each_safe (it, &control->calls) {
        struct control_call *call = list_of(it, struct control_call, list);
        list_remove(it); // the list may be gone before they are
        call->control = NULL;
        hang_up(call);
    }
    acceptor_close(control->acceptor);
}
