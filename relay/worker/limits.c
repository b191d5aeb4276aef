// SPDX-License-Identifier: ISC
// Counts of connections, rates and hashing turns. Never talks to a client and never logs.
#include "relay/worker/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/worker/slices.h"

struct entry {
    UT_hash_handle hh;
    uint64_t count;   // connections
    uint64_t time_ms; // rates: when `tokens` was right
    double tokens;
    char key[];
};

enum table { CLIENTS, RATES, TABLES };

struct limits {
    pthread_mutex_t lock;
    struct limits *_Atomic *slot;
    unsigned refs;
    struct entry *tables[TABLES];
    struct gate {
        unsigned inside, most, waiting;
        struct limits_turn *first, **last;
    } gates[TURNS];
    _Atomic unsigned asked;
    struct slices *slices; // of a fleet; NULL: none
};

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; // guards slots and references

static struct limits *limits_new(void)
{
    struct limits *l = mem_new(sizeof *l);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (size_t i = 0; i < TURNS; i++)
        l->gates[i] = (struct gate){.most = 1, .last = &l->gates[i].first};
    l->gates[TURN_HASH].most = cores > 3 ? (unsigned)cores / 2 : 1;
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

struct limits *limits_shared(struct limits *_Atomic *slot)
{
    pthread_mutex_lock(&making);
    struct limits *l = *slot;
    if (!l) {
        l = limits_new();
        l->slot = slot;
        *slot = l;
    }
    l->refs++;
    pthread_mutex_unlock(&making);
    return l;
}

static void limits_forget(struct limits *l, enum table table, struct entry *e)
{
    HASH_DEL(l->tables[table], e);
    free(e);
}

void limits_unref(struct limits *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&making);
    bool last = --l->refs == 0;
    if (last)
        *l->slot = NULL;
    pthread_mutex_unlock(&making);
    if (!last)
        return;
    for (enum table t = 0; t < TABLES; t++)
        while (l->tables[t])
            limits_forget(l, t, l->tables[t]);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static struct entry *limits_find(struct limits *l, enum table table, const char *key)
{
    struct entry *e;
    HASH_FIND_STR(l->tables[table], key, e);
    return e;
}

static struct entry *limits_find_or_add(struct limits *l, enum table table, const char *key)
{
    struct entry *e = limits_find(l, table, key);
    if (e)
        return e;
    if (table != CLIENTS && HASH_COUNT(l->tables[table]) >= LIMITS_ENTRIES)
        limits_forget(l, table, l->tables[table]); // the head is the oldest
    size_t n = strlen(key);
    e = mem_new(sizeof *e + n + 1);
    memcpy(e->key, key, n);
    HASH_ADD_KEYPTR(hh, l->tables[table], e->key, n, e);
    return e;
}

#define CLIENT_KEY 40
static const char *client_key(const struct sockaddr *client, char out[static CLIENT_KEY])
{
    size_t n = 0;
    uint32_t uid;
    if (client && address_uid(client, &uid)) {
        snprintf(out, CLIENT_KEY, "u%u", uid);
        return out;
    }
    const unsigned char *bytes = client ? address_plain(client, &n) : NULL;
    out[0] = 0;
    for (size_t i = 0; i < n && i < 8; i++) // of IPv6 the /64
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return out;
}

bool limits_enter(struct limits *l, const struct sockaddr *client, uint64_t per_client)
{
    char key[CLIENT_KEY];
    client_key(client, key);
    pthread_mutex_lock(&l->lock);
    struct entry *e = limits_find_or_add(l, CLIENTS, key);
    bool room = e->count < per_client;
    if (room)
        e->count++;
    else if (!e->count)
        limits_forget(l, CLIENTS, e);
    pthread_mutex_unlock(&l->lock);
    return room;
}

void limits_leave(struct limits *l, const struct sockaddr *client)
{
    char key[CLIENT_KEY];
    client_key(client, key);
    pthread_mutex_lock(&l->lock);
    struct entry *e = limits_find(l, CLIENTS, key);
    assert(e && e->count);
    if (--e->count == 0)
        limits_forget(l, CLIENTS, e);
    pthread_mutex_unlock(&l->lock);
}

// What a bucket holds now; a new one is full.
static double filled(const struct entry *e, struct rate rate, uint64_t now)
{
    double full = (double)rate.count, tokens = full;
    if (e && e->time_ms)
        tokens = e->tokens + (double)(now - e->time_ms) * full / (double)rate.per_ms;
    return tokens < full ? tokens : full;
}

void limits_share(struct limits *l, struct slices *slices)
{
    pthread_mutex_lock(&l->lock);
    l->slices = slices;
    pthread_mutex_unlock(&l->lock);
}

// A message has a hundred recipients at most before anybody may refuse some of them (RFC 5321 section 4.5.3.1.8).
#define CREDIT_RECIPIENTS 100
static const char *limits_name(enum limits_kind kind)
{
    return kind == LIMITS_MESSAGES ? "messages" : "recipients";
}

static struct slice_budget limits_budget(enum limits_kind kind, struct rate rate)
{
    double size = (double)rate.count;
    double credit = kind == LIMITS_MESSAGES ? 1 : CREDIT_RECIPIENTS;
    return (struct slice_budget){.size = size,
                                 .per_ms = size / (double)rate.per_ms,
                                 .credit = credit < size ? credit : size};
}

bool limits_spend(struct limits *l, enum limits_kind kind, const char *principal, struct rate rate,
                  uint64_t n)
{
    if (!rate.count || !rate.per_ms)
        return true;
    if (l->slices) {
        struct slice_budget budget = limits_budget(kind, rate);
        char *name = mem_printf("%s %s", limits_name(kind), principal);
        bool some = slices_spend(l->slices, NULL, name, &budget, (double)n);
        free(name);
        return some;
    }
    char *key = mem_printf("%d %s", kind, principal);
    uint64_t now = clock_mono_ms();
    pthread_mutex_lock(&l->lock);
    struct entry *e = limits_find_or_add(l, RATES, key);
    e->tokens = filled(e, rate, now);
    e->time_ms = now;
    bool enough = e->tokens >= (double)n;
    if (enough)
        e->tokens -= (double)n;
    pthread_mutex_unlock(&l->lock);
    free(key);
    return enough;
}

uint64_t limits_left(struct limits *l, enum limits_kind kind, const char *principal,
                     struct rate rate)
{
    if (!rate.count || !rate.per_ms)
        return UINT64_MAX;
    if (l->slices) {
        struct slice_budget budget = limits_budget(kind, rate);
        char *name = mem_printf("%s %s", limits_name(kind), principal);
        double left = slices_left(l->slices, name, &budget);
        free(name);
        return (uint64_t)left;
    }
    char *key = mem_printf("%d %s", kind, principal);
    pthread_mutex_lock(&l->lock);
    double left = filled(limits_find(l, RATES, key), rate, clock_mono_ms());
    pthread_mutex_unlock(&l->lock);
    free(key);
    return (uint64_t)left;
}

enum limits_answer limits_turn_take(struct limits *l, struct limits_turn *turn)
{
    enum limits_answer answer = LIMITS_FULL;
    struct gate *gate = &l->gates[turn->kind];
    pthread_mutex_lock(&l->lock);
    if (gate->inside < gate->most) {
        gate->inside++;
        answer = LIMITS_GO;
    } else if (gate->waiting < LIMITS_WAITING) {
        gate->waiting++;
        turn->behind = NULL;
        *gate->last = turn;
        gate->last = &turn->behind;
        answer = LIMITS_WAIT;
    }
    pthread_mutex_unlock(&l->lock);
    return answer;
}

// The first in line goes in where there is room. Under the lock.
static struct limits_turn *let_in(struct gate *gate)
{
    struct limits_turn *next = gate->first;
    if (!next || gate->inside >= gate->most)
        return NULL;
    gate->first = next->behind;
    if (!gate->first)
        gate->last = &gate->first;
    gate->waiting--;
    gate->inside++;
    return next;
}

static void let_in_all(struct limits *l, struct gate *gate)
{
    struct limits_turn *next;
    do {
        pthread_mutex_lock(&l->lock);
        next = let_in(gate);
        pthread_mutex_unlock(&l->lock);
        if (next)
            inbox_post(next->mail, &next->item);
    } while (next);
}

void limits_turn_end(struct limits *l, enum limits_turns kind)
{
    struct gate *gate = &l->gates[kind];
    pthread_mutex_lock(&l->lock);
    gate->inside--;
    pthread_mutex_unlock(&l->lock);
    let_in_all(l, gate);
}

bool limits_turn_cancel(struct limits *l, struct limits_turn *turn)
{
    struct gate *gate = &l->gates[turn->kind];
    pthread_mutex_lock(&l->lock);
    struct limits_turn **at = &gate->first;
    while (*at && *at != turn)
        at = &(*at)->behind;
    bool found = *at != NULL;
    if (found) {
        *at = turn->behind;
        if (!*at)
            gate->last = at;
        gate->waiting--;
    }
    pthread_mutex_unlock(&l->lock);
    return found;
}

void limits_turns_set(struct limits *l, enum limits_turns kind, unsigned most)
{
    struct gate *gate = &l->gates[kind];
    pthread_mutex_lock(&l->lock);
    gate->most = most;
    pthread_mutex_unlock(&l->lock);
    let_in_all(l, gate);
}

bool limits_ask(struct limits *l)
{
    if (atomic_fetch_add(&l->asked, 1) < LIMITS_ASKED)
        return true;
    atomic_fetch_sub(&l->asked, 1);
    return false;
}

void limits_asked(struct limits *l)
{
    atomic_fetch_sub(&l->asked, 1);
}
