// SPDX-License-Identifier: ISC
// Questions to the routes thread that are not deliveries: explain, what policies and memory there are, fetch
// and forget; and what deliveries teach it. Answers are JSON text.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/route/explain.h"
#include "relay/route/routes.h"
#include "relay/route/thread.h"
#include "relay/route/waits.h"
#include "relay/state/state.h"
#include "relay/log/json.h"
#include "tls/sts.h"

// One question on its way there and back.
struct question {
    struct item item;
    struct list list; // in routes->asked, while planned or fetched
    struct routes *routes;
    struct inbox *reply;
    char *domain, *host;
    struct route_wish wish; // explain
    enum memory_owes owes;
    bool dane;
    struct planning *planning;
    uint64_t patience_ms;
    uv_timer_t *timer; // NULL: none
    struct sts_request *sts;
    char *json;
    routes_json_fn *fn;
    void *arg;
};

static struct question *new_question(struct routes *routes, const char *domain,
                                     void (*run)(struct item *item))
{
    struct question *q = mem_new(sizeof *q);
    q->routes = routes;
    q->domain = mem_dup(domain);
    list_init(&q->list);
    q->item.run = run;
    return q;
}

static void drop(struct question *q)
{
    free(q->domain);
    free(q->host);
    route_wish_free(&q->wish);
    free(q);
}

static void ask_run_answer(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    q->fn(q->json, q->arg);
    drop(q);
}

// Takes over the object. NULL: there is no answer, since the thread ends.
static void ask_answer(struct question *q, json_t *j)
{
    q->json = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    q->item.run = ask_run_answer;
    inbox_post(q->reply, &q->item);
}

static void ask(struct question *q, struct inbox *reply, routes_json_fn *fn, void *arg)
{
    q->reply = reply;
    q->fn = fn;
    q->arg = arg;
    inbox_post(q->routes->mail, &q->item);
}

// ---- explain

static void ask_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void ask_end_planning(struct question *q)
{
    planning_free(q->planning);
    list_remove(&q->list);
    if (q->timer)
        uv_close((uv_handle_t *)q->timer, ask_timer_closed);
    q->timer = NULL;
}

static void ask_explained(void *arg)
{
    struct question *q = arg;
    json_t *j = explain_json(q->planning, NULL, q->domain);
    ask_end_planning(q);
    ask_answer(q, j);
}

// Who asks does not wait longer: what is known, and what is still being looked up.
static void ask_impatient(uv_timer_t *timer)
{
    struct question *q = timer->data;
    struct route_entry *e = entry_known(q->routes, &q->wish);
    json_t *j = explain_json(q->planning, e ? e->route : NULL, q->domain);
    ask_end_planning(q);
    ask_answer(q, j);
}

static void ask_run_explain(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    list_append(&q->routes->asked, &q->list);
    q->planning = planning_start(&q->routes->world, q->routes->setup, &q->wish, ask_explained, q);
    if (!q->patience_ms)
        return;
    q->timer = mem_new(sizeof *q->timer);
    uv_timer_init(&q->routes->loop, q->timer);
    q->timer->data = q;
    uv_timer_start(q->timer, ask_impatient, q->patience_ms, 0);
}

void routes_explain(struct routes *routes, struct inbox *loop_inbox, const struct route_wish *wish,
                    uint64_t patience_ms, routes_json_fn *fn, void *arg)
{
    struct question *q = new_question(routes, wish->domain, ask_run_explain);
    route_wish_copy(&q->wish, wish);
    q->patience_ms = patience_ms;
    ask(q, loop_inbox, fn, arg);
}

static void add_logins(json_t *users, const struct route *route)
{
    for (size_t i = 0; route && i < route->nhosts; i++)
        if (route->hosts[i].login)
            json_array_append_new(users, json_text(route->hosts[i].login->user));
}

static void ask_run_waits(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    json_t *j = json_object(), *waits = json_array(), *users = json_array();
    list_each (it, &q->routes->entries) {
        const struct route_entry *e = list_of(it, struct route_entry, age);
        if (strcmp(e->wish.domain, q->domain) != 0)
            continue;
        json_t *more = e->planning ? waits_json(e->planning) : NULL;
        json_array_extend(waits, more);
        json_decref(more);
        add_logins(users, e->route);
    }
    json_object_set_new(j, "waits", waits);
    json_object_set_new(j, "logins", users);
    ask_answer(q, j);
}

void routes_waits(struct routes *routes, struct inbox *loop_inbox, const char *domain,
                  routes_json_fn *fn, void *arg)
{
    ask(new_question(routes, domain, ask_run_waits), loop_inbox, fn, arg);
}

void routes_drop_asked(struct routes *routes)
{
    list_each_safe (it, &routes->asked) {
        struct question *q = list_of(it, struct question, list);
        sts_cache_cancel(q->sts);
        ask_end_planning(q);
        ask_answer(q, NULL);
    }
}

// ---- policies and memory

static void add_policy(const char *domain, const struct sts_view *view, void *arg)
{
    json_t *j = json_object();
    bool known = view->mode >= 0;
    json_object_set_new(j, "domain", json_text(domain));
    json_object_set_new(j, "mode",
                        json_text(known ? sts_mode_word((enum sts_mode)view->mode) : ""));
    json_object_set_new(j, "id", json_text(view->id));
    json_object_set_new(j, "fetched", json_integer(view->fetched_s));
    json_object_set_new(j, "expires", json_integer(view->expires_s));
    json_object_set_new(j, "policy", json_text(view->text));
    json_object_set_new(j, "error", json_text(view->error.text));
    json_array_append_new(arg, j);
}

// A domain that has none is no news; one whose policy cannot be had is.
static void ask_list_policy(const char *domain, const struct sts_view *view, void *arg)
{
    if (view->mode >= 0 || view->error.tls != WHY_TLS_NONE)
        add_policy(domain, view, arg);
}

static void ask_add_memory(const char *domain, const struct memory_row *row, void *arg)
{
    static const char *const owes[] = {"nothing", "tls", "certificate"};
    json_t *j = json_object();
    json_object_set_new(j, "domain", json_text(domain));
    json_object_set_new(j, "host", json_text(row->host));
    json_object_set_new(j, "proved", json_text(owes[row->owes]));
    json_object_set_new(j, "dane", json_boolean(row->dane));
    json_object_set_new(j, "seen", json_integer(row->seen_s));
    json_array_append_new(arg, j);
}

static void ask_run_policies(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    json_t *j = json_object(), *policies = json_array(), *memory = json_array();
    sts_cache_each(q->routes->world.sts, ask_list_policy, policies);
    tls_memory_each(q->routes->world.memory, ask_add_memory, memory);
    json_object_set_new(j, "policies", policies);
    json_object_set_new(j, "memory", memory);
    ask_answer(q, j);
}

void routes_policies(struct routes *routes, struct inbox *loop_inbox, routes_json_fn *fn, void *arg)
{
    ask(new_question(routes, "", ask_run_policies), loop_inbox, fn, arg);
}

static void ask_fetched(const struct sts_view *view, void *arg)
{
    struct question *q = arg;
    json_t *list = json_array();
    add_policy(q->domain, view, list);
    json_t *j = json_incref(json_array_get(list, 0));
    json_decref(list);
    routes_mark_stale(q->routes, q->domain);
    list_remove(&q->list);
    ask_answer(q, j);
}

static void ask_run_fetch(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    list_append(&q->routes->asked, &q->list);
    q->sts = sts_cache_refresh(q->routes->world.sts, q->domain, true, ask_fetched, q);
}

void routes_fetch(struct routes *routes, struct inbox *loop_inbox, const char *domain,
                  routes_json_fn *fn, void *arg)
{
    ask(new_question(routes, domain, ask_run_fetch), loop_inbox, fn, arg);
}

// ---- learning and forgetting

bool routes_demand_more(const struct config *config, enum memory_owes owes, enum memory_owes before)
{
    const struct cfg_delivery *d = &config->delivery;
    if (d->memory == MEMORY_OFF || owes <= before)
        return false;
    bool certificate = owes == OWES_CERTIFICATE && d->memory != MEMORY_TLS;
    return d->tls < (certificate ? TLS_WEBPKI : TLS_ENCRYPT);
}

static void ask_run_learn(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    struct routes *routes = q->routes;
    struct tls_memory *memory = routes->world.memory;
    const char *domain = q->domain;
    const struct memory_row *row = tls_memory_row(memory, domain, q->host);
    enum memory_owes before = row ? row->owes : OWES_NOTHING;
    // The whole row is written, not this proof alone: a lower one lowers nothing on disk either.
    if (tls_memory_learn(memory, domain, q->host, q->owes, q->dane, clock_s(),
                         routes->setup->config->delivery.memory_days))
        state_keep_memory(routes->relay->state, domain, tls_memory_row(memory, domain, q->host));
    if (routes_demand_more(routes->setup->config, q->owes, before))
        routes_mark_stale(routes, domain); // planned when less was known
    drop(q);
}

// Where the next hop is configured, what it proves is known under its own name: there it is recalled.
void routes_learn(struct routes *routes, const char *policy_domain, const char *host,
                  enum memory_owes proved, bool dane)
{
    if (!policy_domain[0])
        return;
    struct question *q = new_question(routes, policy_domain, ask_run_learn);
    q->host = mem_dup(host);
    q->owes = proved;
    q->dane = dane;
    inbox_post(routes->mail, &q->item);
}

// One row on disk for each in memory.
static void ask_forget_row(const char *domain, const struct memory_row *row, void *arg)
{
    struct question *q = arg;
    if (strcmp(domain, q->domain) != 0)
        return;
    struct memory_row gone = {row->host, row->seen_s, OWES_NOTHING, false};
    state_keep_memory(q->routes->relay->state, domain, &gone);
}

static void ask_run_forget(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    tls_memory_each(q->routes->world.memory, ask_forget_row, q);
    size_t n = tls_memory_forget(q->routes->world.memory, q->domain, NULL);
    routes_mark_stale(q->routes, q->domain);
    json_t *j = json_object();
    json_object_set_new(j, "forgotten", json_integer((json_int_t)n));
    ask_answer(q, j);
}

void routes_forget(struct routes *routes, struct inbox *loop_inbox, const char *domain,
                   routes_json_fn *fn, void *arg)
{
    ask(new_question(routes, domain, ask_run_forget), loop_inbox, fn, arg);
}
