// SPDX-License-Identifier: ISC
// The secret of a login. No line of it reaches a log, and nothing of it stays in memory.
#include "relay/deliver/secret.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/said.h"
#include "relay/base/span.h"

struct secret_command {
    secret_fn *fn; // NULL: told, or nobody waits any more
    void *arg;
    uv_process_t process;
    uv_pipe_t pipe, says; // standard output and error
    uv_timer_t timer;
    unsigned open; // handles not yet closed
    bool exited, ended, failed, loud;
    struct said said;
    char piece[4096]; // of what it says
    char bytes[SECRET_MAX];
    size_t n;
};

static void secret_closed(uv_handle_t *handle)
{
    struct secret_command *t = handle->data;
    if (--t->open > 0)
        return;
    explicit_bzero(t, sizeof *t);
    free(t);
}

// A command that still runs is killed; its handle stays until it was seen to end, or it would be a zombie.
static void close_all(struct secret_command *t)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&t->pipe, (uv_handle_t *)&t->says,
                              (uv_handle_t *)&t->timer, (uv_handle_t *)&t->process};
    bool runs = uv_is_active(handles[3]) && !t->exited;
    if (runs)
        uv_kill(-t->process.pid, SIGKILL); // with what the shell started
    for (size_t i = 0; i < (runs ? 3 : 4); i++)
        if (!uv_is_closing(handles[i]))
            uv_close(handles[i], secret_closed);
}

// What is there to read when it has ended; a child of its own may keep the pipe open.
static void hear_rest(struct secret_command *t)
{
    uv_os_fd_t fd;
    ssize_t n = 1;
    while (n > 0 && !t->loud && uv_fileno((uv_handle_t *)&t->says, &fd) == 0) {
        n = read(fd, t->piece, sizeof t->piece);
        t->loud = n > 0 && !said_add(&t->said, span_of(t->piece, (size_t)n));
    }
}

static void secret_why(struct secret_command *t, bool in_time, struct why *why)
{
    char line[SAID_LINE + 1], text[SAID_LINE + 80];
    struct span first = span_of(t->bytes, t->n), rest;
    span_cut(first, '\n', &first, &rest);
    hear_rest(t);
    said_line(&t->said, span_trim(first), line);
    snprintf(text, sizeof text, "%s%s%s",
             t->loud                   ? "said too much (64 KiB)"
             : !in_time                ? "did not end in time"
             : t->n >= sizeof t->bytes ? "gave more than a token can be (64 KiB)"
                                       : "gave no token",
             line[0] ? ": " : "", line);
    why_say(why, TOKEN_COMMAND, text);
}

static void over(struct secret_command *t, bool in_time)
{
    secret_fn *fn = t->fn;
    if (!fn || (in_time && (!t->exited || !t->ended)))
        return;
    t->fn = NULL;
    bool whole = t->n < sizeof t->bytes; // part of a token is none
    char *secret = t->n && whole && !t->failed ? secret_of(t->bytes, t->n) : NULL;
    void *arg = t->arg;
    struct why why;
    if (!secret || !secret[0])
        secret_why(t, in_time, &why);
    close_all(t);
    if (secret && secret[0]) {
        fn(secret, NULL, arg);
        return;
    }
    free(secret);
    fn(NULL, &why, arg);
}

static void secret_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct secret_command *t = handle->data;
    *out = uv_buf_init(t->bytes + t->n, (unsigned)(sizeof t->bytes - t->n));
}

static void secret_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct secret_command *t = stream->data;
    if (n > 0) {
        t->n += (size_t)n;
        return;
    }
    if (n == 0)
        return;
    uv_read_stop(stream);
    t->ended = true;
    over(t, true);
}

static void secret_says_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct secret_command *t = handle->data;
    *out = uv_buf_init(t->piece, sizeof t->piece);
}

static void secret_says(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct secret_command *t = stream->data;
    t->loud = n > 0 && !said_add(&t->said, span_of(buf->base, (size_t)n));
    if (n < 0 || t->loud)
        uv_read_stop(stream);
    if (t->loud && !t->exited)
        uv_kill(-t->process.pid, SIGKILL);
}

static void secret_on_exit(uv_process_t *process, int64_t status, int signal)
{
    struct secret_command *t = process->data;
    t->exited = true;
    t->failed = status || signal;
    if (t->fn)
        over(t, true);
    else
        close_all(t);
}

static void secret_late(uv_timer_t *timer)
{
    over(timer->data, false);
}

struct secret_command *secret_command(uv_loop_t *loop, char *command, secret_fn *fn, void *arg,
                                      struct why *why)
{
    struct secret_command *t = mem_new(sizeof *t);
    t->process.data = t->pipe.data = t->says.data = t->timer.data = t;
    t->open = 4;
    uv_pipe_init(loop, &t->pipe, 0);
    uv_pipe_init(loop, &t->says, 0);
    uv_timer_init(loop, &t->timer);
    char *args[] = {(char *)"/bin/sh", (char *)"-c", command, NULL};
    uv_stdio_container_t io[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&t->pipe},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&t->says},
    };
    uv_process_options_t options = {.file = args[0],
                                    .args = args,
                                    .stdio = io,
                                    .stdio_count = 3,
                                    .flags = UV_PROCESS_DETACHED,
                                    .exit_cb = secret_on_exit};
    int rc = uv_spawn(loop, &t->process, &options);
    if (rc < 0) {
        close_all(t);
        why_say(why, TOKEN_COMMAND, uv_strerror(rc));
        return NULL;
    }
    t->fn = fn;
    t->arg = arg;
    uv_read_start((uv_stream_t *)&t->pipe, secret_room, secret_on_read);
    uv_read_start((uv_stream_t *)&t->says, secret_says_room, secret_says);
    uv_timer_start(&t->timer, secret_late, SECRET_WAIT_MS, 0);
    return t;
}

void secret_cancel(struct secret_command *t)
{
    if (!t)
        return;
    t->fn = NULL;
    close_all(t);
}
