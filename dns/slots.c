// SPDX-License-Identifier: ISC
// Bounds on outstanding queries: two classes and a count per zone.
#include "dns/slots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/table.h"

struct slots_zone {
    UT_hash_handle hh;
    struct list ready;   // in slots.ready while something waits and the zone's bound allows it
    struct list waiting; // SLOT_WAITING
    size_t members, outstanding;
    char name[];
};

struct slots {
    size_t max_fast, max_slow, per_zone;
    size_t nfast, nslow;
    struct list ready;        // zones, taking turns
    struct list fast;         // SLOT_FAST, oldest first
    struct list slow;         // SLOT_SLOW
    struct list waiting_slow; // SLOT_WAITING_SLOW, oldest first
    struct slots_zone *zones;
};

struct slots *slots_new(size_t fast, size_t slow, size_t per_zone)
{
    struct slots *s = mem_new(sizeof *s);
    s->max_fast = fast;
    s->max_slow = slow;
    s->per_zone = per_zone;
    list_init(&s->ready);
    list_init(&s->fast);
    list_init(&s->slow);
    list_init(&s->waiting_slow);
    return s;
}

void slots_free(struct slots *s)
{
    if (!s)
        return;
    assert(!s->zones);
    free(s);
}

const char *slots_zone_of(const char *name)
{
    size_t n = strlen(name), labels = 2;
    const char *last = strrchr(name, '.');
    if (!last)
        return name;
    if (strcmp(last, ".arpa") == 0) {
        labels = 4;
    } else if (n - (size_t)(last - name) == 3) { // a country
        const char *second = last;
        while (second > name && second[-1] != '.')
            second--;
        if (last - second <= 3)
            labels = 3;
    }
    const char *at = name + n;
    while (at > name && (at[-1] != '.' || --labels > 0))
        at--;
    return at;
}

static struct slots_zone *zone_make(struct slots *s, const char *name)
{
    struct slots_zone *zone;
    size_t n = strlen(name);
    HASH_FIND(hh, s->zones, name, n, zone);
    if (zone)
        return zone;
    zone = mem_new(sizeof *zone + n + 1);
    memcpy(zone->name, name, n);
    list_init(&zone->ready);
    list_init(&zone->waiting);
    HASH_ADD_KEYPTR(hh, s->zones, zone->name, n, zone);
    return zone;
}

// In the ring of ready zones, or out of it, as its numbers say.
static void zone_settle(struct slots *s, struct slots_zone *zone)
{
    bool ready = !list_empty(&zone->waiting) && zone->outstanding < s->per_zone;
    if (!ready)
        list_remove(&zone->ready);
    else if (list_empty(&zone->ready))
        list_append(&s->ready, &zone->ready);
}

// The one place where a slot's state changes; counts follow from it.
static void go(struct slots *s, struct slot *slot, enum slot_state state)
{
    struct slots_zone *zone = slot->zone;
    s->nfast += (state == SLOT_FAST) - (slot->state == SLOT_FAST);
    s->nslow += (state == SLOT_SLOW) - (slot->state == SLOT_SLOW);
    bool was = slot->state == SLOT_FAST || slot->state == SLOT_SLOW;
    bool is = state == SLOT_FAST || state == SLOT_SLOW;
    zone->outstanding += is;
    zone->outstanding -= was;
    slot->state = state;
    switch (state) {
    case SLOT_OUT:
        list_remove(&slot->link);
        break;
    case SLOT_WAITING:
        list_append(&zone->waiting, &slot->link);
        break;
    case SLOT_FAST:
        list_append(&s->fast, &slot->link);
        break;
    case SLOT_WAITING_SLOW:
        list_append(&s->waiting_slow, &slot->link);
        break;
    case SLOT_SLOW:
        list_append(&s->slow, &slot->link);
        break;
    }
    zone_settle(s, zone);
}

void slots_enter(struct slots *s, struct slot *slot, const char *name)
{
    assert(slot->state == SLOT_OUT);
    list_init(&slot->link);
    slot->zone = zone_make(s, slots_zone_of(name));
    slot->zone->members++;
    go(s, slot, SLOT_WAITING);
}

static struct slot *next_slow(struct slots *s)
{
    if (s->nslow >= s->max_slow)
        return NULL;
    list_each (it, &s->waiting_slow) {
        struct slot *slot = list_of(it, struct slot, link);
        if (slot->zone->outstanding >= s->per_zone)
            continue;
        go(s, slot, SLOT_SLOW);
        return slot;
    }
    return NULL;
}

struct slot *slots_next(struct slots *s, uint64_t now_ms)
{
    struct slot *slow = next_slow(s);
    if (slow)
        return slow;
    if (s->nfast >= s->max_fast || list_empty(&s->ready))
        return NULL;
    struct slots_zone *zone = list_of(s->ready.next, struct slots_zone, ready);
    struct slot *slot = list_of(zone->waiting.next, struct slot, link);
    list_remove(&zone->ready); // to the end of the ring, if it stays ready
    slot->since_ms = now_ms;
    go(s, slot, SLOT_FAST);
    return slot;
}

bool slots_age(struct slots *s, uint64_t now_ms, struct slot **slot)
{
    *slot = list_empty(&s->fast) ? NULL : list_of(s->fast.next, struct slot, link);
    if (!*slot || now_ms - (*slot)->since_ms < SLOTS_FAST_MS) {
        *slot = NULL;
        return false;
    }
    bool full = s->nslow >= s->max_slow;
    go(s, *slot, full ? SLOT_WAITING_SLOW : SLOT_SLOW);
    return full;
}

void slots_leave(struct slots *s, struct slot *slot)
{
    if (slot->state == SLOT_OUT)
        return;
    struct slots_zone *zone = slot->zone;
    go(s, slot, SLOT_OUT);
    slot->zone = NULL;
    if (--zone->members > 0)
        return;
    HASH_DEL(s->zones, zone);
    free(zone);
}
