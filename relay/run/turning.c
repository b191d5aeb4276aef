// SPDX-License-Identifier: ISC
// The half-hourly step of keys that turn.
#include "relay/run/turning.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/buf.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/rotate/step.h"
#include "relay/rotate/store.h"

#define FIRST_MS 1000
#define STEP_MS  1800000
#define ALARM_MS 86400000
#define SAID_MAX 65536 // of what the step says, unread
#define PIPES    2     // its standard output and error

struct turning {
    const char *file;
    struct setup *setup;
    uv_timer_t timer;
    uv_process_t child;
    uv_pipe_t pipes[PIPES];
    struct buf said[PIPES];
    char room[4096];
    unsigned open; // handles of the step under way
    bool closing;
};

static bool begins_with(struct span line, const char *word)
{
    size_t n = strlen(word);
    return line.n >= n && memcmp(line.p, word, n) == 0;
}

static void tell_line(const char *text, bool wrong)
{
    static const char *const done[] = {"made ", "active ", "retired ", "removed ", "add "};
    struct span line = span_text(text);
    if (wrong && begins_with(line, "waxwing key: "))
        log_alarm_once("dkim", REASON_KEY_STEP, text, ALARM_MS, "%s",
                       text + strlen("waxwing key: "));
    else if (wrong)
        log_event("key", "%s", text);
    else if (begins_with(line, "publish ") || begins_with(line, "remove "))
        log_alarm_once("dkim", REASON_KEY_STEP, text, ALARM_MS, "a record is to be changed: %s",
                       text);
    for (size_t i = 0; !wrong && i < sizeof done / sizeof *done; i++)
        // "active NAME since" is how things stand, "active NAME: signs" is news.
        if (begins_with(line, done[i]) && !strstr(text, " since "))
            log_event("key", "%s", text);
}

static void tell_lines(struct turning *t, size_t i)
{
    struct span rest = buf_span(&t->said[i]), line;
    while (span_cut(rest, '\n', &line, &rest)) {
        char *text = span_dup(line);
        tell_line(text, i == 1);
        free(text);
    }
    buf_drop(&t->said[i], t->said[i].len - rest.n);
}

static void turning_free(struct turning *t)
{
    setup_unref(t->setup);
    for (size_t i = 0; i < PIPES; i++)
        buf_free(&t->said[i]);
    free(t);
}

static void turning_on_timer_closed(uv_handle_t *handle)
{
    struct turning *t = handle->data;
    if (t->open == 0)
        turning_free(t);
    else
        t->timer.data = NULL;
}

static void turning_on_closed(uv_handle_t *handle)
{
    struct turning *t = handle->data;
    if (--t->open == 0 && !t->timer.data)
        turning_free(t);
}

static void turning_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
    struct turning *t = stream->data;
    size_t i = stream == (uv_stream_t *)&t->pipes[1];
    if (n > 0) {
        if (buf_add(&t->said[i], data->base, (size_t)n) < 0)
            buf_reset(&t->said[i]);
        tell_lines(t, i);
    } else if (n < 0) {
        uv_close((uv_handle_t *)stream, turning_on_closed);
    }
}

static void turning_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct turning *t = handle->data;
    *out = uv_buf_init(t->room, sizeof t->room);
}

static void turning_on_exit(uv_process_t *child, int64_t status, int signum)
{
    struct turning *t = child->data;
    if (signum && !t->closing)
        log_alarm("dkim", REASON_KEY_STEP, "the step of keys that turn was ended by signal %d",
                  signum);
    (void)status; // what is behind it was told in words
    uv_close((uv_handle_t *)child, turning_on_closed);
}

// Keys turn by their age, or because somebody began a turn, which is then gone on with.
static bool is_wanted(const struct turning *t)
{
    const struct config *c = t->setup->config;
    bool wanted = false;
    for (size_t i = 0; i < c->ndkim && !wanted; i++) {
        char *folder = step_folder(&c->dkim[i]);
        char *file = folder ? mem_printf("%s/%s", folder, STORE_FILE) : NULL;
        wanted = folder && (c->signing.rotate_every || access(file, F_OK) == 0);
        free(file);
        free(folder);
    }
    return wanted;
}

static void tell_idle(const struct turning *t)
{
    struct logline line;
    if (!t->setup->config->signing.directory[0])
        return;
    log_begin(&line, LOG_DEBUG, "key", 0);
    log_text(&line, "text", "no key of dkim.directory is to turn");
    log_end(&line);
}

static void turning_on_timer(uv_timer_t *timer)
{
    struct turning *t = timer->data;
    if (t->open)
        return;
    if (!is_wanted(t)) {
        tell_idle(t);
        return;
    }
    char *args[] = {
        (char *)"waxwing", (char *)"-c", (char *)t->file, (char *)"key", (char *)"rotate",
        (char *)"--auto",  NULL};
    uv_stdio_container_t io[3] = {{.flags = UV_IGNORE}};
    for (size_t i = 0; i < PIPES; i++) {
        buf_reset(&t->said[i]);
        uv_pipe_init(timer->loop, &t->pipes[i], 0);
        t->pipes[i].data = t;
        io[i + 1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
        io[i + 1].data.stream = (uv_stream_t *)&t->pipes[i];
    }
    uv_process_options_t options = {.file = "/proc/self/exe", // as it was when it was started
                                    .args = args,
                                    .stdio = io,
                                    .stdio_count = 3,
                                    .flags = UV_PROCESS_DETACHED,
                                    .exit_cb = turning_on_exit};
    t->open = 1 + PIPES;
    t->child.data = t;
    int rc = uv_spawn(timer->loop, &t->child, &options);
    if (rc < 0) {
        log_alarm("dkim", REASON_KEY_STEP, "keys cannot turn: %s", uv_strerror(rc));
        uv_close((uv_handle_t *)&t->child, turning_on_closed);
    }
    for (size_t i = 0; i < PIPES; i++)
        if (rc < 0)
            uv_close((uv_handle_t *)&t->pipes[i], turning_on_closed);
        else
            uv_read_start((uv_stream_t *)&t->pipes[i], turning_room, turning_on_read);
}

struct turning *turning_open(uv_loop_t *loop, const char *file, struct setup *setup)
{
    struct turning *t = mem_new(sizeof *t);
    t->file = file;
    t->setup = setup_ref(setup);
    for (size_t i = 0; i < PIPES; i++)
        buf_init(&t->said[i], SAID_MAX);
    uv_timer_init(loop, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, turning_on_timer, FIRST_MS, STEP_MS);
    return t;
}

void turning_reload(struct turning *t, struct setup *setup)
{
    setup_unref(t->setup);
    t->setup = setup_ref(setup);
}

void turning_close(struct turning *t)
{
    if (!t)
        return;
    t->closing = true;
    if (t->open && uv_is_active((uv_handle_t *)&t->child))
        uv_kill(-t->child.pid, SIGKILL); // it may end at any moment; what it had begun is taken up
    for (size_t i = 0; t->open && i < PIPES; i++)
        if (!uv_is_closing((uv_handle_t *)&t->pipes[i]))
            uv_close((uv_handle_t *)&t->pipes[i], turning_on_closed);
    uv_close((uv_handle_t *)&t->timer, turning_on_timer_closed);
}
