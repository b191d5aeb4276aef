// SPDX-License-Identifier: ISC
// The routes thread: plans, caches, answers.
#include "relay/route/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/log/log.h"
#include "relay/route/refused.h"
#include "relay/route/thread.h"
#include "relay/route/trace.h"
#include "relay/trace/trace.h"
#include "relay/state/state.h"
#include "tls/ledger.h"

#define REFRESH_MS 60000 // a domain's records are asked anew at most so often, whatever fails

static void routes_policy_changed(void *arg, const char *domain, const char *what);

struct route_request {
    struct item item;
    struct list list; // in its entry's waiters
    struct routes *routes;
    struct inbox *reply;
    struct route_wish wish;
    route_fn *fn;
    void *arg;
    struct route *route;
    bool cancelled; // set and read on the asking thread
};

// On the asking thread again.
static void routes_deliver_answer(struct item *item)
{
    struct route_request *r = list_of(item, struct route_request, item);
    if (!r->cancelled)
        r->fn(r->route, r->arg);
    route_unref(r->route);
    route_wish_free(&r->wish);
    free(r);
}

static void routes_answer(struct route_request *r, struct route *route)
{
    list_remove(&r->list);
    r->route = route_ref(route);
    r->item.run = routes_deliver_answer;
    inbox_post(r->reply, &r->item);
}

static bool had_tlsa(const struct route *before, const struct memory_view *memory, const char *host)
{
    for (size_t i = 0; before && i < before->nhosts; i++)
        if (strcmp(before->hosts[i].host, host) == 0)
            return before->hosts[i].demand.ntlsa_usable > 0;
    for (size_t i = 0; !before && memory && i < memory->n; i++)
        if (strcmp(memory->rows[i].host, host) == 0)
            return memory->rows[i].dane;
    return false;
}

static const struct memory_view *memory_of(const struct planning *planning,
                                           const struct route_host *h)
{
    return h->policy < 0 ? NULL : planning_memory(planning, (size_t)h->policy);
}

// A host that had TLSA records has none now: its owner may want that, but mail owes it less from here on.
static void tell_gone_tlsa(const struct route_entry *e)
{
    const struct route *now = planning_route(e->planning);
    bool plain = e->wish.variant == ROUTE_PLAIN && !e->wish.sender && !e->wish.next_hop;
    for (size_t i = 0; i < now->nhosts && plain; i++) {
        const struct route_host *h = &now->hosts[i];
        if (h->demand.ntlsa || h->demand.refuse || why_is_set(&h->unusable) ||
            !had_tlsa(e->route, memory_of(e->planning, h), h->host))
            continue;
        char *what = mem_printf("%s has no TLSA records any more that DNSSEC vouches for", h->host);
        routes_policy_changed(e->routes, e->wish.domain, what);
        free(what);
    }
}

static void routes_planned(void *arg)
{
    struct route_entry *e = arg;
    tell_gone_tlsa(e);
    route_unref(e->route);
    e->route = route_ref(planning_route(e->planning));
    if (trace_on(e->routes->relay->trace) && !e->route->told)
        e->route->told = route_trace(e->planning, e->wish.domain);
    planning_free(e->planning);
    e->planning = NULL;
    e->route->stale = e->stale; // something changed while it was planned
    list_each_safe (it, &e->waiters)
        routes_answer(list_of(it, struct route_request, list), e->route);
}

static void start_planning(struct route_entry *e)
{
    struct routes *routes = e->routes;
    e->stale = false;
    e->planning = planning_start(&routes->world, routes->setup, &e->wish, routes_planned, e);
}

static void routes_take_request(struct item *item)
{
    struct route_request *r = list_of(item, struct route_request, item);
    struct routes *routes = r->routes;
    struct route_entry *e = entry_find(routes, &r->wish);
    list_append(&e->waiters, &r->list);
    if (e->planning)
        return;
    if (e->route && !e->stale && e->route->expires_ms > clock_mono_ms() &&
        route_is_fresh(e->route)) {
        routes_answer(r, e->route);
        return;
    }
    list_append(&routes->entries, &e->age);
    start_planning(e);
    entries_make_room(routes);
}

struct route_request *route_ask(struct routes *routes, struct inbox *loop_inbox,
                                const struct route_wish *wish, route_fn *fn, void *arg)
{
    struct route_request *r = mem_new(sizeof *r);
    r->routes = routes;
    r->reply = loop_inbox;
    route_wish_copy(&r->wish, wish);
    r->fn = fn;
    r->arg = arg;
    list_init(&r->list);
    r->item.run = routes_take_request;
    inbox_post(routes->mail, &r->item);
    return r;
}

void route_cancel(struct route_request *request)
{
    if (request)
        request->cancelled = true;
}

// What other threads ask of this one.
struct order {
    struct item item;
    struct list list; // in routes->refreshing, while the policy is looked up
    struct sts_request *sts;
    struct routes *routes;
    struct setup *setup;
    struct route *route;
};

// The policy has been looked up again. Where it is another, routes_keep_policy has told the routes.
static void routes_refreshed(const struct sts_view *view, void *arg)
{
    (void)view;
    struct order *o = arg;
    list_remove(&o->list);
    free(o);
}

// DNS is asked anew for the domain, and for the TLSA records of its hosts, which may stand in other zones:
// keys roll, and a cached record does not know (RFC 7671 section 8.1).
static void forget_hosts(struct routes *routes, const struct route *route)
{
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct route_host *h = &route->hosts[i];
        char name[300];
        snprintf(name, sizeof name, "_%u._tcp.%s", h->port, h->host);
        dns_forget(routes->relay->dns, name);
        if (!h->demand.tlsa_base)
            continue;
        snprintf(name, sizeof name, "_%u._tcp.%s", h->port, h->demand.tlsa_base);
        dns_forget(routes->relay->dns, name);
    }
}

// False: done less than a minute ago.
static bool forget_answers(struct routes *routes, const char *domain)
{
    bool again = false;
    uint64_t now = clock_mono_ms();
    list_each (it, &routes->entries) {
        struct route_entry *e = list_of(it, struct route_entry, age);
        bool soon = e->refreshed_ms && now - e->refreshed_ms < REFRESH_MS;
        if (!e->route || soon || strcmp(e->wish.domain, domain) != 0)
            continue;
        again = true;
        e->refreshed_ms = now;
        forget_hosts(routes, e->route);
    }
    if (again)
        dns_forget(routes->relay->dns, domain);
    return again;
}

static void refresh_policy(struct routes *routes, const char *domain)
{
    struct order *o = mem_new(sizeof *o);
    o->routes = routes;
    list_init(&o->list);
    list_append(&routes->refreshing, &o->list);
    o->sts = sts_cache_refresh(routes->world.sts, domain, false, routes_refreshed, o);
}

static void routes_take_refresh(struct item *item)
{
    struct order *o = list_of(item, struct order, item);
    struct routes *routes = o->routes;
    struct route *route = o->route;
    if (forget_answers(routes, route->domain))
        routes_mark_stale(routes, route->domain);
    for (size_t i = 0; i < route->npolicies; i++)
        refresh_policy(routes, route->policies[i].domain);
    route_unref(route);
    free(o);
}

void routes_refresh(struct routes *routes, struct route *route)
{
    struct order *o = mem_new(sizeof *o);
    *o = (struct order){
        .item = {NULL, routes_take_refresh}, .routes = routes, .route = route_ref(route)};
    inbox_post(routes->mail, &o->item);
}

// ---- what the MTA-STS cache wants of the relay

static bool routes_is_refused(void *arg, const struct sockaddr *address)
{
    const struct setup *setup = arg; // on the fetcher's thread
    return refused_address(setup->config, address);
}

static void routes_drop_setup(void *arg)
{
    setup_unref(arg);
}

static struct https_rules https_rules_of(struct setup *setup)
{
    return (struct https_rules){setup->trust, routes_is_refused, setup_ref(setup),
                                routes_drop_setup};
}

static void routes_take_reload(struct item *item)
{
    struct order *o = list_of(item, struct order, item);
    setup_unref(o->routes->setup);
    o->routes->setup = o->setup;
    struct https_rules rules = https_rules_of(o->setup);
    https_reload(o->routes->https, &rules);
    list_each (it, &o->routes->entries)
        entry_make_stale(list_of(it, struct route_entry, age));
    free(o);
}

void routes_reload(struct routes *routes, struct setup *setup)
{
    struct order *o = mem_new(sizeof *o);
    *o = (struct order){
        .item = {NULL, routes_take_reload}, .routes = routes, .setup = setup_ref(setup)};
    inbox_post(routes->mail, &o->item);
}

static void routes_keep_policy(void *arg, const struct sts_row *row, void (*stored)(void *),
                               void *stored_arg)
{
    struct routes *routes = arg;
    list_each (it, &routes->entries) {
        struct route_entry *e = list_of(it, struct route_entry, age);
        if (!entry_concerns(e, row->domain))
            continue;
        bool waits = e->planning && planning_waits_for_policy(e->planning); // for this one
        entry_make_stale(e);
        e->stale = !waits;
    }
    state_keep_policy(routes->relay->state, row, routes->mail, stored, stored_arg);
}

static void routes_policy_changed(void *arg, const char *domain, const char *what)
{
    (void)arg;
    struct logline line;
    log_begin(&line, LOG_WARNING, "policy-change", 0);
    log_text(&line, "domain", domain);
    log_text(&line, "what", what);
    log_end(&line);
}

// One failing fetch is one fact: there was no connection to a host (RFC 8460 section 4.3.2.2).
static void routes_fetch_failed(void *arg, const char *domain, const struct sts_view *view,
                                const struct why *why)
{
    struct routes *routes = arg;
    struct logline line;
    log_begin(&line, LOG_WARNING, "tls-failure", 0);
    log_text(&line, "domain", domain);
    log_text(&line, "source", demand_source_word(SOURCE_STS));
    log_text(&line, "type", why_tls_word(why->tls));
    log_text(&line, "reason", why->text);
    log_end(&line);
    if (!routes->relay->state)
        return;
    struct ledger_entry *fact = ledger_entry_new();
    fact->policy_type = POLICY_STS;
    fact->result = why->tls;
    ledger_entry_set(&fact->domain, domain);
    ledger_entry_set(&fact->policy_domain, domain);
    ledger_entry_set(&fact->policy_string, view->mode >= 0 ? view->text : "");
    ledger_entry_set(&fact->source, demand_source_word(SOURCE_STS));
    ledger_entry_set(&fact->reason, why->text);
    state_ledger_add(routes->relay->state, fact);
}

static void routes_restore_policy(void *arg, const struct sts_row *row)
{
    struct routes *routes = arg;
    sts_cache_restore(routes->world.sts, row);
}

static void routes_restore_memory(void *arg, const char *domain, const struct memory_row *row)
{
    struct routes *routes = arg;
    tls_memory_learn(routes->world.memory, domain, row->host, row->owes, row->dane, row->seen_s,
                     routes->setup->config->delivery.memory_days);
}

static void routes_on_policy_host(void *arg, const char *domain, int64_t ends_s)
{
    struct routes *routes = arg;
    if (routes->policy_host)
        routes->policy_host(routes->relay, domain, ends_s);
}

static int open_world(struct routes *routes, struct why *why)
{
    struct https_options https = {
        .mail = routes->mail, .dns = routes->relay->dns, .rules = https_rules_of(routes->setup)};
    routes->https = https_open(&https, why);
    if (!routes->https)
        return -1;
    struct sts_cache_options sts = {.loop = &routes->loop,
                                    .mail = routes->mail,
                                    .dns = routes->relay->dns,
                                    .https = routes->https,
                                    .refresh = true,
                                    .keep = routes_keep_policy,
                                    .changed = routes_policy_changed,
                                    .failed = routes_fetch_failed,
                                    .showed = routes_on_policy_host,
                                    .arg = routes};
    routes->world = (struct planning_world){.dns = routes->relay->dns,
                                            .mail = routes->mail,
                                            .sts = sts_cache_open(&sts),
                                            .memory = tls_memory_new()};
    state_restore(routes->relay->state, routes_restore_policy, routes_restore_memory, routes);
    return 0;
}

// With the loop's thread ended or never begun.
static void free_routes(struct routes *routes)
{
    uv_run(&routes->loop, UV_RUN_DEFAULT);
    uv_loop_close(&routes->loop);
    tls_memory_free(routes->world.memory);
    setup_unref(routes->setup);
    free(routes);
}

static void routes_run_loop(void *arg)
{
    naming_thread("routes");
    struct routes *routes = arg;
    uv_run(&routes->loop, UV_RUN_DEFAULT);
}

struct routes *routes_open(const struct routes_options *options, struct why *why)
{
    struct routes *routes = mem_new(sizeof *routes);
    routes->relay = options->relay;
    routes->setup = options->setup;
    routes->policy_host = options->policy_host;
    list_init(&routes->entries);
    list_init(&routes->asked);
    list_init(&routes->refreshing);
    int rc = uv_loop_init(&routes->loop);
    if (rc < 0) {
        why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: %s", uv_strerror(rc));
        setup_unref(routes->setup);
        free(routes);
        return NULL;
    }
    routes->mail = inbox_open(&routes->loop);
    if (!routes->mail)
        why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: no descriptor is left");
    if (!routes->mail || open_world(routes, why) < 0) {
        inbox_close(routes->mail);
        free_routes(routes);
        return NULL;
    }
    rc = uv_thread_create(&routes->thread, routes_run_loop, routes);
    if (rc == 0)
        return routes;
    why_set(why, WHY_OURS, "4.3.0", "cannot start a thread: %s", uv_strerror(rc));
    sts_cache_close(routes->world.sts);
    https_close(routes->https);
    inbox_close(routes->mail);
    free_routes(routes);
    return NULL;
}

static void routes_take_close(struct item *item)
{
    struct order *o = list_of(item, struct order, item);
    struct routes *routes = o->routes;
    list_each_safe (it, &routes->entries) {
        struct route_entry *e = list_of(it, struct route_entry, age);
        planning_free(e->planning);
        e->planning = NULL;
        list_each_safe (w, &e->waiters) // cancelled ones: freed where they were asked
            routes_answer(list_of(w, struct route_request, list), NULL);
        entry_forget(routes, e);
    }
    routes_drop_asked(routes);
    list_each_safe (it, &routes->refreshing) {
        struct order *refresh = list_of(it, struct order, list);
        sts_cache_cancel(refresh->sts);
        free(refresh);
    }
    sts_cache_close(routes->world.sts);
    https_close(routes->https);
    state_settle(routes->relay->state); // a policy being stored is answered to this inbox
    inbox_close(routes->mail);
    free(o);
}

void routes_close(struct routes *routes)
{
    struct order *o = mem_new(sizeof *o);
    *o = (struct order){.item = {NULL, routes_take_close}, .routes = routes};
    inbox_post(routes->mail, &o->item);
    uv_thread_join(&routes->thread);
    free_routes(routes);
}
