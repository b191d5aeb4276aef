// SPDX-License-Identifier: ISC
// The life of signing keys that turn, as a pure state machine: no files, no DNS, no clock of its own.
//
//     next       made, its record is not seen yet; signs nothing
//     published  its record was seen, for less than an hour
//     active     signs; its record was seen twice, an hour apart
//     retired    signs no more; its record stays for what is still on its way
//     withdrawn  its record is to be removed, and the key with it once that is gone
//
// RSA and Ed25519 keys of a domain turn each by themselves. Whatever goes wrong makes a turn late, never early:
// the times that decide are sums of what surely passed (rotation_pass), so no clock that is set, no restart and no
// machine that was off shortens them.
#ifndef RELAY_ROTATE_ROTATION_H
#define RELAY_ROTATE_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sign/published.h"

#define ROTATION_SELECTOR 256
#define ROTATION_AGAIN_MS 3600000 // between the two sightings of a record

enum rotation_phase {
    ROTATION_NEXT,
    ROTATION_PUBLISHED,
    ROTATION_ACTIVE,
    ROTATION_RETIRED,
    ROTATION_WITHDRAWN
};

struct rotation_key {
    char selector[ROTATION_SELECTOR];
    enum key_type type;
    enum rotation_phase phase;
    uint64_t aged_ms;     // in this phase, as far as it is sure
    int64_t since_ms;     // wall clock, for people alone
    bool settled;         // retired: no relay signs with it any more, so its time runs
    enum published heard; // in this step
};

struct rotation {
    struct rotation_key *keys;
    size_t n;
    bool marked;      // there was a step before
    uint64_t boot_ms; // the clocks at it
    int64_t wall_ms;
};

const char *rotation_phase_word(enum rotation_phase phase);
void rotation_free(struct rotation *r); // what it holds; leaves it empty
struct rotation_key *rotation_add(struct rotation *r, const char *selector, enum key_type type,
                                  enum rotation_phase phase, int64_t wall_ms);
void rotation_drop(struct rotation *r, size_t i);
struct rotation_key *rotation_find(const struct rotation *r, const char *selector);

// Time went on since the step before: as much as both the clock of the machine since its start and the wall clock
// vouch for. After a restart of the machine only what passed since then counts.
void rotation_pass(struct rotation *r, uint64_t boot_ms, int64_t wall_ms);
// Whether a next key of this type is to be made: there is an active one, none is on its way, and `every` has passed
// (ms; 0: now).
bool rotation_due(const struct rotation *r, enum key_type type, uint64_t every);
// What the DNS says of key i in this step, to be told before the two below.
void rotation_hear(struct rotation *r, size_t i, enum published answer, int64_t wall_ms);
// Keys whose time has come become active, and those of their type that were become retired. True: something changed.
bool rotation_switch(struct rotation *r, int64_t wall_ms);
// Whether the record of key i may go: it is retired and settled for `retire` ms, and an active key of its type is
// found by receivers in this very step.
bool rotation_may_withdraw(const struct rotation *r, size_t i, uint64_t retire);
void rotation_withdraw(struct rotation *r, size_t i, int64_t wall_ms);
// The record of key i should be there, and the DNS says that it is not.
bool rotation_wants_record(const struct rotation *r, size_t i);
// A withdrawn key whose record is gone.
bool rotation_gone(const struct rotation *r, size_t i);

#endif
