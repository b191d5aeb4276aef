// SPDX-License-Identifier: ISC
// The tables of a pool: addresses, idle connections by key, session tickets by key. Holds what
// relay/deliver/pool.c hands it, within bounds.
#include "relay/base/table.h"

#include <assert.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/deliver/pool_inside.h"

// Idle connections whose keys are equal.
struct pool_same {
    struct pool_key key;
    struct list connections;
    UT_hash_handle hh;
};

struct pool_kept {
    struct pool_key key;
    struct list list;
    struct buf data;
    struct ticket_proof stands_for;
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

static void forget_ticket(struct pool *pool, struct pool_kept *kept)
{
    HASH_DEL(pool->tickets, kept);
    list_remove(&kept->list);
    buf_free(&kept->data);
    free(kept);
    pool->ntickets--;
}

void pool_forget_tickets(struct pool *pool)
{
    list_each_safe (it, &pool->fresh)
        forget_ticket(pool, list_of(it, struct pool_kept, list));
}

static struct pool_kept *find_ticket(struct pool *pool, const struct pool_key *key)
{
    struct pool_kept *kept;
    HASH_FIND(hh, pool->tickets, key, sizeof *key, kept);
    return kept;
}

bool pool_ticket(struct pool *pool, const struct pool_key *key, struct pool_ticket *out)
{
    struct pool_kept *kept = find_ticket(pool, key);
    if (!kept)
        return false;
    const struct ticket_proof *proof = &kept->stands_for;
    if (clock_mono_ms() >= proof->expires_ms ||
        (proof->not_after_s && clock_s() >= proof->not_after_s)) {
        forget_ticket(pool, kept);
        return false;
    }
    *out = (struct pool_ticket){
        .data = kept->data.data,
        .n = kept->data.len,
        .stands_for = *proof,
    };
    return true;
}

void pool_drop_ticket(struct pool *pool, const struct pool_key *key)
{
    struct pool_kept *kept = find_ticket(pool, key);
    if (kept)
        forget_ticket(pool, kept);
}

void pool_keep_ticket(struct pool *pool, struct connection *c, uint64_t route_expires_ms)
{
    struct tls_session *ch = c->stream ? stream_tls(c->stream) : NULL;
    if (c->ticket_kept || !ch)
        return;
    uint64_t end = c->opened_ms + POOL_TICKET_MS;
    if (route_expires_ms < end)
        end = route_expires_ms;
    // What was resumed carries its proof on only until the first proof's own end.
    if (c->resumed && c->offered.expires_ms < end)
        end = c->offered.expires_ms;
    struct pool_kept *before = find_ticket(pool, &c->key);
    struct buf data;
    buf_init(&data, TLS_SESSION_BUFFER);
    if (!tls_session_ticket(ch, &data) || !data.len) {
        buf_free(&data);
        return;
    }
    if (before)
        forget_ticket(pool, before);
    struct pool_kept *kept = mem_new(sizeof *kept);
    kept->key = c->key;
    buf_move(&kept->data, &data);
    kept->stands_for = (struct ticket_proof){true, c->proof, c->not_after_s, end};
    list_init(&kept->list);
    list_append(&pool->fresh, &kept->list);
    HASH_ADD(hh, pool->tickets, key, sizeof kept->key, kept);
    if (++pool->ntickets > POOL_TICKETS)
        forget_ticket(pool, list_of(pool->fresh.next, struct pool_kept, list));
    c->ticket_kept = true;
}
