// SPDX-License-Identifier: ISC
// What both kinds have in common, and rates. Asks no database.
#include "relay/worker/slices_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/json.h"

#define OVER        0.02     // of a budget, what all nodes may spend beyond it
#define CHUNK_PART  0.05     // of a node's part of a budget, what it draws at a time
#define CHUNK_LEAST 4        // and at least
#define EMPTY_MS    86400000 // longest time for which a budget is believed to be empty

static double slices_least(double a, double b)
{
    return a < b ? a : b;
}

static double slices_most(double a, double b)
{
    return a > b ? a : b;
}

// ---- life

struct slices *slices_new(void)
{
    struct slices *s = mem_new(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->nodes = 1;
    s->connected = true; // or will be in a moment: slices_connected says where not
    list_init(&s->hot_rates);
    list_init(&s->hot_places);
    return s;
}

static void rate_free(struct slices *s, struct slice_rate *r)
{
    HASH_DEL(s->rates, r);
    list_remove(&r->hot);
    free(r);
}

void slices_free(struct slices *s)
{
    if (!s)
        return;
    while (s->rates)
        rate_free(s, s->rates);
    slices_free_places(s);
    if (s->wake >= 0)
        close(s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int slices_wake(const struct slices *s)
{
    return s->wake;
}

void slices_call(struct slices *s)
{
    if (!s->woken)
        eventfd_write(s->wake, 1);
    s->woken = true;
}

void slices_heard(struct slices *s)
{
    eventfd_t n;
    pthread_mutex_lock(&s->lock);
    if (s->woken)
        eventfd_read(s->wake, &n);
    s->woken = false;
    pthread_mutex_unlock(&s->lock);
}

void slices_nodes(struct slices *s, unsigned nodes)
{
    pthread_mutex_lock(&s->lock);
    s->nodes = nodes ? nodes : 1;
    pthread_mutex_unlock(&s->lock);
}

unsigned slices_count(struct slices *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->nodes;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void slices_connected(struct slices *s, bool connected)
{
    pthread_mutex_lock(&s->lock);
    s->connected = connected;
    s->alone_before = s->alone;
    pthread_mutex_unlock(&s->lock);
}

void slices_contact(struct slices *s, uint64_t at_ms)
{
    pthread_mutex_lock(&s->lock);
    s->contact_ms = at_ms;
    pthread_mutex_unlock(&s->lock);
}

uint64_t slices_alone(struct slices *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t n = s->alone;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void slices_key(const char *name, char out[static SLICES_KEY])
{
    size_t n = strlen(name);
    if (n < SLICES_KEY)
        memcpy(out, name, n + 1);
    else
        snprintf(out, SLICES_KEY, "%.300s %016llx", name, (unsigned long long)XXH3_64bits(name, n));
}

bool slices_slow(uint64_t wish_ms, uint64_t now)
{
    return wish_ms && now - wish_ms > SLICES_SLOW_MS;
}

// ---- rates: drawing

static double rate_chunk(const struct slices *s, const struct slice_rate *r)
{
    double chunk = slices_most(CHUNK_LEAST, r->budget.size * CHUNK_PART / s->nodes);
    return slices_least(chunk, slices_most(1, r->budget.size));
}

static double rate_share(const struct slices *s, const struct slice_rate *r)
{
    return slices_most(1, r->budget.size / s->nodes);
}

static double rate_credit(const struct slices *s, const struct slice_rate *r)
{
    return slices_most(r->budget.credit, r->budget.size * OVER / s->nodes);
}

// The first in the table was made first.
static struct slice_rate *rate_of(struct slices *s, const char *name,
                                  const struct slice_budget *budget, uint64_t now)
{
    char key[SLICES_KEY];
    struct slice_rate *r;
    slices_key(name, key);
    HASH_FIND_STR(s->rates, key, r);
    if (!r) {
        if (HASH_COUNT(s->rates) >= SLICES_KNOWN && !s->rates->asking)
            rate_free(s, s->rates);
        size_t n = strlen(key);
        r = mem_new(sizeof *r + n + 1);
        memcpy(r->key, key, n);
        r->budget = *budget;
        r->share = rate_share(s, r);
        r->chunk = rate_chunk(s, r);
        r->share_ms = now;
        list_init(&r->hot);
        HASH_ADD_KEYPTR(hh, s->rates, r->key, n, r);
    }
    r->budget = *budget; // a reload may have changed it
    return r;
}

// What was drawn counts as spent where the database has not been heard of for too long.
static void rate_turn(const struct slices *s, struct slice_rate *r, uint64_t now)
{
    double back = (double)(now - r->share_ms) * r->budget.per_ms / s->nodes;
    r->share = slices_least(rate_share(s, r), r->share + back);
    r->share_ms = now;
    if (r->left > 0 && now - s->contact_ms >= SLICES_LEASE_MS)
        r->left = 0;
}

static bool rate_spend(struct slices *s, struct slice_rate *r, double n, uint64_t now)
{
    bool alone = !s->connected || slices_slow(r->wish_ms, now);
    bool lent = now >= r->empty_ms && r->left - n >= -rate_credit(s, r);
    r->used_ms = now;
    if (r->left < n && !(alone ? r->share >= n : lent))
        return false;
    if (r->left < n && alone && s->alone++ == s->alone_before)
        slices_call(s);
    r->left = slices_most(r->left - n, -r->budget.size);
    r->share = slices_most(r->share - n, 0);
    return true;
}

static void rate_wish(struct slices *s, struct slice_rate *r, uint64_t now)
{
    list_append(&s->hot_rates, &r->hot);
    if (r->left >= r->chunk / 2 || r->asking || r->wish_ms || now < r->again_ms)
        return;
    r->wish_ms = now;
    if (s->connected)
        slices_call(s);
}

bool slices_spend(struct slices *s, struct worker *worker, const char *name,
                  const struct slice_budget *budget, double n)
{
    uint64_t now = clock_boot_ms();
    pthread_mutex_lock(&s->lock);
    struct slice_rate *r = rate_of(s, name, budget, now);
    rate_turn(s, r, now);
    bool enough = rate_spend(s, r, n, now);
    if (!enough)
        r->worker = worker;
    rate_wish(s, r, now);
    pthread_mutex_unlock(&s->lock);
    return enough;
}

double slices_left(struct slices *s, const char *name, const struct slice_budget *budget)
{
    uint64_t now = clock_boot_ms();
    pthread_mutex_lock(&s->lock);
    struct slice_rate *r = rate_of(s, name, budget, now);
    rate_turn(s, r, now);
    double left = slices_most(r->left, s->connected ? 0 : r->share);
    if (left <= 0 && s->connected && now >= r->empty_ms)
        left = slices_most(0, rate_credit(s, r) + r->left);
    pthread_mutex_unlock(&s->lock);
    return left;
}

// ---- rates: asking

// What was drawn a moment ago and is spent already was too little.
static void rate_ask(struct slices *s, struct slice_rate *r, bool all, uint64_t now,
                     struct slice_list *out)
{
    bool idle = all || now - r->used_ms > SLICES_IDLE_MS;
    bool wants = !idle && r->wish_ms && now >= r->again_ms;
    bool gives = idle && r->left > 0;
    bool pays = r->left < 0 && (all || now >= r->again_ms);
    if (!wants && !gives && !pays) {
        if (idle && r->left == 0 && !r->asking)
            list_remove(&r->hot);
        return;
    }
    if (!wants)
        r->chunk = rate_chunk(s, r);
    else if (now - r->drawn_ms < SLICES_AGAIN_MS)
        r->chunk =
            slices_most(r->chunk, slices_least(2 * r->chunk, r->budget.size / (2 * s->nodes)));
    struct slice_ask *ask = &out->asks[out->n++];
    *ask = (struct slice_ask){.key = mem_dup(r->key),
                              .size = r->budget.size,
                              .per_ms = r->budget.per_ms,
                              .debt = gives || pays ? -r->left : 0,
                              .want = wants ? (double)(uint64_t)r->chunk : 0};
    r->asking = true;
    r->asked = pays ? -r->left : 0;
    if (gives)
        r->left = 0;
}

static void slices_due_rates(struct slices *s, bool all, struct slice_list *out)
{
    list_each_safe (it, &s->hot_rates) {
        struct slice_rate *r = list_of(it, struct slice_rate, hot);
        if (out->n == SLICES_ASK)
            break;
        rate_turn(s, r, out->sent_ms);
        if (!r->asking)
            rate_ask(s, r, all, out->sent_ms, out);
    }
}

void slices_due(struct slices *s, enum slice_kind kind, bool all, struct slice_list *out)
{
    out->kind = kind;
    out->n = 0;
    out->sent_ms = clock_boot_ms();
    pthread_mutex_lock(&s->lock);
    if (kind == SLICE_RATES)
        slices_due_rates(s, all, out);
    else
        slices_due_places(s, all, out);
    pthread_mutex_unlock(&s->lock);
}

static void rate_answer(struct slice_rate *r, const struct slice_ask *ask, uint64_t now)
{
    r->left += r->asked + ask->granted;
    r->drawn_ms = now;
    r->wish_ms = 0;
    r->again_ms = ask->want > 0 && ask->granted < 1 ? now + SLICES_AGAIN_MS : 0;
    double empty = ask->tokens < 1 && ask->granted < 1 && ask->per_ms > 0
                       ? (1 - ask->tokens) / ask->per_ms
                       : 0;
    r->empty_ms = empty > 0 ? now + (uint64_t)slices_least(empty, EMPTY_MS) : 0;
}

static void slices_settle_rates(struct slices *s, const struct slice_list *list, bool done,
                                void (*wake)(struct worker *worker))
{
    for (size_t i = 0; i < list->n; i++) {
        const struct slice_ask *ask = &list->asks[i];
        struct slice_rate *r;
        HASH_FIND_STR(s->rates, ask->key, r);
        if (!r)
            continue;
        if (done)
            rate_answer(r, ask, clock_boot_ms());
        r->asked = 0;
        r->asking = false;
        if (r->worker && r->left >= 1) {
            wake(r->worker);
            r->worker = NULL;
        }
    }
}

void slices_settle(struct slices *s, struct slice_list *list, bool done,
                   void (*wake)(struct worker *worker))
{
    pthread_mutex_lock(&s->lock);
    if (list->kind == SLICE_RATES)
        slices_settle_rates(s, list, done, wake);
    else
        slices_settle_places(s, list, done, wake);
    if (done)
        s->contact_ms = list->sent_ms;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < list->n; i++)
        free(list->asks[i].key);
    list->n = 0;
}

// ---- for people

void slices_look(struct slices *s, struct slices_view *out)
{
    *out = (struct slices_view){0};
    pthread_mutex_lock(&s->lock);
    out->alone = !s->connected;
    list_each (it, &s->hot_rates) {
        const struct slice_rate *r = list_of(it, struct slice_rate, hot);
        out->rates += r->left > 0;
        out->drawn += slices_most(0, r->left);
    }
    list_each (it, &s->hot_places) {
        const struct slice_places *p = list_of(it, struct slice_places, hot);
        out->places += p->held > 0;
        out->connections += p->held;
    }
    pthread_mutex_unlock(&s->lock);
}

static void describe_one(json_t *rows, const char *kind, const char *name, double held, double of)
{
    json_t *j = json_object();
    json_object_set_new(j, "kind", json_text(kind));
    json_object_set_new(j, "name", json_text(name));
    json_object_set_new(j, "held", json_integer((json_int_t)held));
    json_object_set_new(j, "of", json_integer((json_int_t)of));
    json_array_append_new(rows, j);
}

json_t *slices_describe(struct slices *s, size_t most)
{
    json_t *rows = json_array();
    pthread_mutex_lock(&s->lock);
    list_each (it, &s->hot_rates) {
        const struct slice_rate *r = list_of(it, struct slice_rate, hot);
        if (json_array_size(rows) < most)
            describe_one(rows, "rate", r->key, slices_most(0, r->left), r->budget.size);
    }
    list_each (it, &s->hot_places) {
        const struct slice_places *p = list_of(it, struct slice_places, hot);
        if (json_array_size(rows) < 2 * most)
            describe_one(rows, "connections", p->key, p->held, p->use.most);
    }
    pthread_mutex_unlock(&s->lock);
    return rows;
}
