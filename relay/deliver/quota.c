// SPDX-License-Identifier: ISC
// The relay's outbound connections, counted for all workers under one lock. Closes nothing itself.
#include "relay/base/table.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/deliver/quota.h"

#define MEMBERS WORKERS_MAX

// Members that wait, a bit each.
struct waiting {
    uint64_t bits[MEMBERS / 64];
};

struct address {
    unsigned char key[QUOTA_KEY];
    uint64_t open;
    struct waiting waiting;
    bool asked; // the others know that it is wanted
    UT_hash_handle hh;
};

struct quota {
    pthread_mutex_t lock;
    struct address *addresses;
    uint64_t open;
    struct waiting waiting;
    bool asked;
    struct quota_member *members[MEMBERS];
};

struct quota_member {
    struct quota *quota;
    struct relay *relay;
    struct worker *worker;
    struct quota_calls calls;
    unsigned index;
    atomic_uint refs;
};

// One quota a relay, made by the first member.
static pthread_mutex_t founding = PTHREAD_MUTEX_INITIALIZER;

static struct quota *found(struct relay *relay)
{
    struct quota *q = relay->quota;
    if (!q) {
        q = relay->quota = mem_new(sizeof *q);
        pthread_mutex_init(&q->lock, NULL);
    }
    return q;
}

struct quota_member *quota_join(struct worker *worker, const struct quota_calls *calls)
{
    struct quota_member *m = mem_new(sizeof *m);
    m->relay = worker->relay;
    m->worker = worker;
    m->calls = *calls;
    atomic_init(&m->refs, 1);
    pthread_mutex_lock(&founding);
    m->quota = found(worker->relay);
    pthread_mutex_lock(&m->quota->lock);
    while (m->index < MEMBERS - 1 && m->quota->members[m->index])
        m->index++;
    assert(!m->quota->members[m->index]);
    m->quota->members[m->index] = m;
    pthread_mutex_unlock(&m->quota->lock);
    pthread_mutex_unlock(&founding);
    return m;
}

static void unref(struct quota_member *m)
{
    if (atomic_fetch_sub(&m->refs, 1) == 1)
        free(m);
}

void quota_leave(struct quota_member *m)
{
    pthread_mutex_lock(&founding);
    struct quota *q = m->quota;
    pthread_mutex_lock(&q->lock);
    q->members[m->index] = NULL;
    bool last = true;
    for (unsigned i = 0; i < MEMBERS; i++)
        last = last && !q->members[i];
    pthread_mutex_unlock(&q->lock);
    if (last) {
        struct address *a, *next;
        HASH_ITER (hh, q->addresses, a, next) {
            HASH_DEL(q->addresses, a);
            free(a);
        }
        pthread_mutex_destroy(&q->lock);
        free(q);
        m->relay->quota = NULL;
    }
    pthread_mutex_unlock(&founding);
    m->calls = (struct quota_calls){0}; // what is on its way finds nobody
    unref(m);
}

// Word to another member, on its thread.
struct word {
    struct item item;
    struct quota_member *to;
    bool evict;
    size_t n;
    unsigned char key[QUOTA_KEY];
};

static void quota_word(struct item *item)
{
    struct word *word = (struct word *)item;
    const struct quota_calls *calls = &word->to->calls;
    if (word->evict && calls->evict)
        calls->evict(word->key, word->n, calls->arg);
    else if (!word->evict && calls->freed)
        calls->freed(calls->arg);
    unref(word->to);
    free(word);
}

static void send_word(struct quota_member *to, bool evict, const void *key, size_t n)
{
    struct word *word = mem_new(sizeof *word);
    word->item.run = quota_word;
    word->to = to;
    word->evict = evict;
    word->n = n;
    if (n)
        memcpy(word->key, key, n);
    atomic_fetch_add(&to->refs, 1);
    inbox_post(to->worker->mail, &word->item);
}

static bool waits(const struct waiting *w, unsigned i)
{
    return w->bits[i / 64] >> i % 64 & 1;
}

static bool another_waits(const struct waiting *w, unsigned self)
{
    for (unsigned i = 0; i < MEMBERS / 64; i++)
        if (w->bits[i] & ~(i == self / 64 ? UINT64_C(1) << self % 64 : 0))
            return true;
    return false;
}

static void wait_for(struct quota_member *m, struct waiting *waiting, bool *asked, const void *key,
                     size_t n)
{
    waiting->bits[m->index / 64] |= UINT64_C(1) << m->index % 64;
    if (*asked)
        return;
    *asked = true;
    for (unsigned i = 0; i < MEMBERS; i++)
        if (m->quota->members[i] && i != m->index)
            send_word(m->quota->members[i], true, key, n);
}

// The one that gave it up looks for itself.
static void wake(struct quota_member *m, struct waiting *waiting, bool *asked)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (waits(waiting, i) && m->quota->members[i] && i != m->index)
            send_word(m->quota->members[i], false, NULL, 0);
    *waiting = (struct waiting){0};
    *asked = false;
}

static struct address *address_of(struct quota *q, const void *key, size_t n, bool make)
{
    unsigned char whole[QUOTA_KEY] = {0};
    struct address *a;
    assert(n <= QUOTA_KEY);
    memcpy(whole, key, n);
    HASH_FIND(hh, q->addresses, whole, QUOTA_KEY, a);
    if (a || !make)
        return a;
    a = mem_new(sizeof *a);
    memcpy(a->key, whole, QUOTA_KEY);
    HASH_ADD(hh, q->addresses, key, QUOTA_KEY, a);
    return a;
}

bool quota_take(struct quota_member *m, const void *key, size_t n, uint64_t per_host,
                uint64_t total)
{
    struct quota *q = m->quota;
    pthread_mutex_lock(&q->lock);
    struct address *a = address_of(q, key, n, false);
    bool some = q->open < total && (!a || a->open < per_host);
    if (some) {
        a = a ? a : address_of(q, key, n, true);
        a->open++;
        q->open++;
    } else if (q->open >= total) {
        wait_for(m, &q->waiting, &q->asked, NULL, 0);
    } else {
        wait_for(m, &a->waiting, &a->asked, key, n);
    }
    pthread_mutex_unlock(&q->lock);
    return some;
}

bool quota_full(struct quota_member *m, const void *key, size_t n, uint64_t per_host)
{
    struct quota *q = m->quota;
    pthread_mutex_lock(&q->lock);
    struct address *a = address_of(q, key, n, false);
    bool full = a && a->open >= per_host;
    if (full)
        wait_for(m, &a->waiting, &a->asked, key, n);
    pthread_mutex_unlock(&q->lock);
    return full;
}

void quota_give(struct quota_member *m, const void *key, size_t n)
{
    struct quota *q = m->quota;
    pthread_mutex_lock(&q->lock);
    struct address *a = address_of(q, key, n, false);
    assert(a && a->open && q->open);
    a->open--;
    q->open--;
    wake(m, &a->waiting, &a->asked);
    wake(m, &q->waiting, &q->asked);
    if (!a->open) {
        HASH_DEL(q->addresses, a);
        free(a);
    }
    pthread_mutex_unlock(&q->lock);
}

bool quota_has_room(struct quota_member *m, uint64_t total)
{
    struct quota *q = m->quota;
    pthread_mutex_lock(&q->lock);
    bool room = q->open < total;
    if (!room)
        wait_for(m, &q->waiting, &q->asked, NULL, 0);
    pthread_mutex_unlock(&q->lock);
    return room;
}

void quota_idle(struct quota_member *m, const void *key, size_t n)
{
    struct quota *q = m->quota;
    pthread_mutex_lock(&q->lock);
    struct address *a = address_of(q, key, n, false);
    if (another_waits(&q->waiting, m->index) || (a && another_waits(&a->waiting, m->index)))
        send_word(m, true, key, n);
    pthread_mutex_unlock(&q->lock);
}
