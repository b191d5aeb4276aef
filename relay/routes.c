// SPDX-License-Identifier: ISC
// The routes thread: plans, caches, answers.
#include "relay/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/list.h"
#include "relay/base/memory.h"
#include "relay/log.h"
#include "relay/own_addresses.h"
#include "relay/route_plan.h"

#define CACHE_ROUTES 20000 // routes kept; the one planned longest ago goes first

// One (domain, variant): being planned, or planned.
struct entry {
    UT_hash_handle hh;
    struct list age; // in routes->entries, oldest first
    char *key;
    char *domain;
    enum route_variant variant;
    struct routes *routes;
    struct route *route; // NULL: never planned
    struct list waiters; // not empty: planning is under way
    bool stale;          // plan again as soon as somebody asks
    // The planning under way.
    struct facts *facts;
    struct dns_drive *drive;
    struct sts_view sts;
    bool sts_known;
    struct memory_view memory;
    struct own_addresses own;
    struct dns_state dns_state;
    uint64_t seed;
    struct setup *setup;
};

struct routes {
    struct relay *relay;
    uv_loop_t loop;
    uv_thread_t thread;
    struct mailbox *mail;
    struct setup *setup;
    struct entry *table;
    struct list entries;
    size_t nentries;
};

struct route_request {
    struct item item;
    struct list list; // in its entry's waiters
    struct routes *routes;
    struct mailbox *reply;
    char *domain;
    enum route_variant variant;
    route_fn *fn;
    void *arg;
    struct route *route;
    bool cancelled; // set and read on the asking thread
};

// On the asking thread again.
static void deliver_answer(struct item *item)
{
    struct route_request *r = list_of(item, struct route_request, item);
    if (!r->cancelled)
        r->fn(r->route, r->arg);
    route_unref(r->route);
    free(r->domain);
    free(r);
}

static void answer(struct route_request *r, struct route *route)
{
    list_remove(&r->list);
    r->route = route_ref(route);
    r->item.run = deliver_answer;
    mailbox_post(r->reply, &r->item);
}

static void end_planning(struct entry *e)
{
    facts_free(e->facts);
    e->facts = NULL;
    e->drive = NULL;
    sts_view_free(&e->sts);
    memory_view_free(&e->memory);
    own_addresses_free(&e->own);
    setup_unref(e->setup);
    e->setup = NULL;
}

static void forget_entry(struct routes *routes, struct entry *e)
{
    HASH_DEL(routes->table, e);
    list_remove(&e->age);
    routes->nentries--;
    route_unref(e->route);
    free(e->key);
    free(e->domain);
    free(e);
}

static struct route *plan(struct entry *e)
{
    struct plan_input in = {.setup = e->setup,
                            .domain = e->domain,
                            .variant = e->variant,
                            .own = e->own.at,
                            .nown = e->own.n,
                            .dns_broken = e->dns_state.health == DNS_HEALTH_BROKEN,
                            .dns_text = e->dns_state.text,
                            .sts = e->sts_known ? &e->sts : NULL,
                            .memory = &e->memory,
                            .seed = e->seed};
    return route_plan(&in, e->facts);
}

static bool plan_again(void *arg)
{
    struct entry *e = arg;
    struct route *route = plan(e);
    if (!route)
        return true;
    route_unref(e->route);
    e->route = route;
    return false;
}

static void planned(void *arg)
{
    struct entry *e = arg;
    end_planning(e);
    list_each_safe(it, &e->waiters) answer(list_of(it, struct route_request, list), e->route);
}

static void start_planning(struct entry *e)
{
    struct routes *routes = e->routes;
    e->stale = false;
    e->setup = setup_ref(routes->setup);
    e->facts = facts_new();
    e->sts = (struct sts_view){.mode = -1};
    e->sts_known = true;
    own_addresses_find(e->setup->config, &e->own);
    dns_get_state(routes->relay->dns, &e->dns_state);
    random_bytes(&e->seed, sizeof e->seed);
    e->drive = dns_drive(routes->relay->dns, routes->mail, e->facts, plan_again, planned, e);
}

static struct entry *find_entry(struct routes *routes, const char *domain,
                                enum route_variant variant)
{
    struct entry *e;
    char *key = mem_printf("%d %s", (int)variant, domain);
    HASH_FIND_STR(routes->table, key, e);
    if (e) {
        free(key);
        return e;
    }
    e = mem_new(sizeof *e);
    e->key = key;
    e->domain = mem_dup(domain);
    e->variant = variant;
    e->routes = routes;
    list_init(&e->waiters);
    list_init(&e->age);
    HASH_ADD_KEYPTR(hh, routes->table, e->key, strlen(e->key), e);
    list_append(&routes->entries, &e->age);
    routes->nentries++;
    return e;
}

static void make_room(struct routes *routes)
{
    list_each_safe(it, &routes->entries)
    {
        struct entry *e = list_of(it, struct entry, age);
        if (routes->nentries <= CACHE_ROUTES)
            return;
        if (list_empty(&e->waiters))
            forget_entry(routes, e);
    }
}

static void take_request(struct item *item)
{
    struct route_request *r = list_of(item, struct route_request, item);
    struct routes *routes = r->routes;
    struct entry *e = find_entry(routes, r->domain, r->variant);
    bool under_way = !list_empty(&e->waiters);
    list_append(&e->waiters, &r->list);
    if (under_way)
        return;
    if (e->route && !e->stale && e->route->expires_ms > clock_mono_ms()) {
        answer(r, e->route);
        return;
    }
    list_append(&routes->entries, &e->age);
    start_planning(e);
    make_room(routes);
}

struct route_request *route_ask(struct routes *routes, struct mailbox *loop_mail,
                                const char *domain, enum route_variant variant, route_fn *fn,
                                void *arg)
{
    struct route_request *r = mem_new(sizeof *r);
    r->routes = routes;
    r->reply = loop_mail;
    r->domain = mem_dup(domain);
    r->variant = variant;
    r->fn = fn;
    r->arg = arg;
    list_init(&r->list);
    r->item.run = take_request;
    mailbox_post(routes->mail, &r->item);
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
    struct routes *routes;
    struct setup *setup;
    char *domain;
};

static void take_reload(struct item *item)
{
    struct order *o = list_of(item, struct order, item);
    setup_unref(o->routes->setup);
    o->routes->setup = o->setup;
    list_each(it, &o->routes->entries) list_of(it, struct entry, age)->stale = true;
    free(o);
}

void routes_reload(struct routes *routes, struct setup *setup)
{
    struct order *o = mem_new(sizeof *o);
    *o = (struct order){.item = {NULL, take_reload}, .routes = routes, .setup = setup_ref(setup)};
    mailbox_post(routes->mail, &o->item);
}

static void take_refresh(struct item *item)
{
    struct order *o = list_of(item, struct order, item);
    dns_forget(o->routes->relay->dns, o->domain);
    list_each(it, &o->routes->entries)
    {
        struct entry *e = list_of(it, struct entry, age);
        if (strcmp(e->domain, o->domain) == 0)
            e->stale = true;
    }
    free(o->domain);
    free(o);
}

void routes_refresh(struct routes *routes, const char *domain)
{
    struct order *o = mem_new(sizeof *o);
    *o = (struct order){.item = {NULL, take_refresh}, .routes = routes, .domain = mem_dup(domain)};
    mailbox_post(routes->mail, &o->item);
}

static void run_loop(void *arg)
{
    struct routes *routes = arg;
    uv_run(&routes->loop, UV_RUN_DEFAULT);
}

struct routes *routes_open(const struct routes_options *options, struct why *why)
{
    struct routes *routes = mem_new(sizeof *routes);
    routes->relay = options->relay;
    routes->setup = options->setup;
    list_init(&routes->entries);
    int rc = uv_loop_init(&routes->loop);
    if (rc < 0) {
        why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: %s", uv_strerror(rc));
        setup_unref(routes->setup);
        free(routes);
        return NULL;
    }
    routes->mail = mailbox_open(&routes->loop);
    rc = uv_thread_create(&routes->thread, run_loop, routes);
    if (rc == 0)
        return routes;
    why_set(why, WHY_OURS, "4.3.0", "cannot start a thread: %s", uv_strerror(rc));
    mailbox_close(routes->mail);
    uv_run(&routes->loop, UV_RUN_DEFAULT);
    uv_loop_close(&routes->loop);
    setup_unref(routes->setup);
    free(routes);
    return NULL;
}

static void take_close(struct item *item)
{
    struct order *o = list_of(item, struct order, item);
    struct routes *routes = o->routes;
    list_each_safe(it, &routes->entries)
    {
        struct entry *e = list_of(it, struct entry, age);
        if (e->facts) {
            dns_drive_cancel(e->drive);
            end_planning(e);
        }
        list_each_safe(w, &e->waiters)
        {
            struct route_request *r = list_of(w, struct route_request, list);
            free(r->domain); // whoever asked is gone
            free(r);
        }
        forget_entry(routes, e);
    }
    mailbox_close(routes->mail);
    free(o);
}

void routes_close(struct routes *routes)
{
    struct order *o = mem_new(sizeof *o);
    *o = (struct order){.item = {NULL, take_close}, .routes = routes};
    mailbox_post(routes->mail, &o->item);
    uv_thread_join(&routes->thread);
    uv_loop_close(&routes->loop);
    setup_unref(routes->setup);
    free(routes);
}
