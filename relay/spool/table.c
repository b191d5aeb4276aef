// SPDX-License-Identifier: ISC
// The open messages by id: what spool_load asks and the spool thread changes. The id is ours, but the
// hash is seeded all the same.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/table.h" // before whoever includes uthash
#include "relay/base/mem.h"
#include "relay/base/words.h"
#include "relay/spool/inside.h"

static uint64_t record_bytes(uint64_t length)
{
    return SEGMENT_RECORD + length;
}

static void put_in(struct spool_entry *k, struct segment *g, const struct segment_record *r)
{
    k->segment = segment_ref(g);
    k->offset = r->offset;
    k->length = r->length;
    k->text = r->text & 0x7fffffff;
    list_append(&g->messages, &k->link);
    g->live += record_bytes(r->length);
}

static struct segment *take_out(struct spool_entry *k)
{
    list_remove(&k->link);
    k->segment->live -= record_bytes(k->length);
    return k->segment;
}

struct spool_entry *table_add(struct spool *s, struct message *m, struct segment *g,
                              const struct segment_record *r, bool damaged)
{
    size_t n = m->env.nrcpts;
    struct spool_entry *k = mem_new(sizeof *k + n * sizeof k->now[0]);
    k->id = m->env.id;
    k->message = m;
    k->damaged = damaged;
    k->open = (unsigned)n;
    for (size_t i = 0; i < n; i++)
        k->now[i] = (struct segment_standing){.open = true,
                                              .attempts = m->env.rcpts[i].attempts,
                                              .next_ms = m->env.rcpts[i].next_ms,
                                              .next_hop = words_keep(m->env.rcpts[i].next_hop),
                                              .delay_warned = m->env.rcpts[i].delay_warned};
    list_init(&k->link);
    pthread_mutex_lock(&s->lock);
    put_in(k, g, r);
    HASH_ADD(hh, s->table, id, sizeof k->id, k);
    pthread_mutex_unlock(&s->lock);
    return k;
}

size_t spool_footprint(size_t nrcpts)
{
    size_t heap = 16, bucket = 16; // what an allocation, and a place in a table, cost besides
    return sizeof(struct spool_entry) + nrcpts * sizeof(struct segment_standing) + heap + bucket;
}

// Without the lock: for the spool thread, which alone changes the table.
struct spool_entry *table_find(struct spool *s, uint64_t id)
{
    struct spool_entry *k = NULL;
    if (s->table)
        HASH_FIND(hh, s->table, &id, sizeof id, k);
    return k;
}

void table_move(struct spool *s, struct spool_entry *k, struct segment *g,
                const struct segment_record *r, bool damaged)
{
    pthread_mutex_lock(&s->lock);
    struct segment *old = take_out(k);
    put_in(k, g, r);
    k->damaged = k->damaged || damaged;
    pthread_mutex_unlock(&s->lock);
    segment_unref(old);
}

static void table_redirect(struct segment_standing *now, const char *next_hop)
{
    words_drop(now->next_hop);
    now->next_hop = next_hop[0] ? words_keep(next_hop) : NULL;
}

// An address that the envelope has twice stands for as many recipients: each result ends one.
bool table_result(struct spool *s, struct spool_entry *k, const struct spool_result *result)
{
    pthread_mutex_lock(&s->lock);
    const struct envelope *env = &k->message->env;
    for (size_t i = 0; i < env->nrcpts; i++) {
        struct segment_standing *now = &k->now[i];
        if (!now->open || strcmp(env->rcpts[i].address, result->address) != 0)
            continue;
        now->attempts = result->attempts;
        now->delay_warned = result->delay_warned;
        if (result->next_hop)
            table_redirect(now, result->next_hop);
        if (result->outcome == SPOOL_DEFERRED) {
            now->next_ms = result->next_ms;
        } else {
            now->open = false;
            k->open--;
        }
        break;
    }
    bool done = k->open == 0;
    pthread_mutex_unlock(&s->lock);
    return done;
}

void table_drop(struct spool *s, struct spool_entry *k)
{
    pthread_mutex_lock(&s->lock);
    struct segment *g = take_out(k);
    HASH_DEL(s->table, k);
    pthread_mutex_unlock(&s->lock);
    segment_unref(g);
    for (size_t i = 0; i < k->message->env.nrcpts; i++)
        words_drop(k->now[i].next_hop);
    message_unref(k->message);
    free(k);
}

bool table_place(struct spool *s, uint64_t id, struct spool_entry *place)
{
    pthread_mutex_lock(&s->lock);
    struct spool_entry *k = table_find(s, id);
    if (k) {
        *place = *k;
        segment_ref(k->segment);
    }
    pthread_mutex_unlock(&s->lock);
    return k;
}

void table_damaged(struct spool *s, uint64_t id)
{
    pthread_mutex_lock(&s->lock);
    struct spool_entry *k = table_find(s, id);
    if (k)
        k->damaged = true;
    pthread_mutex_unlock(&s->lock);
}

struct message *table_standing(struct spool *s, uint64_t id, struct segment_standing **now)
{
    struct message *m = NULL;
    *now = NULL;
    pthread_mutex_lock(&s->lock);
    struct spool_entry *k = table_find(s, id);
    if (k) {
        m = message_ref(k->message);
        size_t bytes = m->env.nrcpts * sizeof k->now[0];
        *now = mem_new(bytes);
        memcpy(*now, k->now, bytes);
        for (size_t i = 0; i < m->env.nrcpts; i++)
            words_keep((*now)[i].next_hop);
    }
    pthread_mutex_unlock(&s->lock);
    return m;
}

bool spool_has(struct spool *s, uint64_t id)
{
    pthread_mutex_lock(&s->lock);
    bool there = table_find(s, id) != NULL;
    pthread_mutex_unlock(&s->lock);
    return there;
}
