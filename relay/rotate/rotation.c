// SPDX-License-Identifier: ISC
// Which key is in which phase, and when it leaves it.
#include "relay/rotate/rotation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

const char *rotation_phase_word(enum rotation_phase phase)
{
    static const char *const words[] = {[ROTATION_NEXT] = "next",
                                        [ROTATION_PUBLISHED] = "published",
                                        [ROTATION_ACTIVE] = "active",
                                        [ROTATION_RETIRED] = "retired",
                                        [ROTATION_WITHDRAWN] = "withdrawn"};
    return words[phase];
}

void rotation_free(struct rotation *r)
{
    free(r->keys);
    *r = (struct rotation){0};
}

struct rotation_key *rotation_add(struct rotation *r, const char *selector, enum key_type type,
                                  enum rotation_phase phase, int64_t wall_ms)
{
    r->keys = mem_grow(r->keys, r->n + 1, sizeof *r->keys);
    struct rotation_key *key = &r->keys[r->n++];
    *key = (struct rotation_key){
        .type = type, .phase = phase, .since_ms = wall_ms, .heard = PUBLISHED_UNKNOWN};
    snprintf(key->selector, sizeof key->selector, "%s", selector);
    return key;
}

void rotation_drop(struct rotation *r, size_t i)
{
    r->n--;
    memmove(&r->keys[i], &r->keys[i + 1], (r->n - i) * sizeof *r->keys);
}

struct rotation_key *rotation_find(const struct rotation *r, const char *selector)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->keys[i].selector, selector) == 0)
            return &r->keys[i];
    return NULL;
}

// On one machine the first clock is never ahead of what passed: where it began anew, all that it shows is later than
// the step before. On another machine it may be, and there the wall clock holds it.
static uint64_t surely_passed(const struct rotation *r, uint64_t boot_ms, int64_t wall_ms)
{
    uint64_t passed = boot_ms >= r->boot_ms ? boot_ms - r->boot_ms : boot_ms;
    if (!r->marked || wall_ms <= r->wall_ms)
        return 0;
    uint64_t wall = (uint64_t)(wall_ms - r->wall_ms);
    return wall < passed ? wall : passed;
}

void rotation_pass(struct rotation *r, uint64_t boot_ms, int64_t wall_ms)
{
    uint64_t passed = surely_passed(r, boot_ms, wall_ms);
    for (size_t i = 0; i < r->n; i++) {
        struct rotation_key *key = &r->keys[i];
        key->heard = PUBLISHED_UNKNOWN;
        if (key->phase == ROTATION_RETIRED && !key->settled)
            key->aged_ms = 0;
        else
            key->aged_ms += passed;
    }
    r->marked = true;
    r->boot_ms = boot_ms;
    r->wall_ms = wall_ms;
}

bool rotation_due(const struct rotation *r, enum key_type type, uint64_t every)
{
    bool due = false;
    for (size_t i = 0; i < r->n; i++) {
        if (r->keys[i].type != type)
            continue;
        if (r->keys[i].phase == ROTATION_NEXT || r->keys[i].phase == ROTATION_PUBLISHED)
            return false;
        due |= r->keys[i].phase == ROTATION_ACTIVE && r->keys[i].aged_ms >= every;
    }
    return due;
}

static void rotation_move(struct rotation_key *key, enum rotation_phase phase, int64_t wall_ms)
{
    key->phase = phase;
    key->aged_ms = 0;
    key->since_ms = wall_ms;
    key->settled = false;
}

void rotation_hear(struct rotation *r, size_t i, enum published answer, int64_t wall_ms)
{
    struct rotation_key *key = &r->keys[i];
    key->heard = answer;
    if (answer == PUBLISHED_UNKNOWN)
        return;
    if (key->phase == ROTATION_NEXT && answer == PUBLISHED_SAME)
        rotation_move(key, ROTATION_PUBLISHED, wall_ms);
    else if (key->phase == ROTATION_PUBLISHED && answer != PUBLISHED_SAME)
        rotation_move(key, ROTATION_NEXT, wall_ms); // it has to be seen twice again
}

static bool is_ripe(const struct rotation_key *key)
{
    return key->phase == ROTATION_PUBLISHED && key->heard == PUBLISHED_SAME &&
           key->aged_ms >= ROTATION_AGAIN_MS;
}

static bool has_ripe(const struct rotation *r, enum key_type type)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->keys[i].type == type && is_ripe(&r->keys[i]))
            return true;
    return false;
}

bool rotation_switch(struct rotation *r, int64_t wall_ms)
{
    bool changed = false;
    for (size_t i = 0; i < r->n; i++)
        if (r->keys[i].phase == ROTATION_ACTIVE && has_ripe(r, r->keys[i].type))
            rotation_move(&r->keys[i], ROTATION_RETIRED, wall_ms);
    for (size_t i = 0; i < r->n; i++)
        if (is_ripe(&r->keys[i])) {
            rotation_move(&r->keys[i], ROTATION_ACTIVE, wall_ms);
            changed = true;
        }
    return changed;
}

bool rotation_may_withdraw(const struct rotation *r, size_t i, uint64_t retire)
{
    const struct rotation_key *key = &r->keys[i];
    if (key->phase != ROTATION_RETIRED || !key->settled || key->aged_ms < retire)
        return false;
    for (size_t k = 0; k < r->n; k++)
        if (r->keys[k].type == key->type && r->keys[k].phase == ROTATION_ACTIVE &&
            r->keys[k].heard == PUBLISHED_SAME)
            return true;
    return false;
}

void rotation_withdraw(struct rotation *r, size_t i, int64_t wall_ms)
{
    rotation_move(&r->keys[i], ROTATION_WITHDRAWN, wall_ms);
}

bool rotation_wants_record(const struct rotation *r, size_t i)
{
    const struct rotation_key *key = &r->keys[i];
    return key->phase != ROTATION_WITHDRAWN && key->heard != PUBLISHED_SAME &&
           key->heard != PUBLISHED_UNKNOWN;
}

bool rotation_gone(const struct rotation *r, size_t i)
{
    const struct rotation_key *key = &r->keys[i];
    return key->phase == ROTATION_WITHDRAWN && key->heard != PUBLISHED_SAME &&
           key->heard != PUBLISHED_UNKNOWN;
}
