// SPDX-License-Identifier: ISC
// One run of the program. It is started in libuv's pool, since the start waits for the kernel; its end is read from a
// descriptor of its process, so that nothing waits for it.
#include "relay/login/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/base/said.h"

#define CLIENT  80      // bytes
#define TELL_MS 3600000 // between two alarms of a program

struct program {
    uv_work_t work; // first
    uv_poll_t poll, hear;
    uv_timer_t timer;
    unsigned open; // handles to be closed
    char **argv;
    char *input;
    char client[CLIENT];
    uint64_t timeout_ms;
    pid_t pid; // 0: not running
    int fd;    // of the process; -1
    int says;  // its standard error; -1
    int error; // errno of the start
    bool late, loud;
    struct said said;
    program_fn *fn; // NULL: nobody waits
    void *arg;
};

static void program_free(struct program *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->says >= 0)
        close(p->says);
    for (char **word = p->argv; *word; word++)
        free(*word);
    free(p->argv);
    if (p->input)
        explicit_bzero(p->input, strlen(p->input));
    free(p->input);
    free(p);
}

// ---- the start, in the pool

static void set_signals(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(attributes, &all); // the relay ignores some
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

static int program_spawn(struct program *p, int standard_input, int standard_error)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char client[CLIENT + 20];
    snprintf(client, sizeof client, "WAXWING_CLIENT=%s", p->client);
    char *environment[] = {
        (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        (char *)"LANG=C.UTF-8", client, NULL};
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    set_signals(&attributes);
    posix_spawn_file_actions_adddup2(&files, standard_input, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, standard_error, 2);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawn_file_actions_addchdir_np(&files, "/");
    int rc = posix_spawn(&p->pid, p->argv[0], &files, &attributes, p->argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

// Less than a pipe holds, so that this does not wait for the program; nor does it matter whether it reads.
static int program_feed(struct program *p, int says)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    size_t n = strlen(p->input);
    int rc = write(ends[1], p->input, n) == (ssize_t)n ? program_spawn(p, ends[0], says) : EIO;
    close(ends[0]);
    close(ends[1]);
    return rc;
}

static void program_start(uv_work_t *work)
{
    struct program *p = (struct program *)(void *)work;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        p->error = errno;
        return;
    }
    p->says = ends[0];
    fcntl(p->says, F_SETFL, O_NONBLOCK);
    p->error = program_feed(p, ends[1]);
    close(ends[1]);
    if (p->error) {
        p->pid = 0;
        return;
    }
    p->fd = pidfd_open(p->pid, 0);
    if (p->fd < 0)
        p->error = errno;
}

// ---- its end

static void program_closed(uv_handle_t *handle)
{
    struct program *p = handle->data;
    if (--p->open == 0)
        program_free(p);
}

static void program_stop(struct program *p)
{
    kill(-p->pid, SIGKILL); // its end comes by itself
}

// What it has said so far; who says too much is ended.
static void program_hear(struct program *p)
{
    char piece[4096];
    ssize_t n = 1;
    while (n > 0 && !p->loud) {
        n = read(p->says, piece, sizeof piece);
        if (n > 0)
            p->loud = !said_add(&p->said, span_of(piece, (size_t)n));
    }
    explicit_bzero(piece, sizeof piece);
    if (p->loud || n == 0 || errno != EAGAIN)
        uv_poll_stop(&p->hear);
    if (p->loud)
        program_stop(p);
}

static void program_says(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    program_hear(poll->data);
}

static void answer(struct program *p, enum login_result result, const char *reason)
{
    program_fn *fn = p->fn;
    p->fn = NULL;
    if (!fn)
        return;
    if (result == LOGIN_DEFERRED)
        log_alarm_once("login-backend", REASON_LOGIN_BACKEND, p->argv[0], TELL_MS, "%s", reason);
    fn(result, reason, p->arg);
}

static void program_how(const struct program *p, int status, char *out, size_t size)
{
    const char *name = p->argv[0];
    if (p->loud)
        snprintf(out, size, "%s said too much (%d KiB)", name, SAID_MOST / 1024);
    else if (p->late)
        snprintf(out, size, "%s did not end in time (%g s)", name, (double)p->timeout_ms / 1000);
    else if (WIFEXITED(status))
        snprintf(out, size, "%s cannot say: exit %d", name, WEXITSTATUS(status));
    else
        snprintf(out, size, "%s ended by signal %d", name, WTERMSIG(status));
}

static void judge(struct program *p, int status)
{
    char line[SAID_LINE + 1], how[300], reason[600];
    bool ended = !p->late && !p->loud && WIFEXITED(status);
    struct span name, password;
    span_cut(span_text(p->input), '\n', &name, &password);
    said_line(&p->said, span_slice(password, 0, password.n - 1), line);
    if (ended && WEXITSTATUS(status) == 0) {
        answer(p, LOGIN_OK, NULL);
    } else if (ended && WEXITSTATUS(status) == 1) {
        answer(p, LOGIN_FAILED, line[0] ? line : NULL);
    } else {
        program_how(p, status, how, sizeof how);
        snprintf(reason, sizeof reason, "%s%s%s", how, line[0] ? ": " : "", line);
        answer(p, LOGIN_DEFERRED, reason);
    }
}

static void program_ended(uv_poll_t *poll, int status, int events)
{
    struct program *p = poll->data;
    int code = 0;
    siginfo_t end = {0};
    (void)status;
    (void)events;
    if (waitid(P_PID, (id_t)p->pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == 0)
        return;
    program_stop(p); // what it may have left behind in its group, while the number is its own
    program_hear(p);
    pid_t ended = waitpid(p->pid, &code, WNOHANG);
    uv_close((uv_handle_t *)&p->poll, program_closed);
    uv_close((uv_handle_t *)&p->hear, program_closed);
    uv_close((uv_handle_t *)&p->timer, program_closed);
    judge(p, ended < 0 ? 0x7f00 : code);
}

static void program_late(uv_timer_t *timer)
{
    struct program *p = timer->data;
    p->late = true;
    program_stop(p);
}

static void program_watch(struct program *p, uv_loop_t *loop)
{
    uv_timer_init(loop, &p->timer);
    uv_poll_init(loop, &p->poll, p->fd);
    uv_poll_init(loop, &p->hear, p->says);
    p->open = 3;
    p->timer.data = p->poll.data = p->hear.data = p;
    uv_poll_start(&p->poll, UV_READABLE, program_ended);
    uv_poll_start(&p->hear, UV_READABLE, program_says);
    uv_timer_start(&p->timer, program_late, p->fn ? p->timeout_ms : 0, 0);
}

static void program_started(uv_work_t *work, int status)
{
    struct program *p = (struct program *)(void *)work;
    char reason[400];
    if (status == 0 && p->fd >= 0) {
        program_watch(p, work->loop);
        return;
    }
    if (p->pid) { // it runs, and its end could not be seen
        program_stop(p);
        waitpid(p->pid, NULL, 0);
    }
    snprintf(reason, sizeof reason, "%s cannot be run: %s", p->argv[0], strerror(p->error));
    answer(p, LOGIN_DEFERRED, reason);
    program_free(p);
}

// ---- from outside

static char **copy_words(const struct strings *words)
{
    char **copy = mem_new((words->n + 1) * sizeof *copy);
    for (size_t i = 0; i < words->n; i++)
        copy[i] = mem_dup(words->at[i]);
    return copy;
}

struct program *program_run(uv_loop_t *loop, const struct strings *argv,
                            const struct sasl_words *words, const char *client, uint64_t timeout_ms,
                            program_fn *fn, void *arg)
{
    struct program *p = mem_new(sizeof *p);
    p->fd = p->says = -1;
    p->argv = copy_words(argv);
    p->input = mem_printf("%s\n%s\n", words->user, words->password);
    p->timeout_ms = timeout_ms;
    snprintf(p->client, sizeof p->client, "%s", client);
    p->fn = fn;
    p->arg = arg;
    uv_queue_work(loop, &p->work, program_start, program_started);
    return p;
}

void program_cancel(struct program *p)
{
    p->fn = NULL;
    if (p->open)
        program_late(&p->timer);
}
