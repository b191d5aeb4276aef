// SPDX-License-Identifier: ISC
// Addresses of hosts whose answers went astray: more, fewer or later than was asked. No message is sent to them
// before the last one's answer is there (relay/deliver/pool_speech.h, Overlap). One table for all workers, behind a mutex,
// with its rows in the state database.
#ifndef RELAY_DELIVER_STRAYS_H
#define RELAY_DELIVER_STRAYS_H

#include <stdint.h>

#define STRAY_NAME 64    // an address as text, with its end
#define STRAYS_MAX 10000 // kept; those that end first go

struct strays;
struct state;

// With the rows of the state database; `state` NULL: nothing is kept beyond the end.
struct strays *strays_new(struct state *state);
void strays_free(struct strays *strays); // accepts NULL
// Any thread; until: wall clock, ms. NULL: nothing happens.
void strays_add(struct strays *strays, const char *address, int64_t until_ms);
int64_t strays_until(struct strays *strays, const char *address); // 0: not known

#endif
