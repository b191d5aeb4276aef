// SPDX-License-Identifier: ISC
// Workers: calls across threads, and who owns a site. Starting and ending them is relay/run/lifecycle.c's.
#include "relay/worker/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/worker/relay.h"

struct call {
    struct item item;
    struct worker *worker;
    void (*fn)(struct worker *worker, void *arg);
    void *arg;
};

static void worker_run_call(struct item *item)
{
    struct call *call = list_of(item, struct call, item);
    call->fn(call->worker, call->arg);
    free(call);
}

void worker_call(struct worker *worker, void (*fn)(struct worker *worker, void *arg), void *arg)
{
    struct call *call = mem_new(sizeof *call);
    *call = (struct call){{NULL, worker_run_call}, worker, fn, arg};
    inbox_post(worker->mail, &call->item);
}

void worker_busy(struct worker *worker, int change)
{
    if (worker->busy)
        worker->busy(worker, change);
}

unsigned worker_count(const struct config *config)
{
    if (config->workers)
        return (unsigned)config->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > WORKERS_MAX ? WORKERS_MAX : cores > 0 ? (unsigned)cores : 1;
}

struct worker *worker_for_site(struct relay *relay, const char *site)
{
    return relay->workers[XXH3_64bits(site, strlen(site)) % relay->nworkers];
}
