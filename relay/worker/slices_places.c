// SPDX-License-Identifier: ISC
// Connections to sites: how many of them this node holds.
#include "relay/worker/slices_inside.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

#define RENEW_MS  3000 // how often what is held is told anew
#define SHRINK_MS 500  // and while others wait for some of it
#define TURN_MS   5000 // how long a node keeps its last connection while another has none
#define PAUSE_MS  2500 // and leaves it to others then

static void places_free(struct slices *s, struct slice_places *p)
{
    HASH_DEL(s->places, p);
    list_remove(&p->hot);
    free(p);
}

void slices_free_places(struct slices *s)
{
    while (s->places)
        places_free(s, s->places);
}

static struct slice_places *places_of(struct slices *s, const char *site)
{
    char key[SLICES_KEY];
    struct slice_places *p;
    slices_key(site, key);
    HASH_FIND_STR(s->places, key, p);
    if (p)
        return p;
    size_t n = strlen(key);
    p = mem_new(sizeof *p + n + 1);
    memcpy(p->key, key, n);
    list_init(&p->hot);
    HASH_ADD_KEYPTR(hh, s->places, p->key, n, p);
    return p;
}

static unsigned places_need(const struct slice_places *p)
{
    return p->use.want > p->use.used ? p->use.want : p->use.used;
}

static void places_wish(struct slices *s, struct slice_places *p, uint64_t now)
{
    if (p->wish_ms || p->asking || now < p->again_ms || now < p->pause_ms)
        return;
    p->wish_ms = now;
    if (s->connected)
        slices_call(s);
}

static unsigned places_share(struct slices *s, const struct slice_places *p)
{
    unsigned share = p->use.most / s->nodes;
    if (s->alone++ == s->alone_before)
        slices_call(s);
    return share ? share : 1;
}

static unsigned places_allowed(struct slices *s, struct slice_places *p, uint64_t now)
{
    bool held = now < p->until_ms && p->held;
    unsigned need = places_need(p);
    if (!s->connected)
        return places_share(s, p);
    if (need > p->held || (need && !held))
        places_wish(s, p, now);
    if (now < p->pause_ms)
        return 0;
    if (held)
        return p->held < p->goal ? p->held : p->goal;
    return slices_slow(p->wish_ms, now) ? places_share(s, p) : 0;
}

unsigned slices_places(struct slices *s, struct worker *worker, const char *site,
                       const struct slice_use *use)
{
    uint64_t now = clock_boot_ms();
    pthread_mutex_lock(&s->lock);
    struct slice_places *p = places_of(s, site);
    p->use = *use;
    if (p->use.want > p->use.most)
        p->use.want = p->use.most;
    p->worker = worker;
    if (places_need(p) >= p->held)
        p->full_ms = now;
    list_append(&s->hot_places, &p->hot);
    unsigned allowed = places_allowed(s, p, now);
    pthread_mutex_unlock(&s->lock);
    return allowed;
}

// ---- asking

// What is told: what is wanted is wanted again once others had their turn.
static void places_ask(struct slice_places *p, bool all, uint64_t now, struct slice_list *out)
{
    unsigned need = places_need(p);
    bool wants = p->wish_ms != 0;
    bool gives = p->held > need && (all || now - p->full_ms > SLICES_IDLE_MS);
    uint64_t often = p->held > p->goal ? SHRINK_MS : RENEW_MS;
    bool renews = p->held && now - p->asked_ms >= often;
    if (!wants && !gives && !renews && !(all && p->held))
        return;
    struct slice_ask *ask = &out->asks[out->n++];
    *ask = (struct slice_ask){.key = mem_dup(p->key), .use = p->use};
    ask->use.want = now < p->pause_ms ? p->use.used : need;
    if (!gives && ask->use.want < p->held && now >= p->pause_ms)
        ask->use.want = p->held < p->goal ? p->held : p->goal; // it may be wanted in a moment
    if (all)
        ask->use = (struct slice_use){.most = p->use.most};
    p->asking = true;
    p->asked_ms = now;
}

void slices_due_places(struct slices *s, bool all, struct slice_list *out)
{
    uint64_t now = out->sent_ms;
    list_each_safe (it, &s->hot_places) {
        struct slice_places *p = list_of(it, struct slice_places, hot);
        if (out->n == SLICES_ASK)
            break;
        if (p->asking)
            continue;
        if (!p->held && !places_need(p) && now - p->full_ms > SLICES_IDLE_MS)
            places_free(s, p);
        else
            places_ask(p, all, now, out);
    }
}

static void places_answer(struct slice_places *p, const struct slice_ask *ask, uint64_t sent_ms)
{
    uint64_t now = clock_boot_ms();
    if (!p->held || now >= p->until_ms)
        p->since_ms = now;
    p->held = ask->held;
    p->goal = ask->goal;
    p->until_ms = sent_ms + SLICES_LEASE_MS;
    p->wish_ms = 0;
    p->again_ms = p->held < places_need(p) ? now + SLICES_AGAIN_MS : 0;
    if (ask->starving && p->held && now - p->since_ms > TURN_MS) {
        p->pause_ms = now + PAUSE_MS;
        p->goal = 0;
        p->since_ms = now;
        p->asked_ms = 0; // told at once when they have ended
    }
}

void slices_settle_places(struct slices *s, const struct slice_list *list, bool done,
                          void (*wake)(struct worker *worker))
{
    for (size_t i = 0; i < list->n; i++) {
        const struct slice_ask *ask = &list->asks[i];
        struct slice_places *p;
        HASH_FIND_STR(s->places, ask->key, p);
        if (!p)
            continue;
        p->asking = false;
        unsigned before = p->held;
        if (done)
            places_answer(p, ask, list->sent_ms);
        if (p->held > before && p->worker)
            wake(p->worker);
    }
}
