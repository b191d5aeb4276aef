// SPDX-License-Identifier: ISC
// What clients share across workers: how many connections each has, who has sent how much, and who
// may hash a password now, or run a program. One object in a process, behind one mutex that is off
// every hot path (connect, login, MAIL). Tables are bounded; peers choose the keys, so the hash is
// seeded.
//
// A client is an IPv4 address or an IPv6 /64. Times are monotonic.
#ifndef RELAY_WORKER_LIMITS_H
#define RELAY_WORKER_LIMITS_H

#include <stdbool.h>
#include <sys/socket.h>
#include "config/config.h"
#include "relay/base/inbox.h"

#define LIMITS_ENTRIES 65536 // of one table; the oldest entry makes room

struct limits;

// The object behind *slot, made by whoever comes first; a reference. The last limits_unref frees it
// and clears the slot. The slot must not be given back to limits_shared while the last reference
// goes.
struct limits *limits_shared(struct limits *_Atomic *slot);
void limits_unref(struct limits *limits); // accepts NULL

// Counts a connection of the client; false: it has per_client already, and none was counted.
bool limits_enter(struct limits *limits, const struct sockaddr *client, uint64_t per_client);
void limits_leave(struct limits *limits, const struct sockaddr *client);

// From now on the allowances of principals are a fleet's (relay/worker/slices.h), which outlives them; NULL: they are not.
struct slices;
void limits_share(struct limits *limits, struct slices *slices);

// Takes n from the principal's allowance (a bucket that refills at `rate`); false: not enough is
// left.
enum limits_kind { LIMITS_MESSAGES, LIMITS_RECIPIENTS };
bool limits_spend(struct limits *limits, enum limits_kind kind, const char *principal,
                  struct rate rate, uint64_t n);
// What is left of that allowance now, whole units; UINT64_MAX where there is no limit. For people to see.
uint64_t limits_left(struct limits *limits, enum limits_kind kind, const char *principal,
                     struct rate rate);

// Turns at what takes long: so many at once, LIMITS_WAITING in line. GO: begin now. WAIT: `turn->item.run` will be
// called on turn->mail's thread, then begin. FULL: neither. After GO or the call: limits_turn_end.
#define LIMITS_WAITING 100
enum limits_turns {
    TURN_HASH,    // half the cores at once
    TURN_PROGRAM, // auth.concurrent
    TURNS
};
struct limits_turn {
    struct item item;
    struct inbox *mail;
    enum limits_turns kind;
    struct limits_turn *behind;
};
enum limits_answer { LIMITS_GO, LIMITS_WAIT, LIMITS_FULL };
enum limits_answer limits_turn_take(struct limits *limits, struct limits_turn *turn);
void limits_turn_end(struct limits *limits, enum limits_turns kind);
// After WAIT: out of the line. False: its turn is on its way.
bool limits_turn_cancel(struct limits *limits, struct limits_turn *turn);
void limits_turns_set(struct limits *limits, enum limits_turns kind, unsigned most); // from now on

// Logins that another service is being asked about: so many in the relay, those whose client has to speak included.
#define LIMITS_ASKED 1000
bool limits_ask(struct limits *limits); // false: there are so many
void limits_asked(struct limits *limits);

#endif
