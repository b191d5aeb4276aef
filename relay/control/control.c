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
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"

struct control {
    struct relay *relay;
    uv_pipe_t listener;
    const struct control_verb *const *tables;
    struct list calls;
};

struct control_call {
    struct list list;
    struct control *control; // NULL: the socket has been closed, the answer goes nowhere
    uv_pipe_t pipe;
    struct buf in;
    uv_write_t write;
    char *answer;
    struct buf piece; // of a long answer, being written
    control_next *next;
    void *next_arg;
    bool asked;  // the verb has it
    bool closed; // the client is gone; freed when the verb answers
};

static void control_call_gone(uv_handle_t *handle)
{
    struct control_call *call = handle->data;
    call->closed = true;
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
    if (!uv_is_closing((uv_handle_t *)&call->pipe))
        uv_close((uv_handle_t *)&call->pipe, control_call_gone);
}

static void control_answered(uv_write_t *write, int status)
{
    (void)status;
    hang_up(write->data);
}

void control_answer(struct control_call *call, int exit, json_t *answer)
{
    call->asked = false;
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

static void piece_written(uv_write_t *write, int status)
{
    struct control_call *call = write->data;
    buf_free(&call->piece);
    if (status < 0)
        hang_up(call);
    call->next(call->next_arg);
}

bool control_piece(struct control_call *call, struct buf *piece, control_next *next, void *arg)
{
    if (call->closed || uv_is_closing((uv_handle_t *)&call->pipe)) {
        buf_free(piece);
        return false;
    }
    buf_move(&call->piece, piece);
    call->next = next;
    call->next_arg = arg;
    call->write.data = call;
    uv_buf_t out = uv_buf_init((char *)call->piece.data, (unsigned)call->piece.len);
    if (uv_write(&call->write, (uv_stream_t *)&call->pipe, &out, 1, piece_written) == 0)
        return true;
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
    if (call->closed || peer_of(call, &peer) < 0) {
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
    return call->control->relay->mail;
}

uv_loop_t *control_loop(struct control_call *call)
{
    return call->pipe.loop;
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

static void control_on_connection(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;
    if (status < 0)
        return;
    struct control_call *call = mem_new(sizeof *call);
    call->control = control;
    list_init(&call->list);
    buf_init(&call->in, CONTROL_REQUEST_MAX);
    buf_init(&call->piece, CONTROL_ANSWER_MAX);
    uv_pipe_init(listener->loop, &call->pipe, 0);
    call->pipe.data = call;
    list_append(&control->calls, &call->list);
    int rc = uv_accept(listener, (uv_stream_t *)&call->pipe);
    if (rc == 0 && may_change(call))
        call->in.max = CONTROL_OWNER_MAX;
    if (rc < 0 || uv_read_start((uv_stream_t *)&call->pipe, control_give_room, control_on_read) < 0)
        hang_up(call);
}

struct control *control_open(struct relay *relay, uv_loop_t *loop, int fd,
                             const struct control_verb *const *tables)
{
    struct control *control = mem_new(sizeof *control);
    control->relay = relay;
    control->tables = tables;
    list_init(&control->calls);
    uv_pipe_init(loop, &control->listener, 0);
    control->listener.data = control;
    if (uv_pipe_open(&control->listener, fd) < 0 ||
        uv_listen((uv_stream_t *)&control->listener, 64, control_on_connection) < 0) {
        fputs("waxwing: the control socket cannot be served\n", stderr);
        abort(); // bound a moment ago by ourselves
    }
    return control;
}

static void control_listener_gone(uv_handle_t *handle)
{
    free(handle->data);
}

void control_close(struct control *control)
{
    if (!control)
        return;
    list_each_safe (it, &control->calls) {
        list_remove(it); // the list may be gone before they are
        hang_up(list_of(it, struct control_call, list));
    }
    uv_close((uv_handle_t *)&control->listener, control_listener_gone);
}
