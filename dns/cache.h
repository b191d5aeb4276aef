// SPDX-License-Identifier: ISC
// Answers kept for their TTL, and those who wait for one that is being looked up. Owned by one thread;
// pure: the owner gives the time (milliseconds, monotonic) and makes the lookups.
//
// Bounded in bytes; what was not asked for longest goes first. Failures are kept as well, 30 seconds
// at first, twice as long each time the same question fails again, 5 minutes at most (RFC 2308
// section 7): a dead zone is not asked for every message.
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include "dns/answer.h"
#include "relay/base/list.h"

#define CACHE_FAILED_FIRST 30  // seconds
#define CACHE_FAILED_MOST  300 // seconds

struct cache;

enum cache_verdict {
    CACHE_HIT,    // *answer is set, borrowed until the next call
    CACHE_WAIT,   // somebody looks it up already; the waiter was added
    CACHE_LOOK_UP // nobody does: the caller must, and ends with cache_put; the waiter was added
};

struct cache *cache_new(uint64_t max_bytes);
void cache_free(struct cache *cache); // accepts NULL; waiters are the owner's

// The name in normal form (dns/name.h). `waiter` is threaded through the caller's memory; to stop
// waiting, list_remove it.
enum cache_verdict cache_ask(struct cache *cache, const char *name, uint16_t type, uint64_t now_ms,
                             struct list *waiter, struct dns_answer **answer);
// The end of a lookup: sets ttl (of a failure) and expires_ms of the answer, which nobody else may hold
// yet, keeps a reference of its own, and moves those who waited to `waiters`.
void cache_put(struct cache *cache, struct dns_answer *answer, uint64_t now_ms,
               struct list *waiters);
// All who wait, for whatever; the lookups go on.
void cache_give_up(struct cache *cache, struct list *waiters);
// Forgets answers for a name and below; "" for all. Lookups under way go on.
void cache_forget(struct cache *cache, const char *name);
uint64_t cache_bytes(const struct cache *cache); // an estimate of what the answers hold

#endif
