// SPDX-License-Identifier: ISC
// The secret of a login. No line of it reaches a log, and nothing of it stays in memory.
#include "relay/deliver/secret.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/span.h"

struct secret_command {
    secret_fn *fn; // NULL: told, or nobody waits any more
    void *arg;
    uv_process_t process;
    uv_pipe_t pipe;
    uv_timer_t timer;
    unsigned open; // handles not yet closed
    bool exited, ended;
    char bytes[SECRET_MAX];
    size_t n;
};

static void secret_closed(uv_handle_t *handle)
{
    struct secret_command *t = handle->data;
    if (--t->open > 0)
        return;
    explicit_bzero(t->bytes, sizeof t->bytes);
    free(t);
}

// A command that still runs is killed; its handle stays until it was seen to end, or it would be a zombie.
static void close_all(struct secret_command *t)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&t->pipe, (uv_handle_t *)&t->timer,
                              (uv_handle_t *)&t->process};
    bool runs = uv_is_active(handles[2]) && !t->exited;
    if (runs)
        uv_kill(-t->process.pid, SIGKILL); // with what the shell started
    for (size_t i = 0; i < (runs ? 2 : 3); i++)
        if (!uv_is_closing(handles[i]))
            uv_close(handles[i], secret_closed);
}

static void over(struct secret_command *t, bool in_time)
{
    secret_fn *fn = t->fn;
    if (!fn || (in_time && (!t->exited || !t->ended)))
        return;
    t->fn = NULL;
    bool whole = t->n < sizeof t->bytes; // part of a token is none
    char *secret = t->n && whole ? secret_of(t->bytes, t->n) : NULL;
    void *arg = t->arg;
    close_all(t);
    if (secret && secret[0]) {
        fn(secret, NULL, arg);
        return;
    }
    free(secret);
    struct why why;
    why_say(&why, TOKEN_COMMAND,
            !in_time ? "did not end in time"
            : whole  ? "gave no token"
                     : "gave more than a token can be (64 KiB)");
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

static void secret_on_exit(uv_process_t *process, int64_t status, int signal)
{
    struct secret_command *t = process->data;
    t->exited = true;
    if (status || signal)
        t->n = 0;
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
    t->process.data = t->pipe.data = t->timer.data = t;
    t->open = 3;
    uv_pipe_init(loop, &t->pipe, 0);
    uv_timer_init(loop, &t->timer);
    char *args[] = {(char *)"/bin/sh", (char *)"-c", command, NULL};
    uv_stdio_container_t io[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&t->pipe},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
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
