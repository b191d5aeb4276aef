// SPDX-License-Identifier: ISC
// The answer cache: one table of entries, each with an answer, with waiters, or both; a list in the
// order of use for the bound in bytes.
#include "dns/cache.h"

#include <stdlib.h>
#include <string.h>
#include "dns/name.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"

#define ENTRY_COST 256 // bytes: the entry, its hash handle, malloc's own, rounded up

struct entry {
    UT_hash_handle hh;
    struct list used; // in cache.used while there is an answer, latest last
    struct dns_answer *answer;
    uint64_t cost;
    bool looking_up;
    struct list waiters;
    size_t nkey;
    char key[]; // type, two bytes, then the name
};

struct cache {
    struct entry *table;
    struct list used;
    uint64_t bytes, max;
};

struct cache *cache_new(uint64_t max_bytes)
{
    struct cache *cache = mem_new(sizeof *cache);
    list_init(&cache->used);
    cache->max = max_bytes;
    return cache;
}

static uint64_t cost_of(const struct dns_answer *a)
{
    uint64_t n = ENTRY_COST + sizeof *a + 3 * strlen(a->name) + strlen(a->canonical);
    for (size_t i = 0; i < a->nrecords; i++)
        n += sizeof *a->records + a->records[i].rdata.n + 32;
    return n;
}

static void drop_answer(struct cache *cache, struct entry *e)
{
    if (!e->answer)
        return;
    cache->bytes -= e->cost;
    dns_answer_unref(e->answer);
    e->answer = NULL;
    list_remove(&e->used);
}

// An entry without answer and without lookup has no reason to be.
static void cache_settle(struct cache *cache, struct entry *e)
{
    if (e->answer || e->looking_up)
        return;
    HASH_DEL(cache->table, e);
    free(e);
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    struct entry *e, *next;
    HASH_ITER (hh, cache->table, e, next) {
        drop_answer(cache, e);
        list_remove(&e->waiters);
        e->looking_up = false;
        cache_settle(cache, e);
    }
    free(cache);
}

static struct entry *entry_of(struct cache *cache, const char *name, uint16_t type)
{
    size_t n = strlen(name), nkey = sizeof type + n;
    struct entry *e, *fresh = mem_new(sizeof *fresh + nkey + 1);
    memcpy(fresh->key, &type, sizeof type);
    memcpy(fresh->key + sizeof type, name, n);
    HASH_FIND(hh, cache->table, fresh->key, nkey, e);
    if (e) {
        free(fresh);
        return e;
    }
    fresh->nkey = nkey;
    list_init(&fresh->used);
    list_init(&fresh->waiters);
    HASH_ADD_KEYPTR(hh, cache->table, fresh->key, nkey, fresh);
    return fresh;
}

enum cache_verdict cache_ask(struct cache *cache, const char *name, uint16_t type, uint64_t now_ms,
                             struct list *waiter, struct dns_answer **answer)
{
    struct entry *e = entry_of(cache, name, type);
    if (e->answer && (uint64_t)e->answer->expires_ms > now_ms) {
        list_append(&cache->used, &e->used);
        *answer = e->answer;
        return CACHE_HIT;
    }
    list_init(waiter);
    list_append(&e->waiters, waiter);
    if (e->looking_up)
        return CACHE_WAIT;
    e->looking_up = true;
    return CACHE_LOOK_UP;
}

static void move_all(struct list *from, struct list *to)
{
    while (!list_empty(from))
        list_append(to, from->next);
}

// An expired failure is kept until its place is needed: it says how often it failed before.
static uint32_t failure_ttl(const struct dns_answer *before, uint64_t now_ms)
{
    if (!before || before->outcome != DNS_FAILED)
        return CACHE_FAILED_FIRST;
    uint64_t forgiven = (uint64_t)before->expires_ms + 2 * CACHE_FAILED_MOST * UINT64_C(1000);
    if (now_ms > forgiven)
        return CACHE_FAILED_FIRST;
    uint32_t twice = 2 * before->ttl;
    return twice < CACHE_FAILED_MOST ? twice : CACHE_FAILED_MOST;
}

void cache_put(struct cache *cache, struct dns_answer *answer, uint64_t now_ms,
               struct list *waiters)
{
    struct entry *e = entry_of(cache, answer->name, answer->type);
    if (answer->outcome == DNS_FAILED)
        answer->ttl = failure_ttl(e->answer, now_ms);
    if (answer->ttl > MAX_TTL)
        answer->ttl = MAX_TTL;
    answer->expires_ms = (int64_t)(now_ms + answer->ttl * UINT64_C(1000));
    e->looking_up = false;
    move_all(&e->waiters, waiters);
    drop_answer(cache, e);
    e->answer = dns_answer_ref(answer);
    e->cost = cost_of(answer);
    cache->bytes += e->cost;
    list_append(&cache->used, &e->used);
    while (cache->bytes > cache->max) {
        struct entry *oldest = list_of(cache->used.next, struct entry, used);
        drop_answer(cache, oldest);
        cache_settle(cache, oldest);
    }
}

void cache_give_up(struct cache *cache, struct list *waiters)
{
    struct entry *e, *next;
    HASH_ITER (hh, cache->table, e, next) {
        move_all(&e->waiters, waiters);
    }
}

void cache_forget(struct cache *cache, const char *name)
{
    struct entry *e, *next;
    HASH_ITER (hh, cache->table, e, next) {
        if (!name_below(e->key + sizeof(uint16_t), name))
            continue;
        drop_answer(cache, e);
        cache_settle(cache, e);
    }
}

uint64_t cache_bytes(const struct cache *cache)
{
    return cache->bytes;
}
