// SPDX-License-Identifier: ISC
// The tables of a pool: addresses, idle connections by key. Holds what relay/deliver/pool.c hands it.
#include "relay/base/table.h"

#include <assert.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/deliver/pool_inside.h"

// Idle connections whose keys are equal.
struct pool_same {
    struct pool_key key;
    struct list connections;
    UT_hash_handle hh;
};

void pool_add_host(struct pool *pool, struct pool_host *host)
{
    HASH_ADD_KEYPTR(hh, pool->hosts, host->key, host->key_bytes, host);
}

struct pool_host *pool_table_host(struct pool *pool, const void *key, size_t n)
{
    struct pool_host *host;
    HASH_FIND(hh, pool->hosts, key, n, host);
    return host;
}

void pool_forget_host(struct pool *pool, struct pool_host *host)
{
    assert(host->open == 0);
    if (!list_empty(&host->quiet)) {
        list_remove(&host->quiet);
        pool->nquiet--;
    }
    HASH_DEL(pool->hosts, host);
    free(host->why);
    free(host);
}

static struct pool_same *pool_table_same(struct pool *pool, const struct pool_key *key)
{
    struct pool_same *entry;
    HASH_FIND(hh, pool->same, key, sizeof *key, entry);
    return entry;
}

void pool_table_idle_add(struct connection *c)
{
    struct pool_same *entry = pool_table_same(c->pool, &c->key);
    if (!entry) {
        entry = mem_new(sizeof *entry);
        entry->key = c->key;
        list_init(&entry->connections);
        HASH_ADD(hh, c->pool->same, key, sizeof entry->key, entry);
    }
    list_prepend(&entry->connections, &c->same);
}

void pool_table_idle_remove(struct connection *c)
{
    struct pool_same *entry = pool_table_same(c->pool, &c->key);
    assert(entry);
    list_remove(&c->same);
    if (!list_empty(&entry->connections))
        return;
    HASH_DEL(c->pool->same, entry);
    free(entry);
}

struct connection *pool_table_idle(struct pool *pool, const struct pool_key *key)
{
    // The one used last is the least likely to have been dropped by its peer.
    struct pool_same *entry = pool_table_same(pool, key);
    return entry ? list_of(entry->connections.next, struct connection, same) : NULL;
}
