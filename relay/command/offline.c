// SPDX-License-Identifier: ISC
// A small world for one command: the same planning as the relay's, driven until it is done.
#include "relay/command/offline.h"

#include <stdlib.h>
#include "config/load.h"
#include "relay/base/mem.h"
#include "relay/route/refused.h"
#include "relay/state/state.h"

struct offline {
    uv_loop_t loop;
    struct inbox *mail;
    struct setup *setup;
    struct dns *dns;
    struct https *https;
    struct planning_world world;
    bool done;
    struct sts_view *sts; // where offline_sts wants its answer
};

static bool offline_is_refused(void *arg, const struct sockaddr *address)
{
    struct offline *o = arg;
    return refused_address(o->setup->config, address);
}

static void offline_restore_policy(void *arg, const struct sts_row *row)
{
    struct offline *o = arg;
    sts_cache_restore(o->world.sts, row);
}

static void offline_restore_memory(void *arg, const char *domain, const struct memory_row *row)
{
    struct offline *o = arg;
    tls_memory_learn(o->world.memory, domain, row->host, row->owes, row->dane, row->seen_s,
                     o->setup->config->delivery.memory_days);
}

static int open_world(struct offline *o, const struct offline_options *options, struct why *why)
{
    struct dns_options dns = {.config = &options->config->dns,
                              .answers_file = options->dns_file,
                              .resolver = options->resolver};
    o->dns = dns_open(&dns, why);
    if (!o->dns)
        return -1;
    struct https_options https = {
        .mail = o->mail, .dns = o->dns, .rules = {o->setup->trust, offline_is_refused, o, NULL}};
    o->https = https_open(&https, why);
    if (!o->https)
        return -1;
    struct sts_cache_options sts = {
        .loop = &o->loop, .mail = o->mail, .dns = o->dns, .https = o->https};
    o->world = (struct planning_world){
        .dns = o->dns, .mail = o->mail, .sts = sts_cache_open(&sts), .memory = tls_memory_new()};
    if (options->state_file)
        return state_read(options->state_file, offline_restore_policy, offline_restore_memory, o,
                          why);
    return 0;
}

struct offline *offline_open(const struct offline_options *options, struct why *why)
{
    struct offline *o = mem_new(sizeof *o);
    struct config_load load;
    if (uv_loop_init(&o->loop) < 0) {
        why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: no descriptor is left");
        free(o);
        return NULL;
    }
    o->mail = inbox_open(&o->loop);
    config_load_init(&load);
    o->setup = setup_for_routes(options->config, &load);
    int rc = 0;
    if (!o->mail)
        rc = why_set(why, WHY_OURS, "4.3.0", "cannot make an event loop: no descriptor is left");
    else if (!o->setup)
        rc = why_set(why, WHY_OURS, "4.3.0", "%s", buf_text(&load.errors));
    config_load_free(&load);
    if (rc == 0 && open_world(o, options, why) == 0)
        return o;
    offline_close(o);
    return NULL;
}

void offline_close(struct offline *o)
{
    if (o->world.sts)
        sts_cache_close(o->world.sts);
    if (o->https)
        https_close(o->https);
    tls_memory_free(o->world.memory);
    if (o->dns)
        dns_close(o->dns);
    inbox_close(o->mail);
    uv_run(&o->loop, UV_RUN_DEFAULT);
    uv_loop_close(&o->loop);
    setup_unref(o->setup);
    free(o);
}

static void offline_done(void *arg)
{
    struct offline *o = arg;
    o->done = true;
}

static void run_until_done(struct offline *o)
{
    while (!o->done)
        uv_run(&o->loop, UV_RUN_ONCE);
}

struct planning *offline_plan(struct offline *o, const struct route_wish *wish)
{
    o->done = false;
    struct planning *p = planning_start(&o->world, o->setup, wish, offline_done, o);
    run_until_done(o);
    return p;
}

static void offline_sts_came(const struct sts_view *view, void *arg)
{
    struct offline *o = arg;
    sts_view_copy(o->sts, view);
    o->done = true;
}

void offline_sts(struct offline *o, const char *domain, struct sts_view *out)
{
    o->done = false;
    o->sts = out;
    sts_cache_refresh(o->world.sts, domain, true, offline_sts_came, o);
    run_until_done(o);
}

uv_loop_t *offline_loop(struct offline *o)
{
    return &o->loop;
}

struct dns *offline_dns(struct offline *o)
{
    return o->dns;
}
