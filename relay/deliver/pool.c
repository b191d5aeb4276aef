// SPDX-License-Identifier: ISC
// Idle connections and the addresses they lead to. Speaks no SMTP but a QUIT at the end, decides no
// policy: it compares keys and does not judge what they stand for.
#include "relay/deliver/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "config/login.h"
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/deliver/pool_inside.h"
#include "relay/deliver/pool_speech.h"
#include "relay/deliver/seen.h"
#include "relay/deliver/retry.h"

static void pool_quota_freed(void *arg)
{
    struct pool *pool = arg;
    pool->freed(pool->arg);
}

// n 0: any.
static bool evict_key(struct pool *pool, const void *key, size_t n)
{
    list_each (it, &pool->idle) {
        struct connection *c = list_of(it, struct connection, list);
        if (n && (c->to->key_bytes != n || memcmp(c->to->key, key, n) != 0))
            continue;
        pool_close_idle(c);
        return true;
    }
    return false;
}

static void pool_quota_evict(const void *key, size_t n, void *arg)
{
    evict_key(arg, key, n);
}

struct pool *pool_new(struct worker *worker, void (*freed)(void *arg), void *arg)
{
    struct pool *pool = mem_new(sizeof *pool);
    pool->worker = worker;
    pool->freed = freed;
    pool->arg = arg;
    list_init(&pool->idle);
    list_init(&pool->quiet);
    random_bytes(pool->secret, sizeof pool->secret);
    struct quota_calls calls = {.freed = pool_quota_freed, .evict = pool_quota_evict, .arg = pool};
    pool->quota = quota_join(worker, &calls);
    pool->tickets = tickets_join(worker->relay);
    return pool;
}

void pool_reload(struct pool *pool)
{
    // Rules, trust and credentials may have changed: begin anew.
    list_each_safe (it, &pool->idle)
        pool_close_idle(list_of(it, struct connection, list));
    tickets_forget(pool->tickets);
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    list_each_safe (it, &pool->idle)
        pool_close_idle(list_of(it, struct connection, list));
    assert(pool->open == 0);
    quota_leave(pool->quota);
    tickets_leave(pool->tickets, pool->worker->relay);
    list_each_safe (it, &pool->quiet)
        pool_forget_host(pool, list_of(it, struct pool_host, quiet));
    assert(!pool->hosts);
    free(pool);
}

// An address with its port, as a key.
static size_t address_key(const struct sockaddr *a, unsigned char out[static 20])
{
    size_t n;
    const unsigned char *bytes = address_bytes(a, &n);
    uint16_t port = address_port(a);
    memcpy(out, bytes, n);
    memcpy(out + n, &port, sizeof port);
    return n + sizeof port;
}

static void key_text(struct buf *text, const char *value)
{
    buf_adds(text, value ? value : "");
    buf_addc(text, '\0'); // so that two values never read as two others
}

struct pool_key pool_key(const struct pool *pool, const struct route_host *host,
                         const struct sockaddr *to, const struct sockaddr *from)
{
    struct buf text;
    buf_init(&text, 65536);
    unsigned char bytes[20];
    buf_add(&text, bytes, address_key(to, bytes));
    buf_addc(&text, host->implicit_tls ? 1 : 0);
    key_text(&text, host->host);
    key_text(&text, host->demand.sni);
    key_text(&text, host->demand.key);
    buf_add(&text, bytes, from ? address_key(from, bytes) : 0);
    buf_addc(&text, '\0');
    login_identity(host->login, &text);
    if (host->identity)
        key_text(&text, host->rule->identity.chain);
    assert(!text.full);
    // Keyed: whoever chooses host names cannot make two keys equal.
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSecret(text.data, text.len, pool->secret,
                                                                 sizeof pool->secret));
    struct pool_key key;
    memcpy(key.digest, canonical.digest, sizeof key.digest);
    buf_free(&text);
    return key;
}

// Addresses

static struct pool_host *find_host(struct pool *pool, const struct sockaddr *to, bool make)
{
    unsigned char key[20] = {0};
    size_t n = address_key(to, key);
    struct pool_host *host = pool_table_host(pool, key, n);
    if (host || !make)
        return host;
    host = mem_new(sizeof *host);
    memcpy(host->key, key, n);
    host->key_bytes = n;
    list_init(&host->quiet);
    pool_add_host(pool, host);
    return host;
}

// An address without connections is remembered while something is known of it, and up to a bound.
static void settle_host(struct pool *pool, struct pool_host *host)
{
    if (host->open)
        return;
    if (!host->failures && !host->out_of_step_ms && !host->no_chunking_ms && !host->nchunks &&
        !host->clean && !host->astray_ms) {
        pool_forget_host(pool, host);
        return;
    }
    if (list_empty(&host->quiet))
        pool->nquiet++;
    list_append(&pool->quiet, &host->quiet);
    if (pool->nquiet > POOL_QUIET_HOSTS)
        pool_forget_host(pool, list_of(pool->quiet.next, struct pool_host, quiet));
}

enum pool_gate pool_gate(struct pool *pool, const struct sockaddr *to, struct why *why)
{
    struct pool_host *host = find_host(pool, to, false);
    unsigned char key[QUOTA_KEY];
    size_t n = address_key(to, key);
    if (host && host->failures && clock_mono_ms() < host->until_ms) {
        *why = *host->why;
        return POOL_BACKOFF;
    }
    uint64_t per_host = pool->worker->setup->config->delivery.per_host;
    return quota_full(pool->quota, key, n, per_host) ? POOL_FULL : POOL_YES;
}

bool pool_has_room(struct pool *pool)
{
    return quota_has_room(pool->quota, pool->worker->setup->config->delivery.total);
}

// Connections

struct connection *connection_open(struct pool *pool, const struct sockaddr *to)
{
    unsigned char key[QUOTA_KEY];
    size_t n = address_key(to, key);
    const struct cfg_delivery *d = &pool->worker->setup->config->delivery;
    if (!quota_take(pool->quota, key, n, d->per_host, d->total))
        return NULL;
    struct connection *c = mem_new(sizeof *c);
    list_init(&c->list);
    list_init(&c->same);
    list_init(&c->site);
    list_init(&c->flight);
    c->pool = pool;
    c->to = find_host(pool, to, true);
    if (!list_empty(&c->to->quiet)) {
        list_remove(&c->to->quiet);
        pool->nquiet--;
    }
    c->to->open++;
    pool->open++;
    smtp_reply_init(&c->reply);
    c->opened_ms = c->used_ms = clock_mono_ms();
    atomic_fetch_add_explicit(&pool->worker->relay->counters.connections_out, 1,
                              memory_order_relaxed);
    return c;
}

static void leave_idle(struct connection *c)
{
    if (list_empty(&c->list))
        return;
    list_remove(&c->list);
    list_remove(&c->site);
    (*c->site_idle)--;
    pool_table_idle_remove(c);
}

void connection_close(struct connection *c, bool now)
{
    if (!c)
        return;
    struct pool *pool = c->pool;
    assert(list_empty(&c->flight));
    leave_idle(c);
    free(c->gone);
    if (c->stream)
        stream_close(c->stream, now);
    c->to->open--;
    pool->open--;
    quota_give(pool->quota, c->to->key, c->to->key_bytes);
    settle_host(pool, c->to);
    smtp_reply_free(&c->reply);
    shown_unref(c->shown);
    seen_free(c->seen);
    free(c->would);
    free(c);
    pool->freed(pool->arg);
}

void connection_failed(struct connection *c, const struct why *why)
{
    const struct cfg_delivery *d = &c->pool->worker->setup->config->delivery;
    struct pool_host *host = c->to;
    // Many connections that fail together are one failure.
    if (host->failures && clock_mono_ms() < host->until_ms)
        return;
    host->failures++;
    host->until_ms = clock_mono_ms() + retry_host_wait(d->retry, d->nretry, host->failures);
    if (!host->why)
        host->why = mem_new(sizeof *host->why);
    *host->why = *why;
}

void connection_worked(struct connection *c)
{
    c->to->failures = 0;
    free(c->to->why);
    c->to->why = NULL;
}

// What is idle

void pool_close_idle(struct connection *c)
{
    stream_write(c->stream, "QUIT\r\n", 6); // RFC 5321 section 4.1.1.10; its answer is not awaited
    connection_close(c, false);
}

// An idle peer has nothing to send but the end of the connection.
static void pool_idle_event(struct stream *s, enum stream_event event, void *arg)
{
    (void)s;
    struct connection *c = arg;
    if (event == STREAM_DRAINED)
        return;
    if (event == STREAM_DATA && connection_unasked(c))
        pool_note_out_of_step(c);
    if (event == STREAM_TIMEOUT)
        pool_close_idle(c);
    else
        connection_close(c, true);
}

void pool_give(struct pool *pool, struct connection *c, struct list *site, size_t *site_idle)
{
    const struct cfg_delivery *d = &pool->worker->setup->config->delivery;
    uint64_t now = clock_mono_ms(), age = now - c->opened_ms;
    bool spoke = stream_input(c->stream)->len > 0; // nobody asked: replies would be out of step
    if (connection_unasked(c))
        pool_note_out_of_step(c);
    if (spoke || c->gone || pool->closed || !d->idle || c->messages >= d->messages ||
        age >= POOL_LIFE_MS || connection_spent(c)) {
        stream_write(c->stream, "QUIT\r\n", 6);
        connection_close(c, spoke || c->gone);
        return;
    }
    c->used_ms = now;
    c->site_idle = site_idle;
    (*site_idle)++;
    list_append(&pool->idle, &c->list);
    list_append(site, &c->site);
    pool_table_idle_add(c);
    stream_rebind(c->stream, pool_idle_event, c);
    uint64_t left = POOL_LIFE_MS - age;
    stream_deadline(c->stream, d->idle < left ? d->idle : left);
    quota_idle(pool->quota, c->to->key, c->to->key_bytes);
}

struct connection *pool_take(struct pool *pool, const struct pool_key *key)
{
    struct connection *c = pool_table_idle(pool, key);
    if (c)
        leave_idle(c);
    return c;
}

bool pool_has_idle(const struct pool *pool)
{
    return !list_empty(&pool->idle);
}

bool pool_evict(struct pool *pool)
{
    return evict_key(pool, NULL, 0);
}

bool pool_evict_at(struct pool *pool, const struct sockaddr *to)
{
    unsigned char key[QUOTA_KEY];
    size_t n = address_key(to, key);
    return evict_key(pool, key, n);
}

void pool_shut(struct pool *pool)
{
    pool->closed = true;
    list_each_safe (it, &pool->idle)
        pool_close_idle(list_of(it, struct connection, list));
}

// Tickets

bool pool_ticket(struct pool *pool, const struct pool_key *key, struct buf *data,
                 struct ticket_proof *stands_for)
{
    return tickets_take(pool->tickets, key, data, stands_for);
}

void pool_drop_tickets(struct pool *pool, const struct pool_key *key)
{
    tickets_drop(pool->tickets, key);
}

void pool_keep_tickets(struct pool *pool, struct connection *c)
{
    struct tls_session *ch = c->stream ? stream_tls(c->stream) : NULL;
    uint64_t end = c->opened_ms + TICKET_LIFE_MS;
    // What was resumed carries its proof on only until the first proof's own end.
    if (c->resumed && c->offered.expires_ms < end)
        end = c->offered.expires_ms;
    struct ticket_proof proof = {true, c->proof, c->not_after_s, end};
    struct buf data;
    bool again;
    while (ch && tls_session_ticket(ch, &data, &again))
        tickets_keep(pool->tickets, &c->key, &data, again, &proof);
}
