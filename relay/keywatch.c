// SPDX-License-Identifier: ISC
// The watch over published keys. Only remembers what sign/published.h said; never refuses anything.
#include "relay/keywatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/memory.h"
#include "relay/log.h"
#include "sign/published.h"

#define HASH_FUNCTION(key, length, hash) (hash) = (unsigned)XXH3_64bits(key, length)
#include <uthash.h>

struct watched {
    UT_hash_handle hh;
    size_t domain, key; // places in the setup of the watch
    enum published state;
    char name[]; // "selector._domainkey.domain"
};

struct keywatch {
    struct worker *worker;
    struct setup *setup;
    uv_timer_t timer;
    struct watched *all; // in the order of the configuration
    struct watched *now; // being looked up; NULL: none
    struct facts *facts;
    struct dns_drive *drive;
    void (*gone)(void *arg);
    void *arg;
};

static void name_key(const struct cfg_dkim_domain *domain, size_t i, char *out, size_t room)
{
    snprintf(out, room, "%s._domainkey.%s", domain->keys[i].selector, domain->domain);
}

static bool evaluate(void *arg)
{
    struct keywatch *w = arg;
    const struct setup_domain *d = &w->setup->domains[w->now->domain];
    char text[256];
    enum published found;
    bool more = published_check(d->config->domain, d->config->keys[w->now->key].selector,
                                d->keys[w->now->key], w->facts, &found, text);
    if (more)
        return true;
    // Trouble in the DNS does not take back what was known.
    if (found != w->now->state && found != PUBLISHED_UNKNOWN) {
        w->now->state = found;
        if (found != PUBLISHED_SAME && w->worker->index == 0) // one worker tells
            log_alarm("key", "%s: %s", w->now->name, text);
    }
    return false;
}

static void look_at_next(struct keywatch *w, struct watched *next);

static void answered(void *arg)
{
    struct keywatch *w = arg;
    w->drive = NULL;
    look_at_next(w, w->now->hh.next);
}

static void look_at_next(struct keywatch *w, struct watched *next)
{
    facts_free(w->facts);
    w->facts = NULL;
    w->now = next;
    if (!next)
        return;
    w->facts = facts_new();
    w->drive = dns_drive(w->worker->relay->dns, w->worker->mail, w->facts, evaluate, answered, w);
}

static void on_timer(uv_timer_t *timer)
{
    struct keywatch *w = timer->data;
    if (!w->now)
        look_at_next(w, w->all);
}

static void forget_all(struct keywatch *w)
{
    dns_drive_cancel(w->drive);
    w->drive = NULL;
    facts_free(w->facts);
    w->facts = NULL;
    w->now = NULL;
    while (w->all) {
        struct watched *k = w->all;
        HASH_DEL(w->all, k);
        free(k);
    }
    setup_unref(w->setup);
    w->setup = NULL;
}

static void adopt(struct keywatch *w, struct setup *setup)
{
    const struct config *c = setup->config;
    w->setup = setup_ref(setup);
    for (size_t d = 0; c->require_published && d < c->ndkim; d++)
        for (size_t i = 0; c->dkim[d].nkeys > 1 && i < c->dkim[d].nkeys; i++) {
            char name[512];
            name_key(&c->dkim[d], i, name, sizeof name);
            size_t n = strlen(name);
            struct watched *k = mem_new(sizeof *k + n + 1);
            *k = (struct watched){.domain = d, .key = i, .state = PUBLISHED_UNKNOWN};
            memcpy(k->name, name, n);
            HASH_ADD_KEYPTR(hh, w->all, k->name, n, k);
        }
    uv_timer_start(&w->timer, on_timer, 0, KEYWATCH_MS);
}

struct keywatch *keywatch_new(struct worker *worker, struct setup *setup)
{
    struct keywatch *w = mem_new(sizeof *w);
    w->worker = worker;
    uv_timer_init(&worker->loop, &w->timer);
    w->timer.data = w;
    adopt(w, setup);
    return w;
}

void keywatch_reload(struct keywatch *w, struct setup *setup)
{
    forget_all(w);
    adopt(w, setup);
}

static void timer_closed(uv_handle_t *handle)
{
    struct keywatch *w = handle->data;
    w->gone(w->arg);
}

void keywatch_stop(struct keywatch *w, void (*gone)(void *arg), void *arg)
{
    forget_all(w);
    w->gone = gone;
    w->arg = arg;
    uv_close((uv_handle_t *)&w->timer, timer_closed);
}

void keywatch_free(struct keywatch *w)
{
    free(w);
}

static enum published state_of(const struct keywatch *w, const struct cfg_dkim_domain *domain,
                               size_t i)
{
    char name[512];
    struct watched *k;
    name_key(domain, i, name, sizeof name);
    HASH_FIND_STR(w->all, name, k);
    return k ? k->state : PUBLISHED_UNKNOWN;
}

bool keywatch_signs(const struct keywatch *w, const struct cfg_dkim_domain *domain, size_t i)
{
    if (!w || domain->nkeys < 2)
        return true;
    enum published state = state_of(w, domain, i);
    if (state == PUBLISHED_SAME || state == PUBLISHED_UNKNOWN)
        return true;
    for (size_t k = 0; k < domain->nkeys; k++)
        if (state_of(w, domain, k) == PUBLISHED_SAME)
            return false;
    return true;
}
