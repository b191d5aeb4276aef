// SPDX-License-Identifier: ISC
// Shares and their turns. An empty share goes when its turn comes.
#include "relay/base/table.h"

#include <assert.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/queue/fair.h"

struct fair_share {
    struct list turn;
    struct list deliveries;
    UT_hash_handle hh;
    char key[]; // the priority, then the principal
};

void fair_init(struct fair *fair)
{
    *fair = (struct fair){0};
    list_init(&fair->turns[0]);
    list_init(&fair->turns[1]);
}

static void share_free(struct fair *fair, struct fair_share *share)
{
    assert(list_empty(&share->deliveries));
    HASH_DEL(fair->table, share);
    list_remove(&share->turn);
    free(share);
}

void fair_free(struct fair *fair)
{
    struct fair_share *share, *next;
    HASH_ITER (hh, fair->table, share, next)
        share_free(fair, share);
}

static struct fair_share *share_of(struct fair *fair, const struct delivery *d, bool make)
{
    const struct envelope *env = &d->message->env;
    const char *principal = env->principal ? env->principal : "";
    char key[512];
    size_t n = strnlen(principal, sizeof key - 1);
    key[0] = env->high ? 'h' : 'n';
    memcpy(key + 1, principal, n++);
    struct fair_share *share;
    HASH_FIND(hh, fair->table, key, n, share);
    if (share || !make)
        return share;
    share = mem_new(sizeof *share + n);
    memcpy(share->key, key, n);
    list_init(&share->turn);
    list_init(&share->deliveries);
    HASH_ADD(hh, fair->table, key, n, share);
    list_append(&fair->turns[env->high], &share->turn);
    return share;
}

void fair_add(struct fair *fair, struct delivery *d, enum queue_state place)
{
    delivery_move(d, place, &share_of(fair, d, true)->deliveries);
}

static struct fair_share *first_of(struct fair *fair, bool high)
{
    while (!list_empty(&fair->turns[high])) {
        struct fair_share *share = list_of(fair->turns[high].next, struct fair_share, turn);
        if (!list_empty(&share->deliveries))
            return share;
        share_free(fair, share);
    }
    return NULL;
}

static struct fair_share *whose_turn(struct fair *fair)
{
    struct fair_share *high = first_of(fair, true), *other = first_of(fair, false);
    return high && (!other || fair->highs < FAIR_OTHERS - 1) ? high : other;
}

bool fair_empty(struct fair *fair)
{
    return !whose_turn(fair);
}

struct delivery *fair_peek(struct fair *fair)
{
    struct fair_share *share = whose_turn(fair);
    return share ? list_of(share->deliveries.next, struct delivery, list) : NULL;
}

struct delivery *fair_take(struct fair *fair)
{
    struct fair_share *share = whose_turn(fair);
    if (!share)
        return NULL;
    struct delivery *d = list_of(share->deliveries.next, struct delivery, list);
    bool high = share->key[0] == 'h';
    list_remove(&d->list);
    list_append(&fair->turns[high], &share->turn);
    fair->highs = high ? fair->highs + 1 : 0;
    return d;
}

size_t fair_count(const struct fair *fair, size_t most)
{
    size_t n = 0;
    struct fair_share *share, *next;
    HASH_ITER (hh, fair->table, share, next) {
        list_each (it, &share->deliveries)
            if (++n >= most)
                return n;
    }
    return n;
}

struct list *fair_beside(struct fair *fair, const struct delivery *d)
{
    struct fair_share *share = share_of(fair, d, false);
    return share && !list_empty(&share->deliveries) ? &share->deliveries : NULL;
}
