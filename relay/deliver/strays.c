// SPDX-License-Identifier: ISC
// The table of hosts whose answers went astray. Judges nothing.
#include "relay/base/table.h"

#include "relay/deliver/strays.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/state/strays.h"

struct stray {
    char address[STRAY_NAME];
    int64_t until_ms;
    struct list list;
    UT_hash_handle hh;
};

struct strays {
    pthread_mutex_t lock;
    struct state *state;
    struct stray *table;
    struct list order; // the one that was told first goes first
};

static struct stray *stray_of(struct strays *s, const char *address)
{
    struct stray *one;
    HASH_FIND_STR(s->table, address, one);
    return one;
}

static void stray_forget(struct strays *s, struct stray *one)
{
    HASH_DEL(s->table, one);
    list_remove(&one->list);
    free(one);
}

static void stray_put(struct strays *s, const char *address, int64_t until_ms)
{
    struct stray *one = stray_of(s, address);
    if (!one) {
        one = mem_new(sizeof *one);
        snprintf(one->address, sizeof one->address, "%s", address);
        list_init(&one->list);
        HASH_ADD_STR(s->table, address, one);
    }
    one->until_ms = until_ms;
    list_append(&s->order, &one->list);
    if (HASH_COUNT(s->table) > STRAYS_MAX)
        stray_forget(s, list_of(s->order.next, struct stray, list));
}

static void strays_restored(const char *address, int64_t until_ms, void *arg)
{
    stray_put(arg, address, until_ms);
}

struct strays *strays_new(struct state *state)
{
    struct strays *s = mem_new(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->order);
    s->state = state;
    if (state)
        state_strays_restore(state, STRAYS_MAX, strays_restored, s);
    return s;
}

void strays_free(struct strays *s)
{
    if (!s)
        return;
    list_each_safe (it, &s->order)
        stray_forget(s, list_of(it, struct stray, list));
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void strays_add(struct strays *s, const char *address, int64_t until_ms)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    stray_put(s, address, until_ms);
    pthread_mutex_unlock(&s->lock);
    if (s->state)
        state_stray_keep(s->state, address, until_ms);
}

int64_t strays_until(struct strays *s, const char *address)
{
    if (!s)
        return 0;
    pthread_mutex_lock(&s->lock);
    struct stray *one = stray_of(s, address);
    int64_t until_ms = one ? one->until_ms : 0;
    pthread_mutex_unlock(&s->lock);
    return until_ms;
}
