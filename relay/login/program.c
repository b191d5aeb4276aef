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

#define CLIENT 80 // bytes

struct program {
    uv_work_t work; // first
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned open; // handles to be closed
    char **argv;
    char *input;
    char client[CLIENT];
    uint64_t timeout_ms;
    pid_t pid; // 0: not running
    int fd;    // of the process; -1
    int error; // errno of the start
    bool late;
    program_fn *fn; // NULL: nobody waits
    void *arg;
};

static void program_free(struct program *p)
{
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

static int program_spawn(struct program *p, int standard_input)
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
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawn_file_actions_addchdir_np(&files, "/");
    int rc = posix_spawn(&p->pid, p->argv[0], &files, &attributes, p->argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
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
    // Less than a pipe holds, so that this does not wait for the program; nor does it matter whether it reads.
    size_t n = strlen(p->input);
    p->error = write(ends[1], p->input, n) == (ssize_t)n ? program_spawn(p, ends[0]) : EIO;
    close(ends[0]);
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
    if (--p->open == 0) {
        close(p->fd);
        program_free(p);
    }
}

static void answer(struct program *p, enum login_result result, const char *reason)
{
    program_fn *fn = p->fn;
    p->fn = NULL;
    if (fn)
        fn(result, reason, p->arg);
}

static void judge(struct program *p, int status)
{
    char reason[80];
    if (p->late)
        answer(p, LOGIN_DEFERRED, "the program did not end in time");
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        answer(p, LOGIN_OK, NULL);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        answer(p, LOGIN_FAILED, NULL);
    else if (WIFEXITED(status)) {
        snprintf(reason, sizeof reason, "the program cannot say: exit %d", WEXITSTATUS(status));
        answer(p, LOGIN_DEFERRED, reason);
    } else {
        snprintf(reason, sizeof reason, "the program ended by signal %d", WTERMSIG(status));
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
    kill(-p->pid,
         SIGKILL); // what it may have left behind in its session, while the number is its own
    pid_t ended = waitpid(p->pid, &code, WNOHANG);
    uv_close((uv_handle_t *)&p->poll, program_closed);
    uv_close((uv_handle_t *)&p->timer, program_closed);
    judge(p, ended < 0 ? 0x7f00 : code);
}

static void program_late(uv_timer_t *timer)
{
    struct program *p = timer->data;
    p->late = true;
    kill(-p->pid, SIGKILL); // its end comes by itself
}

static void program_started(uv_work_t *work, int status)
{
    struct program *p = (struct program *)(void *)work;
    char reason[160];
    if (status == 0 && p->fd >= 0) {
        uv_timer_init(work->loop, &p->timer);
        uv_poll_init(work->loop, &p->poll, p->fd);
        p->open = 2;
        p->timer.data = p->poll.data = p;
        uv_poll_start(&p->poll, UV_READABLE, program_ended);
        uv_timer_start(&p->timer, program_late, p->fn ? p->timeout_ms : 0, 0);
        return;
    }
    if (p->pid) { // it runs, and its end could not be seen
        kill(-p->pid, SIGKILL);
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
    p->fd = -1;
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
