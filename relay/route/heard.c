// SPDX-License-Identifier: ISC
// What other relays of the fleet know, taken in by the routes thread: it raises what is demanded, and lowers nothing.
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/route/routes.h"
#include "relay/route/thread.h"
#include "relay/state/state.h"

// One of three: a policy, what a host proved, or what is to be forgotten.
struct heard {
    struct item item;
    struct routes *routes;
    char *domain, *id, *text; // the latter two: of a policy
    struct sts_row policy;
    struct memory_row memory;
    int64_t until_ms;
    uv_sem_t *done; // of routes_heard
};

static void heard_drop(struct heard *h)
{
    free(h->domain);
    free(h->id);
    free(h->text);
    free(h->memory.host);
    free(h);
}

static struct heard *heard_new(struct routes *routes, const char *domain,
                               void (*run)(struct item *item))
{
    struct heard *h = mem_new(sizeof *h);
    h->routes = routes;
    h->domain = mem_dup(domain);
    h->item.run = run;
    return h;
}

static void heard_run_policy(struct item *item)
{
    struct heard *h = list_of(item, struct heard, item);
    sts_cache_hear(h->routes->world.sts, &h->policy);
    heard_drop(h);
}

void routes_hear_policy(struct routes *routes, const struct sts_row *row)
{
    struct heard *h = heard_new(routes, row->domain, heard_run_policy);
    h->id = mem_dup(row->id);
    h->text = mem_dup(row->text);
    h->policy = (struct sts_row){h->domain, h->id, h->text, row->fetched_s, row->expires_s};
    inbox_post(routes->mail, &h->item);
}

static bool heard_is_old(const struct routes *routes, int64_t seen_s)
{
    return clock_s() - seen_s >= (int64_t)routes->setup->config->delivery.memory_days * 86400;
}

// Less than is remembered says nothing: the host may have been another to that relay.
static bool raises(const struct routes *routes, const struct memory_row *known,
                   const struct memory_row *heard)
{
    if (!known || heard_is_old(routes, known->seen_s) || heard->owes > known->owes ||
        heard->dane > known->dane)
        return true;
    return heard->owes == known->owes && heard->dane == known->dane &&
           heard->seen_s > known->seen_s;
}

static void heard_run_memory(struct item *item)
{
    struct heard *h = list_of(item, struct heard, item);
    struct tls_memory *memory = h->routes->world.memory;
    const struct config *config = h->routes->setup->config;
    const struct memory_row *known = tls_memory_row(memory, h->domain, h->memory.host);
    enum memory_owes before = known ? known->owes : OWES_NOTHING;
    int64_t seen = h->memory.seen_s;
    if (!heard_is_old(h->routes, seen) && raises(h->routes, known, &h->memory)) {
        if (known && known->seen_s > seen)
            seen = known->seen_s;
        if (tls_memory_learn(memory, h->domain, h->memory.host, h->memory.owes, h->memory.dane,
                             seen, config->delivery.memory_days))
            state_keep_memory(h->routes->relay->state, h->domain,
                              tls_memory_row(memory, h->domain, h->memory.host));
        if (routes_demand_more(config, h->memory.owes, before))
            routes_mark_stale(h->routes, h->domain);
    }
    heard_drop(h);
}

void routes_hear_memory(struct routes *routes, const char *domain, const struct memory_row *row)
{
    struct heard *h = heard_new(routes, domain, heard_run_memory);
    h->memory = *row;
    h->memory.host = mem_dup(row->host);
    inbox_post(routes->mail, &h->item);
}

static void heard_run_forgotten(struct item *item)
{
    struct heard *h = list_of(item, struct heard, item);
    struct tls_memory *memory = h->routes->world.memory;
    const struct memory_row *known = tls_memory_row(memory, h->domain, h->memory.host);
    if (known && known->seen_s * 1000 <= h->until_ms) {
        const struct memory_row gone = {h->memory.host, known->seen_s, OWES_NOTHING, false};
        state_keep_memory(h->routes->relay->state, h->domain, &gone);
        tls_memory_forget(memory, h->domain, h->memory.host);
        routes_mark_stale(h->routes, h->domain);
    }
    heard_drop(h);
}

void routes_hear_forgotten(struct routes *routes, const char *domain, const char *host,
                           int64_t until_ms)
{
    struct heard *h = heard_new(routes, domain, heard_run_forgotten);
    h->memory.host = mem_dup(host);
    h->until_ms = until_ms;
    inbox_post(routes->mail, &h->item);
}

static void heard_run_done(struct item *item)
{
    struct heard *h = list_of(item, struct heard, item);
    uv_sem_post(h->done);
    heard_drop(h);
}

void routes_heard(struct routes *routes)
{
    uv_sem_t done;
    uv_sem_init(&done, 0);
    struct heard *h = heard_new(routes, "", heard_run_done);
    h->done = &done;
    inbox_post(routes->mail, &h->item);
    uv_sem_wait(&done);
    uv_sem_destroy(&done);
}
