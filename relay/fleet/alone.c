// SPDX-License-Identifier: ISC
#include "relay/fleet/alone.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/fleet/ending.h"
#include "relay/fleet/holder.h"
#include "relay/fleet/journal.h"
#include "relay/fleet/marker.h"
#include "relay/log/log.h"

#define TELL_MS 3600000 // how often the same trouble is told

struct alone {
    struct alone_options options;
    char *folder;
    struct spool *frozen;
    struct history *history;
    char log[MARKER_LOG];      // of the frozen spool; "": it has none
    struct holder_watch watch; // whoever has the lease may be gone
    int stop;                  // an eventfd
    pthread_t thread;
    bool running;
};

static void alone_alarm(void *arg, const char *sentence)
{
    (void)arg;
    log_alarm("spool", REASON_SPOOL_TROUBLE, "%s", sentence);
}

struct alone *alone_open(const struct alone_options *options, int *exit_status, struct why *why)
{
    const char *spool = options->config->spool;
    const struct spool_options frozen = {.directory = spool, .alarm = alone_alarm};
    struct alone *a = mem_new(sizeof *a);
    a->options = *options;
    a->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->folder = mem_printf("%s/alone", spool);
    if (marker_read(spool, a->log, why) == 0 || a->log[0]) {
        a->history = history_open(spool);
        if (spool_open(&a->frozen, &frozen, NULL, NULL, exit_status, why) == 0)
            return a;
    }
    alone_close(a);
    return NULL;
}

const char *alone_folder(const struct alone *a)
{
    return a->folder;
}

uint64_t alone_frozen(struct alone *a)
{
    struct spool_state state;
    spool_get_state(a->frozen, &state);
    return state.messages;
}

bool alone_has(struct alone *a, uint64_t id)
{
    return spool_has(a->frozen, id);
}

// ---- the watch

static int alone_look(struct alone *a, struct why *why)
{
    struct holder_options options = {.target = a->options.target,
                                     .node = a->options.node,
                                     .history = a->history,
                                     .ms = (uint64_t)a->options.config->fleet.lease,
                                     .wait_ms = JOURNAL_ALONE_MS};
    memcpy(options.log, a->log, sizeof options.log);
    marker_new(options.fresh);
    return holder_probe(&options, a->stop, &a->watch, why);
}

static void *alone_run(void *arg)
{
    naming_thread("alone");
    struct alone *a = arg;
    struct why why;
    uint64_t pause = a->options.pause_ms;
    while (!ending_asked(a->stop, pause)) {
        int rc = alone_look(a, &why);
        if (rc == 0) {
            a->options.again(a->options.arg);
            return NULL;
        }
        if (rc > 0)
            log_alarm_once("fleet", why.reason, "alone", TELL_MS, "%s", why.text);
        pause = ALONE_LOOK_MS;
    }
    return NULL;
}

int alone_watch(struct alone *a, struct why *why)
{
    a->running = a->stop >= 0 && pthread_create(&a->thread, NULL, alone_run, a) == 0;
    return a->running ? 0
                      : why_set(why, WHY_OURS, "4.3.0",
                                "the thread that looks for the database cannot be started");
}

void alone_rest(struct alone *a)
{
    if (!a || !a->running)
        return;
    eventfd_write(a->stop, 1);
    pthread_join(a->thread, NULL);
    a->running = false;
}

void alone_close(struct alone *a)
{
    if (!a)
        return;
    alone_rest(a);
    spool_close(a->frozen);
    history_close(a->history);
    if (a->stop >= 0)
        close(a->stop);
    free(a->folder);
    free(a);
}

bool alone_any(const char *spool)
{
    static const char *const folders[] = {"alone", "joining"};
    bool any = false;
    for (size_t i = 0; i < 2; i++) {
        char *path = mem_printf("%s/%s", spool, folders[i]);
        any |= access(path, F_OK) == 0;
        free(path);
    }
    return any;
}
