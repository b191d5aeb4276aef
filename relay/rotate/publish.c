// SPDX-License-Identifier: ISC
// Runs the command that publishes.
#include "relay/rotate/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

#define LOOK_US 20000

// The words come as arguments, so that no quoting is needed and nothing of them is a command.
static void become(char *script, const char *action, const char *name, const char *record)
{
    int null = open("/dev/null", O_RDONLY);
    char *args[] = {(char *)"sh",   (char *)"-c", script,         (char *)"waxwing",
                    (char *)action, (char *)name, (char *)record, NULL};
    setpgid(0, 0); // so that all that it starts can be killed
    dup2(null, 0);
    dup2(2, 1);
    signal(SIGPIPE, SIG_DFL);
    execv("/bin/sh", args);
    _exit(127);
}

// False: it did not end in time, and is gone now.
static bool wait_for(pid_t child, int *status)
{
    uint64_t until = clock_mono_ms() + PUBLISH_WAIT_MS;
    while (waitpid(child, status, WNOHANG) == 0) {
        if (clock_mono_ms() >= until) {
            kill(-child, SIGKILL);
            kill(child, SIGKILL);
            waitpid(child, status, 0);
            return false;
        }
        usleep(LOOK_US);
    }
    return true;
}

int publish_run(const char *command, const char *action, const char *name, const char *record,
                struct why *why)
{
    char *script = mem_printf("%s \"$@\"", command);
    int status = 0, rc = 0;
    pid_t child = fork();
    if (child == 0)
        become(script, action, name, record);
    if (child < 0)
        rc = why_set(why, WHY_OURS, "4.3.0", "the publish command cannot be run: %s",
                     strerror(errno));
    else if (!wait_for(child, &status))
        rc = why_set(why, WHY_OURS, "4.3.0", "the publish command did not end in time");
    else if (WIFSIGNALED(status))
        rc = why_set(why, WHY_OURS, "4.3.0", "the publish command was killed by signal %d",
                     WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        rc = why_set(why, WHY_OURS, "4.3.0", "the publish command failed with exit status %d",
                     WEXITSTATUS(status));
    free(script);
    return rc;
}
