// SPDX-License-Identifier: ISC
// The verbs of the control socket that concern the relay as a whole: status, reload, drain.
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/exit.h"
#include "relay/run/lifecycle.h"
#include "relay/log/json.h"
#include "relay/log/log.h"
#include "relay/milter/book.h"
#include "relay/oauth/tokens.h"
#include "relay/queue/queue.h"
#include "relay/route/health.h"
#include "relay/run/run.h"
#include "relay/submit/server.h"
#include "relay/state/state.h"

#define DRAIN_LOOK_MS 500 // how often a drain looks whether anything is left to do

static json_t *describe_counters(const struct counters *c)
{
    json_t *j = json_object();
    json_put_number(j, "connections", c->connections);
    json_put_number(j, "connections_now", (int64_t)c->connections_now);
    json_put_number(j, "connections_out", c->connections_out);
    json_put_number(j, "accepted", c->accepted);
    json_put_number(j, "refused", c->refused);
    json_put_number(j, "delivered", c->delivered);
    json_put_number(j, "deferred", c->deferred);
    json_put_number(j, "failed", c->failed);
    json_put_number(j, "expired", c->expired);
    json_put_number(j, "dsn", c->dsn);
    json_put_number(j, "auth_ok", c->auth_ok);
    json_put_number(j, "auth_failed", c->auth_failed);
    json_put_number(j, "tls_refused", c->tls_refused);
    json_put_number(j, "tls_failure", c->tls_failure);
    json_put_number(j, "reports_sent", c->reports_sent);
    json_put_number(j, "reports_failed", c->reports_failed);
    json_put_number(j, "alarms", log_alarms());
    json_put_number(j, "log_lost", log_lines_lost());
    json_put_number(j, "queued", (int64_t)c->queued_now);
    json_put_number(j, "memory", (int64_t)c->memory_now);
    json_put_number(j, "queue_memory", (int64_t)c->queue_memory);
    return j;
}

static json_t *describe_dns(struct dns *dns)
{
    static const char *const words[] = {"unknown", "ok", "broken", "off"};
    struct dns_state state;
    dns_get_state(dns, &state);
    json_t *j = json_object();
    const char *word = words[state.health];
    if (state.health == DNS_HEALTH_OFF && state.can_prove)
        word = "unchecked"; // the self-check alone is off
    json_object_set_new(j, "validation", json_string(word));
    json_object_set_new(j, "text", json_string(state.text));
    json_object_set_new(j, "checked", json_integer(state.checked_ms / 1000));
    json_object_set_new(j, "stuck", json_boolean(state.stuck));
    json_put_number(j, "lookups", state.lookups);
    json_put_number(j, "cache_hits", state.cache_hits);
    json_put_number(j, "failures", state.failures);
    return j;
}

static json_t *describe_spool(struct spool *spool)
{
    struct spool_state state;
    spool_get_state(spool, &state);
    json_t *j = json_object();
    json_put_number(j, "messages", state.messages);
    json_put_number(j, "bytes", state.bytes);
    json_put_number(j, "segments", state.segments);
    json_put_number(j, "syncs", state.syncs);
    json_put_number(j, "stored", state.stored);
    json_put_number(j, "results", state.results);
    json_object_set_new(j, "healthy", json_boolean(state.healthy));
    json_object_set_new(j, "room", json_boolean(state.room));
    return j;
}

static json_t *describe_state(struct state *state)
{
    struct state_health health;
    state_get_health(state, &health);
    json_t *j = json_object();
    json_object_set_new(j, "writable", json_boolean(health.writable));
    json_put_number(j, "waiting", health.waiting);
    json_put_number(j, "dropped", health.dropped);
    json_t *lost = json_string(health.lost);
    json_object_set_new(j, "lost", lost ? lost : json_string("policies and memory lost"));
    return j;
}

static json_t *describe_troubles(const struct relay *relay)
{
    const struct buf *troubles = &relay->troubles;
    json_t *lines = json_array();
    char since[40];
    clock_rfc3339(relay->reload_failed_ms, since);
    if (relay->reload_failed_ms)
        json_array_append_new(lines, json_sprintf("the reload at %s failed, the configuration "
                                                  "before it is in force: see waxwing check",
                                                  since));
    struct span rest = buf_span(troubles), line;
    while (span_cut(rest, '\n', &line, &rest)) {
        char *text = span_dup(line);
        json_array_append_new(lines, json_text(text));
        free(text);
    }
    return lines;
}

static json_t *describe_milters(struct milters *book)
{
    struct milter_row rows[MILTER_BOOK_ROWS];
    size_t n = milter_book_read(book, rows);
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        uint64_t messages = 0;
        for (int k = 0; k < MILTER_NOTED; k++)
            messages += rows[i].n[k];
        json_t *j = json_object();
        json_object_set_new(j, "name", json_text(rows[i].name));
        json_put_number(j, "messages", messages);
        json_put_number(j, "failed", rows[i].n[NOTED_FAILED]);
        json_object_set_new(j, "away", json_integer(rows[i].away_ms / 1000));
        json_object_set_new(j, "reason", json_text(rows[i].away_ms ? rows[i].reason : ""));
        json_array_append_new(all, j);
    }
    return all;
}

static void verbs_status(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    static const char *const stages[] = {"starting", "running", "draining", "stopping"};
    const struct setup *setup = relay->setup;
    char since[40];
    clock_rfc3339(relay->started_ms, since);
    json_t *j = json_object();
    json_object_set_new(j, "version", json_string(WAXWING_VERSION));
    json_object_set_new(j, "stage", json_string(stages[relay->stage]));
    json_object_set_new(j, "started", json_string(since));
    json_object_set_new(j, "configuration", json_string(setup->config->file));
    json_object_set_new(j, "hostname", json_string(setup->config->hostname));
    json_put_number(j, "workers", relay->nworkers);
    json_put_number(j, "queue_memory_limit", setup->config->limits.queue_memory);
    if (setup->creds)
        json_object_set_new(j, "certificate_expires", json_integer(creds_expires(setup->creds)));
    json_object_set_new(j, "next_hops", health_describe(relay->health));
    json_t *tokens = tokens_describe(relay->tokens);
    json_object_set_new(j, "tokens", tokens ? tokens : json_array());
    json_object_set_new(j, "troubles", describe_troubles(relay));
    json_object_set_new(j, "milters", describe_milters(relay->milters));
    json_object_set_new(j, "counters", describe_counters(&relay->counters));
    json_object_set_new(j, "spool", describe_spool(relay->spool));
    json_object_set_new(j, "dns", describe_dns(relay->dns));
    json_object_set_new(j, "state", describe_state(relay->state));
    control_answer(call, EXIT_YES, j);
}

static void verbs_reload(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    struct buf unchanged;
    buf_init(&unchanged, RUN_KEYS_MAX);
    int exit = run_reload(relay, &unchanged);
    if (exit == EXIT_YES)
        control_answer(call, exit, json_pack("{s:s}", "restart", buf_text(&unchanged)));
    else
        control_error(call, exit,
                      "the configuration has errors (they are in the relay's log); "
                      "the old one stays in force");
    buf_free(&unchanged);
}

// Draining: every look asks each worker whether it still has something to do, retries included. A delivery
// may be on its way from one worker to another, seen by neither: only a second quiet look ends the relay.
struct drain {
    uv_timer_t timer;
    struct item item;
    struct relay *relay;
    bool looking;
    unsigned quiet; // looks in a row that found nothing
    _Atomic unsigned waiting;
    _Atomic unsigned busy;
};

static void verbs_drain_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void verbs_look_over(struct item *item)
{
    struct drain *d = list_of(item, struct drain, item);
    d->looking = false;
    d->quiet = d->busy ? 0 : d->quiet + 1;
    if (d->quiet == 2)
        run_stop(d->relay, "drained");
}

static void verbs_look_at_worker(struct worker *worker, void *arg)
{
    struct drain *d = arg;
    if (server_sessions(worker->server) || !queue_idle(worker->queue))
        d->busy++;
    if (--d->waiting == 0)
        inbox_post(d->relay->mail, &d->item);
}

static void verbs_look(uv_timer_t *timer)
{
    struct drain *d = timer->data;
    if (d->looking)
        return;
    if (d->relay->stage == RELAY_STOPPING) {
        uv_close((uv_handle_t *)timer, verbs_drain_closed);
        return;
    }
    d->looking = true;
    d->busy = 0;
    d->waiting = d->relay->nworkers;
    for (unsigned i = 0; i < d->relay->nworkers; i++)
        worker_call(d->relay->workers[i], verbs_look_at_worker, d);
}

static void verbs_drain(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    if (relay->stage != RELAY_RUNNING) {
        control_error(call, EXIT_NO, "the relay is already on its way out");
        return;
    }
    lifecycle_drain(relay);
    struct drain *d = mem_new(sizeof *d);
    d->relay = relay;
    d->item.run = verbs_look_over;
    uv_timer_init(control_loop(call), &d->timer);
    d->timer.data = d;
    uv_timer_start(&d->timer, verbs_look, DRAIN_LOOK_MS, DRAIN_LOOK_MS);
    control_answer(call, EXIT_YES, json_object());
}

const struct control_verb control_run_verbs[] = {
    {"status", false, verbs_status},
    {"reload", true, verbs_reload},
    {"drain", true, verbs_drain},
    {NULL, false, NULL},
};
