// SPDX-License-Identifier: ISC
// Counts under names that are known only while the relay runs (listeners, logins, alarms), for metrics: at most
// TALLY_NAMES of them, and everything later is "other", so that nobody can make a monitoring system keep a million
// series. Any thread, no lock; memory is asked for once a name. All zero is an empty one. Names never go.
#ifndef RELAY_BASE_TALLY_H
#define RELAY_BASE_TALLY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_NAMES 100
#define TALLY_SLOTS 256 // of the table: sparse enough that a look at one or two finds a name
#define TALLY_KINDS 3   // counts of one name; their owner says what they are

struct tally_slot {
    char *_Atomic name; // NULL: free
    _Atomic uint64_t n[TALLY_KINDS];
};
struct tally {
    struct tally_slot slots[TALLY_SLOTS];
    struct tally_slot other;
    _Atomic unsigned names;
};

void tally_add(struct tally *tally, const char *name, unsigned kind, uint64_t n);
// The names with their counts, in no order that means something, "other" at the end where it counted; returns how
// many. What they point to lives as long as the tally.
struct tally_row {
    const char *name;
    uint64_t n[TALLY_KINDS];
};
size_t tally_read(const struct tally *tally, struct tally_row out[static TALLY_NAMES + 1]);
void tally_clear(struct tally *tally); // frees what it holds; nobody may be counting

#endif
