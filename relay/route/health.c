// SPDX-License-Identifier: ISC
// Next hops and how they do.
#include "relay/route/health.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/log/json.h"
#include "relay/log/log.h"

struct hop_health {
    UT_hash_handle hh;
    struct list age; // the one used longest ago first
    char *hop;
    unsigned failures;  // in a row; 0: it is up
    uint64_t until_ms;  // not tried before
    uint64_t probed_ms; // a probe is under way since; 0: none
    uint64_t worked_ms; // when it worked last
    int64_t since_s;
    struct why why;
};

struct health {
    uv_mutex_t mutex;
    struct hop_health *table;
    struct list hops;
    size_t n;
};

struct health *health_new(void)
{
    struct health *health = mem_new(sizeof *health);
    uv_mutex_init(&health->mutex);
    list_init(&health->hops);
    return health;
}

static void health_forget(struct health *health, struct hop_health *h)
{
    HASH_DEL(health->table, h);
    list_remove(&h->age);
    health->n--;
    free(h->hop);
    free(h);
}

void health_free(struct health *health)
{
    if (!health)
        return;
    list_each_safe (it, &health->hops)
        health_forget(health, list_of(it, struct hop_health, age));
    uv_mutex_destroy(&health->mutex);
    free(health);
}

static struct hop_health *health_find(struct health *health, const char *hop, bool make)
{
    struct hop_health *h;
    HASH_FIND_STR(health->table, hop, h);
    if (h || !make)
        return h;
    h = mem_new(sizeof *h);
    h->hop = mem_dup(hop);
    list_init(&h->age);
    list_append(&health->hops, &h->age);
    HASH_ADD_KEYPTR(hh, health->table, h->hop, strlen(h->hop), h);
    if (++health->n > HEALTH_HOPS)
        health_forget(health, list_of(health->hops.next, struct hop_health, age));
    return h;
}

static enum health_gate health_look(struct hop_health *h, struct why *why)
{
    uint64_t now = clock_mono_ms();
    bool probed = h->probed_ms && now - h->probed_ms < HEALTH_PROBE_MS;
    if (!h->failures)
        return HEALTH_UP;
    if (now >= h->until_ms && !probed) {
        h->probed_ms = now;
        return HEALTH_PROBE;
    }
    *why = h->why;
    return HEALTH_DOWN;
}

enum health_gate health_gate(struct health *health, const char *hop, struct why *why)
{
    if (!health || !hop)
        return HEALTH_UP;
    uv_mutex_lock(&health->mutex);
    struct hop_health *h = health_find(health, hop, false);
    enum health_gate gate = h ? health_look(h, why) : HEALTH_UP;
    uv_mutex_unlock(&health->mutex);
    return gate;
}

bool health_is_up(struct health *health, const char *hop)
{
    if (!health || !hop)
        return true;
    uv_mutex_lock(&health->mutex);
    const struct hop_health *h = health_find(health, hop, false);
    bool up = !h || !h->failures;
    uv_mutex_unlock(&health->mutex);
    return up;
}

// A quarter more or less, so that several hops do not come back together.
static uint64_t health_pause(unsigned failures)
{
    uint64_t pause = HEALTH_FIRST_MS;
    for (unsigned i = 1; i < failures && pause < HEALTH_MOST_MS; i++)
        pause *= 2;
    pause = pause < HEALTH_MOST_MS ? pause : HEALTH_MOST_MS;
    return pause - pause / 4 + random_below(pause / 2);
}

void health_failed(struct health *health, const char *hop, const struct why *why, uint64_t began_ms)
{
    if (!health || !hop)
        return;
    uv_mutex_lock(&health->mutex);
    struct hop_health *h = health_find(health, hop, true);
    bool known =
        h->failures && clock_mono_ms() < h->until_ms; // many that fail together are one failure
    bool well = h->worked_ms && h->worked_ms >= began_ms;
    bool news = !known && !well && !h->failures;
    if (!known && !well) {
        h->failures++;
        h->until_ms = clock_mono_ms() + health_pause(h->failures);
        h->since_s = news ? clock_s() : h->since_s;
        h->why = *why;
        h->probed_ms = 0;
    }
    uv_mutex_unlock(&health->mutex);
    if (news)
        log_event("next-hop", "%s is passed over: %s", hop, why->text);
}

void health_worked(struct health *health, const char *hop)
{
    if (!health || !hop)
        return;
    uv_mutex_lock(&health->mutex);
    struct hop_health *h = health_find(health, hop, true);
    bool news = h->failures;
    h->failures = 0;
    h->probed_ms = 0;
    h->worked_ms = clock_mono_ms();
    list_append(&health->hops, &h->age);
    uv_mutex_unlock(&health->mutex);
    if (news)
        log_event("next-hop", "%s works again", hop);
}

void health_left(struct health *health, const char *hop)
{
    if (!health || !hop)
        return;
    uv_mutex_lock(&health->mutex);
    struct hop_health *h = health_find(health, hop, false);
    if (h)
        h->probed_ms = 0;
    uv_mutex_unlock(&health->mutex);
}

json_t *health_describe(struct health *health)
{
    json_t *list = json_array();
    uv_mutex_lock(&health->mutex);
    uint64_t now = clock_mono_ms();
    list_each (it, &health->hops) {
        const struct hop_health *h = list_of(it, struct hop_health, age);
        bool down = h->failures;
        json_t *j = json_object();
        json_object_set_new(j, "hop", json_text(h->hop));
        json_object_set_new(j, "state", json_text(!down ? "up" : h->probed_ms ? "probed" : "down"));
        json_object_set_new(j, "since", json_integer(down ? h->since_s : 0));
        json_object_set_new(
            j, "next",
            json_integer(down && h->until_ms > now ? (json_int_t)(h->until_ms - now) / 1000 : 0));
        json_object_set_new(j, "reason", json_text(down ? h->why.text : ""));
        json_array_append_new(list, j);
    }
    uv_mutex_unlock(&health->mutex);
    return list;
}

void health_count(struct health *health, size_t *up, size_t *down)
{
    *up = *down = 0;
    uv_mutex_lock(&health->mutex);
    list_each (it, &health->hops) {
        bool fails = list_of(it, struct hop_health, age)->failures;
        *up += !fails;
        *down += fails;
    }
    uv_mutex_unlock(&health->mutex);
}
