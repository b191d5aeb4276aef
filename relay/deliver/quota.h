// SPDX-License-Identifier: ISC
// How many outbound connections the whole relay has open, to each address and in all: the limits are the relay's, and
// its workers' pools count here. A pool that finds a limit reached is woken when another's connection ends, and the
// others' idle ones make room for it. Any thread; one mutex. Made by the first worker's pool.
#ifndef RELAY_DELIVER_QUOTA_H
#define RELAY_DELIVER_QUOTA_H

#include "relay/worker/relay.h"

#define QUOTA_KEY 20 // bytes of an address and its port at most

struct quota_member; // one pool

// Both run on the member's thread, never inside a call of this header.
struct quota_calls {
    void (*freed)(void *arg); // a connection that it waited for has ended somewhere
    // Somebody waits for this address (n 0: for any): an idle connection to it ends, if there is one.
    void (*evict)(const void *address, size_t n, void *arg);
    void *arg;
};
struct quota_member *quota_join(struct worker *worker, const struct quota_calls *calls);
void quota_leave(struct quota_member *m); // it has no connection; no call comes any more

// One more connection to the address, if there are fewer than per_host, and than `total` in all. False: the member
// waits.
bool quota_take(struct quota_member *m, const void *address, size_t n, uint64_t per_host,
                uint64_t total);
void quota_give(struct quota_member *m, const void *address, size_t n);
bool quota_full(struct quota_member *m, const void *address, size_t n, uint64_t per_host);
// In all, there are fewer than `total`. False: the member waits.
bool quota_has_room(struct quota_member *m, uint64_t total);
// A connection to the address has become idle. If another member waits for it, or for any, `evict` follows when this
// turn of the loop is through: who can use it now does.
void quota_idle(struct quota_member *m, const void *address, size_t n);

#endif
