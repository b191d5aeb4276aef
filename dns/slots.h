// SPDX-License-Identifier: ISC
// Who may be asking now: bounds on what is outstanding, so that dead name servers brake only their own.
//
// Three bounds. At most `fast` queries are outstanding; one that is older than SLOTS_FAST_MS moves to a
// slow class with slots of its own, and where that is full too it loses its slot and waits for a slow
// one. And at most `per_zone` of one zone are outstanding in both classes together. Pure: the owner
// gives the time and starts and stops what it is told. Zones take turns.
#ifndef DNS_SLOTS_H
#define DNS_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/list.h"

#define SLOTS_FAST_MS 1000

struct slots;
struct slots_zone;

enum slot_state { SLOT_OUT, SLOT_WAITING, SLOT_FAST, SLOT_WAITING_SLOW, SLOT_SLOW };
struct slot { // in the owner's memory; zeroed before the first slots_enter
    struct list link;
    struct slots_zone *zone;
    enum slot_state state;
    uint64_t since_ms; // start of SLOT_FAST
};

struct slots *slots_new(size_t fast, size_t slow, size_t per_zone);
void slots_free(struct slots *slots); // when every slot has left

void slots_enter(struct slots *slots, struct slot *slot, const char *name); // SLOT_WAITING
// The next that may start, now SLOT_FAST or SLOT_SLOW; NULL: none. Call it until it says NULL.
struct slot *slots_next(struct slots *slots, uint64_t now_ms);
// One that was in the fast class for too long. True: it lost its slot (SLOT_WAITING_SLOW), stop it.
// False: it goes on in the slow class. NULL in *slot: there is none.
bool slots_age(struct slots *slots, uint64_t now_ms, struct slot **slot);
void slots_leave(struct slots *slots, struct slot *slot);

// The zone that shares a bound: the last two labels, or three where the second looks like a registry's
// own (co.uk), four below arpa. Only a bound hangs on it, so a guess is good enough: too wide and
// neighbours wait for each other a little, too narrow and one operator gets a few slots more.
const char *slots_zone_of(const char *name); // points into name

#endif
