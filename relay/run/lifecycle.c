// SPDX-License-Identifier: ISC
// The order in which threads come and go.
#include "relay/run/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/base/naming.h"
#include "relay/events/events.h"
#include "relay/fleet/fleet.h"
#include "relay/log/log.h"
#include "relay/login/bans.h"
#include "relay/login/habits.h"
#include "relay/oauth/tokens.h"
#include "relay/queue/queue.h"
#include "relay/queue/sites.h"
#include "relay/recent/recents.h"
#include "relay/route/health.h"
#include "relay/deliver/strays.h"
#include "relay/route/routes.h"
#include "relay/submit/server.h"
#include "relay/state/reports.h"
#include "relay/state/secret.h"
#include "relay/state/counts.h"
#include "relay/state/shared.h"
#include "relay/state/state.h"
#include "relay/suppress/suppress.h"
#include "relay/trace/trace.h"

// A worker and what only its keeper needs to know.
struct kept_worker {
    struct worker worker; // first
    uv_thread_t thread;
    bool running;
    struct stop *stop;
    int leaving; // server and queue: what has yet to end
};

// One stop under way; counts the workers that are empty.
struct stop {
    struct item item;
    struct relay *relay;
    struct inbox *mail;
    _Atomic unsigned busy;
    uint64_t grace_ms;
    void (*done)(void *arg);
    void *arg;
};

struct recovered {
    struct message **at;
    size_t n;
};

static void lifecycle_collect(struct message *m, void *arg)
{
    struct recovered *r = arg;
    if ((r->n & (r->n - 1)) == 0)
        r->at = mem_grow(r->at, r->n ? r->n * 2 : 1, sizeof(struct message *));
    r->at[r->n++] = m;
}

static void lifecycle_alarm_from_spool(void *arg, const char *sentence)
{
    (void)arg;
    log_alarm("spool", REASON_SPOOL_TROUBLE, "%s", sentence);
}

// Once for each change: validation that breaks in silence means mail without DANE, or mail that waits.
static void lifecycle_tell_dns(void *arg, const struct dns_state *before,
                               const struct dns_state *now)
{
    (void)arg;
    if (now->stuck && !before->stuck)
        log_alarm("dns", REASON_RESOLVER_STUCK,
                  "the resolver thread does not turn: lookups fail until it does");
    else if (before->stuck && !now->stuck)
        log_event("dns", "the resolver thread turns again");
    else if (now->health == DNS_HEALTH_BROKEN)
        log_alarm(now->unreachable ? "dns" : "dnssec",
                  now->unreachable ? REASON_RESOLVER_UNREACHED : REASON_DNSSEC_BROKEN,
                  "DNSSEC validation does not work: %s", now->text);
    else if (before->health == DNS_HEALTH_BROKEN)
        log_event("dns", "DNSSEC validation works again");
}

// Before anything gets an id. NULL without a fleet.
static int join_fleet(struct relay *relay, struct setup *setup, int *exit_status, struct why *why)
{
    if (!setup->config->fleet.database[0])
        return 0;
    relay->fleet = fleet_open(setup->config, relay->started_ms, exit_status, why);
    relay->slices = relay->fleet ? fleet_slices(relay->fleet) : NULL;
    relay->claims = relay->fleet ? fleet_claims(relay->fleet) : NULL;
    return relay->fleet ? 0 : -1;
}

static void lifecycle_on_policy_host(struct relay *relay, const char *domain, int64_t ends_s)
{
    char host[300];
    snprintf(host, sizeof host, "mta-sts.%s", domain);
    recents_policy_host(relay->recents, domain, host, ends_s);
}

// The one of the configuration, or that of runs without the journal.
static int open_spool(struct relay *relay, struct spool_options *options,
                      struct recovered *recovered, int *exit_status, struct why *why)
{
    options->sink = fleet_sink(relay->fleet);
    if (spool_open(&relay->spool, options, lifecycle_collect, recovered, exit_status, why) == 0)
        return 0;
    if (fleet_go_alone(relay->fleet, options, exit_status, why) <= 0)
        return -1;
    return spool_open(&relay->spool, options, lifecycle_collect, recovered, exit_status, why);
}

static int open_doors(struct relay *relay, struct setup *setup, struct recovered *recovered,
                      int *exit_status, struct why *why)
{
    const struct config *config = setup->config;
    struct spool_options spool = {.directory = config->spool,
                                  .disk_reserve = config->limits.disk_reserve,
                                  .alarm = lifecycle_alarm_from_spool,
                                  .before = events_flush,
                                  .before_arg = relay->events = events_open()};
    *exit_status = EXIT_CONFIG;
    if (fleet_may_use(config, why) < 0 || join_fleet(relay, setup, exit_status, why) < 0)
        return -1;
    // Before there is a spool: afterwards each relay looks as if it had run before.
    char *lock = mem_printf("%s/lock", config->spool);
    bool used_before = access(lock, F_OK) == 0;
    free(lock);
    if (open_spool(relay, &spool, recovered, exit_status, why) < 0)
        return -1;
    *exit_status = EXIT_TEMP;
    if (fleet_import(relay->fleet, relay->spool, lifecycle_collect, recovered, why) < 0)
        return -1;
    const struct state_options state = {.path = config->state,
                                        .keep_ms = config->tls_report.keep,
                                        .used_before = used_before,
                                        .exit_status = exit_status};
    relay->state = state_open(&state, why);
    if (!relay->state)
        return -1;
    state_secret(relay->state, "login", relay->login_secret);
    relay->bans = bans_new(relay->state, config->auth.ban);
    relay->habits = habits_new(relay->state);
    relay->recents = recents_new(relay->state);
    relay->suppress = suppress_new(relay->state);
    suppress_reload(relay->suppress, config);
    *exit_status = EXIT_TEMP;
    struct dns_options dns = {.config = &config->dns, .changed = lifecycle_tell_dns};
    relay->dns = dns_open(&dns, why);
    if (!relay->dns)
        return -1;
    events_reload(relay->events, relay->dns, setup->config, setup->trust);
    relay->trace = trace_open();
    trace_reload(relay->trace, setup->config);
    relay->health = health_new();
    relay->strays = strays_new(relay->state);
    relay->tokens = tokens_open(relay->dns, setup, why);
    if (!relay->tokens)
        return -1;
    struct routes_options routes = {
        .relay = relay, .setup = setup_ref(setup), .policy_host = lifecycle_on_policy_host};
    relay->routes = routes_open(&routes, why);
    return relay->routes ? 0 : -1;
}

static void close_doors(struct relay *relay)
{
    fleet_stop(relay->fleet);
    if (relay->routes)
        routes_close(relay->routes);
    events_stop(relay->events);
    trace_stop(relay->trace);
    tokens_close(relay->tokens);
    health_free(relay->health);
    strays_free(relay->strays);
    if (relay->dns)
        dns_close(relay->dns);
    bans_free(relay->bans);
    habits_free(relay->habits);
    recents_free(relay->recents);
    suppress_free(relay->suppress);
    relay->suppress = NULL;
    if (relay->state)
        state_close(relay->state);
    spool_close(relay->spool);
    fleet_close(relay->fleet);
    relay->fleet = NULL;
    relay->slices = NULL;
    relay->claims = NULL;
    events_free(relay->events);
    trace_free(relay->trace);
    relay->events = NULL;
    relay->trace = NULL;
    relay->routes = NULL;
    relay->tokens = NULL;
    relay->health = NULL;
    relay->strays = NULL;
    relay->dns = NULL;
    relay->bans = NULL;
    relay->habits = NULL;
    relay->recents = NULL;
    relay->state = NULL;
    relay->spool = NULL;
}

static struct kept_worker *kept(struct worker *worker)
{
    return (struct kept_worker *)worker;
}

static void lifecycle_run_worker(void *arg)
{
    naming_thread("worker");
    struct kept_worker *k = arg;
    uv_run(&k->worker.loop, UV_RUN_DEFAULT);
}

static struct worker *make_worker(struct relay *relay, unsigned index, struct setup *setup,
                                  struct why *why)
{
    struct kept_worker *k = mem_new(sizeof *k);
    struct worker *w = &k->worker;
    int rc = uv_loop_init(&w->loop);
    if (rc < 0) {
        free(k);
    } else if (!(w->mail = inbox_open(&w->loop))) {
        rc = UV_EMFILE;
        uv_loop_close(&w->loop);
        free(k);
    }
    if (rc < 0) {
        why_set(why, WHY_OURS, "4.3.0", "cannot make a worker: %s", uv_strerror(rc));
        return NULL;
    }
    w->relay = relay;
    w->index = index;
    w->setup = setup_ref(setup);
    return w;
}

// Those that were made; none of them runs.
static void unmake_workers(struct relay *relay)
{
    for (unsigned i = 0; i < relay->nworkers && relay->workers[i]; i++) {
        struct worker *w = relay->workers[i];
        inbox_close(w->mail);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        uv_loop_close(&w->loop);
        setup_unref(w->setup);
        free(kept(w));
    }
    free(relay->workers);
    relay->workers = NULL;
    relay->nworkers = 0;
}

static int make_workers(struct relay *relay, struct setup *setup, struct why *why)
{
    relay->nworkers = worker_count(setup->config);
    relay->workers = mem_new(relay->nworkers * sizeof *relay->workers);
    for (unsigned i = 0; i < relay->nworkers; i++)
        if (!(relay->workers[i] = make_worker(relay, i, setup, why)))
            return -1;
    return 0;
}

static void lifecycle_add_recovered(struct worker *worker, void *arg)
{
    queue_add(worker->queue, arg);
}

// Before any of it is delivered: which of our own reports the spool still has.
static void recover_reports(struct relay *relay, const struct recovered *recovered)
{
    uint64_t *mails = mem_new((recovered->n + 1) * sizeof *mails);
    size_t n = 0;
    for (size_t i = 0; i < recovered->n; i++)
        if (recovered->at[i]->env.uncounted)
            mails[n++] = recovered->at[i]->env.id;
    state_sendings_recover(relay->state, mails, n, relay->setup->config->fleet.spool);
    free(mails);
}

static void lifecycle_restore_site(const struct site_row *row, void *arg)
{
    sites_restore(worker_for_site(arg, row->site)->queue, row);
}

static void start_workers(struct relay *relay, struct setup *setup, const int *fds)
{
    size_t nlisten = setup->config->nlisten;
    for (unsigned i = 0; i < relay->nworkers; i++) {
        struct worker *w = relay->workers[i];
        w->queue = queue_new(w);
        w->server = server_new(w, fds + i * nlisten, nlisten);
    }
    state_sites_restore(relay->state, setup->config->delivery.shaping.keep, lifecycle_restore_site,
                        relay);
    for (unsigned i = 0; i < relay->nworkers; i++) {
        struct kept_worker *k = kept(relay->workers[i]);
        int rc = uv_thread_create(&k->thread, lifecycle_run_worker, k);
        if (rc < 0) { // nothing has been taken on yet, and the spool is as it was found
            log_alarm("start", REASON_RELAY_FAULT, "cannot start a worker's thread: %s",
                      uv_strerror(rc));
            log_stop();
            _exit(EXIT_TEMP);
        }
        k->running = true;
    }
}

// Of another node. Any thread; the workers are there as long as the fleet does not rest.
static void lifecycle_add_taken(struct message *m, void *arg)
{
    struct relay *relay = arg;
    worker_call(relay->workers[m->env.id / 256 % relay->nworkers], lifecycle_add_recovered, m);
}

// When all whose knowledge is shared are there; without a fleet nothing is marked as changed any more.
static void start_fleet(struct relay *relay)
{
    const struct fleet_doors doors = {.relay = relay,
                                      .state = relay->state,
                                      .routes = relay->routes,
                                      .bans = relay->bans,
                                      .suppress = relay->suppress,
                                      .spool = relay->spool,
                                      .add = lifecycle_add_taken,
                                      .arg = relay};
    struct why why;
    if (!relay->fleet) {
        state_shared_end(relay->state);
        state_counts_end(relay->state);
    } else if (fleet_start(relay->fleet, &doors, &why) < 0) {
        log_alarm("fleet", why.reason, "%s", why.text);
    }
}

int lifecycle_start(struct relay *relay, struct setup *setup, const int *fds, int *exit_status,
                    struct why *why)
{
    struct recovered recovered = {0};
    // Workers first: doors may call back into them. Their threads start when all doors are open.
    *exit_status = EXIT_TEMP;
    if (make_workers(relay, setup, why) < 0 ||
        open_doors(relay, setup, &recovered, exit_status, why) < 0) {
        for (size_t i = 0; i < recovered.n; i++)
            message_unref(recovered.at[i]);
        free(recovered.at);
        close_doors(relay);
        unmake_workers(relay);
        return -1;
    }
    recover_reports(relay, &recovered);
    start_workers(relay, setup, fds);
    for (size_t i = 0; i < recovered.n; i++)
        worker_call(relay->workers[i % relay->nworkers], lifecycle_add_recovered, recovered.at[i]);
    free(recovered.at);
    start_fleet(relay);
    return 0;
}

// What a reload brings to one worker.
struct news {
    struct setup *setup;
    int *fds; // one for each listener; NULL: they are as they were
};

static void lifecycle_take_setup(struct worker *worker, void *arg)
{
    struct news *news = arg;
    struct setup *old = worker->setup;
    worker->setup = news->setup;
    server_reload(worker->server, news->fds);
    queue_reload(worker->queue);
    setup_unref(old);
    free(news->fds);
    free(news);
}

void lifecycle_reload(struct relay *relay, struct setup *setup, const int *fds)
{
    size_t n = setup->config->nlisten;
    routes_reload(relay->routes, setup);
    events_reload(relay->events, relay->dns, setup->config, setup->trust);
    trace_reload(relay->trace, setup->config);
    suppress_reload(relay->suppress, setup->config);
    fleet_reload(relay->fleet, setup->config);
    struct why why;
    if (tokens_reload(relay->tokens, setup, &why) < 0)
        log_alarm("token", why.reason, "no token can be fetched: %s", why.text);
    state_set_keep(relay->state, setup->config->tls_report.keep);
    for (unsigned i = 0; i < relay->nworkers; i++) {
        struct news *news = mem_new(sizeof *news);
        news->setup = setup_ref(setup);
        if (fds) {
            news->fds = mem_new((n + 1) * sizeof *fds);
            memcpy(news->fds, fds + i * n, n * sizeof *fds);
        }
        worker_call(relay->workers[i], lifecycle_take_setup, news);
    }
}

static void lifecycle_drain_worker(struct worker *worker, void *arg)
{
    (void)arg;
    server_drain(worker->server);
}

void lifecycle_drain(struct relay *relay)
{
    relay->stage = RELAY_DRAINING;
    for (unsigned i = 0; i < relay->nworkers; i++)
        worker_call(relay->workers[i], lifecycle_drain_worker, NULL);
}

static void lifecycle_all_empty(struct item *item)
{
    struct stop *stop = list_of(item, struct stop, item);
    void (*done)(void *) = stop->done;
    void *arg = stop->arg;
    free(stop);
    done(arg);
}

static void lifecycle_part_gone(void *arg)
{
    struct kept_worker *k = arg;
    if (--k->leaving == 0 && --k->stop->busy == 0)
        inbox_post(k->stop->mail, &k->stop->item);
}

static void lifecycle_stop_worker(struct worker *worker, void *arg)
{
    struct kept_worker *k = kept(worker);
    k->stop = arg;
    k->leaving = 2;
    server_stop(worker->server, lifecycle_part_gone, k);
    queue_stop(worker->queue, k->stop->grace_ms, lifecycle_part_gone, k);
}

void lifecycle_stop(struct relay *relay, struct inbox *mail, uint64_t grace_ms,
                    void (*done)(void *arg), void *arg)
{
    relay->stage = RELAY_STOPPING;
    fleet_rest(relay->fleet);
    struct stop *stop = mem_new(sizeof *stop);
    *stop = (struct stop){.item = {NULL, lifecycle_all_empty},
                          .relay = relay,
                          .mail = mail,
                          .busy = relay->nworkers,
                          .grace_ms = grace_ms,
                          .done = done,
                          .arg = arg};
    for (unsigned i = 0; i < relay->nworkers; i++)
        worker_call(relay->workers[i], lifecycle_stop_worker, stop);
}

static void lifecycle_leave(struct worker *worker, void *arg)
{
    (void)arg;
    server_free(worker->server);
    queue_free(worker->queue);
}

static void lifecycle_arrived(struct worker *worker, void *arg)
{
    (void)worker;
    uv_sem_post(arg);
}

static void lifecycle_close_mail(struct worker *worker, void *arg)
{
    (void)arg;
    inbox_close(worker->mail);
}

// Until every worker has met all that was posted to it before.
static void wait_for_workers(struct relay *relay)
{
    uv_sem_t met;
    uv_sem_init(&met, 0);
    for (unsigned i = 0; i < relay->nworkers; i++)
        worker_call(relay->workers[i], lifecycle_arrived, &met);
    for (unsigned i = 0; i < relay->nworkers; i++)
        uv_sem_wait(&met);
    uv_sem_destroy(&met);
}

// Workers outlive the doors: answers to cancelled questions still come back to them and are freed there.
void lifecycle_close(struct relay *relay)
{
    for (unsigned i = 0; i < relay->nworkers; i++)
        worker_call(relay->workers[i], lifecycle_leave, NULL);
    wait_for_workers(relay); // they have left
    wait_for_workers(relay); // and met what had been posted to them until then
    close_doors(relay);
    for (unsigned i = 0; i < relay->nworkers; i++)
        worker_call(relay->workers[i], lifecycle_close_mail, NULL);
    for (unsigned i = 0; i < relay->nworkers; i++) {
        struct kept_worker *k = kept(relay->workers[i]);
        uv_thread_join(&k->thread);
    }
    for (unsigned i = 0; i < relay->nworkers; i++) {
        struct worker *w = relay->workers[i];
        if (uv_loop_close(&w->loop) != 0)
            log_alarm("worker", REASON_RELAY_FAULT, "worker %u left handles behind", w->index);
        setup_unref(w->setup);
        free(kept(w));
    }
    free(relay->workers);
    relay->workers = NULL;
    relay->nworkers = 0;
}
