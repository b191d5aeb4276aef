// SPDX-License-Identifier: ISC
// A table of names that only grows: a slot is taken by exchanging its NULL for a name, so that two threads that meet
// at a new name agree on one of them.
#include "relay/base/tally.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

static const char *const other_name = "other";

// FNV-1a. The names are the operator's, so nobody can make them collide.
static size_t place_of(const char *name)
{
    uint32_t hash = 2166136261U;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash % TALLY_SLOTS;
}

static struct tally_slot *tally_claim(struct tally *t, struct tally_slot *slot, const char *name)
{
    char *mine = mem_dup(name), *theirs = NULL;
    if (atomic_fetch_add(&t->names, 1) < TALLY_NAMES &&
        atomic_compare_exchange_strong(&slot->name, &theirs, mine))
        return slot;
    atomic_fetch_sub(&t->names, 1);
    free(mine);
    return theirs && strcmp(theirs, name) == 0 ? slot : NULL;
}

static struct tally_slot *tally_find(struct tally *t, const char *name)
{
    if (strcmp(name, other_name) == 0) // its series would stand there twice
        return &t->other;
    for (size_t i = place_of(name), seen = 0; seen < TALLY_SLOTS;
         seen++, i = (i + 1) % TALLY_SLOTS) {
        struct tally_slot *slot = &t->slots[i];
        const char *there = atomic_load_explicit(&slot->name, memory_order_acquire);
        if (there && strcmp(there, name) == 0)
            return slot;
        if (there)
            continue;
        if (atomic_load_explicit(&t->names, memory_order_relaxed) >= TALLY_NAMES)
            return &t->other;
        struct tally_slot *claimed = tally_claim(t, slot, name);
        if (claimed)
            return claimed;
    }
    return &t->other;
}

void tally_add(struct tally *t, const char *name, unsigned kind, uint64_t n)
{
    assert(kind < TALLY_KINDS);
    atomic_fetch_add_explicit(&tally_find(t, name)->n[kind], n, memory_order_relaxed);
}

static bool tally_copy(const struct tally_slot *slot, const char *name, struct tally_row *out)
{
    uint64_t sum = 0;
    out->name = name;
    for (unsigned k = 0; k < TALLY_KINDS; k++) {
        out->n[k] = atomic_load_explicit(&slot->n[k], memory_order_relaxed);
        sum += out->n[k];
    }
    return sum > 0;
}

size_t tally_read(const struct tally *t, struct tally_row out[static TALLY_NAMES + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < TALLY_SLOTS && n < TALLY_NAMES; i++) {
        const char *name = atomic_load_explicit(&t->slots[i].name, memory_order_acquire);
        if (name)
            tally_copy(&t->slots[i], name, &out[n++]);
    }
    if (tally_copy(&t->other, other_name, &out[n]))
        n++;
    return n;
}

void tally_clear(struct tally *t)
{
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        free(t->slots[i].name);
    memset(t, 0, sizeof *t);
}
