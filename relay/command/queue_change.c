// SPDX-License-Identifier: ISC
// `waxwing queue hold|release|retry|redirect|remove|bounce` with the running relay: counted first, asked about, and
// watched while it goes on.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "relay/command/command.h"
#include "relay/command/queue.h"
#include "relay/control/control.h"
#include "relay/log/json.h"

// Only a terminal is asked: a script has said what it wants.
bool queue_agreed(const struct queue_call *call, uint64_t recipients)
{
    char answer[16];
    if (call->yes || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s %" PRIu64 " recipient%s? [y/N] ", call->verb, recipients,
            recipients == 1 ? "" : "s");
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

// The line stays where it is; numbers of ours alone go round the guard of what is printed (terminal.h).
static bool shown;

void queue_progress(const char *verb, uint64_t recipients, uint64_t seen, uint64_t all)
{
    fflush(stderr);
    shown = true;
    dprintf(STDERR_FILENO, "\r%s: %" PRIu64 " recipients, %" PRIu64 " of %" PRIu64 " looked at ",
            verb, recipients, seen, all > seen ? all : seen);
}

void queue_progress_end(void)
{
    if (shown)
        dprintf(STDERR_FILENO, "\r\033[K");
    shown = false;
}

static bool queue_change_on_line(const json_t *line, void *arg)
{
    const char *verb = arg;
    const json_t *progress = json_object_get(line, "progress");
    if (progress)
        queue_progress(verb, json_number_of(progress, "recipients"),
                       json_number_of(progress, "seen"), json_number_of(progress, "queued"));
    return true;
}

static json_t *ask_change(const struct queue_call *call, const char *control, bool dry, int *status)
{
    json_t *request = queue_request(call, call->verb);
    bool watched = isatty(STDERR_FILENO);
    json_object_set_new(request, "dry", json_boolean(dry));
    json_object_set_new(request, "progress", json_boolean(watched));
    const char *verb = dry ? "count" : call->verb;
    json_t *last =
        control_ask_lines(control, request, queue_change_on_line, (void *)(uintptr_t)verb, status);
    if (watched)
        queue_progress_end();
    return last;
}

static struct queue_done done_of(const json_t *last)
{
    return (struct queue_done){.recipients = json_number_of(last, "recipients"),
                               .active = json_number_of(last, "active"),
                               .unknown = json_number_of(last, "unknown")};
}

// Counted, and agreed to? A dry run ends here.
static bool may_go_on(const struct queue_call *call, const char *control, int *status)
{
    json_t *last = ask_change(call, control, true, status);
    struct queue_done done = done_of(last);
    bool counted = last && *status == EXIT_YES;
    json_decref(last);
    if (counted && call->dry)
        queue_print_done(call, &done);
    if (!counted || call->dry)
        return false;
    if (!done.recipients || queue_agreed(call, done.recipients))
        return true;
    fputs("nothing was done\n", stderr);
    *status = EXIT_NO;
    return false;
}

int queue_change_online(const struct queue_call *call, const char *control)
{
    int status;
    bool chosen = call->all || call->filtered;
    if ((call->dry || (chosen && !call->yes)) && !may_go_on(call, control, &status))
        return status;
    json_t *last = ask_change(call, control, false, &status);
    struct queue_done done = done_of(last);
    if (last && status == EXIT_YES)
        queue_print_done(call, &done);
    if (last && !queue_tell_frozen(last) && status == EXIT_NO && !json_object_get(last, "error"))
        fprintf(stderr, "waxwing: no such message in the queue, or nothing to %s\n", call->verb);
    json_decref(last);
    return status;
}
