// SPDX-License-Identifier: ISC
// The inside of a pool, shared by relay/deliver/pool.c and relay/deliver/pool_table.c alone.
#ifndef RELAY_DELIVER_POOL_INSIDE_H
#define RELAY_DELIVER_POOL_INSIDE_H

#include "relay/deliver/pool.h"
#include "relay/base/table.h"
#include "relay/deliver/quota.h"

#define POOL_PROVEN   4           // keys remembered at one address
#define POOL_HABIT_MS 2592000000u // how a host speaks is remembered for 30 days

struct pool_host {
    unsigned char key[20]; // address and port
    size_t key_bytes;
    size_t open;       // connections of this pool
    unsigned failures; // in a row
    uint64_t until_ms; // clock_mono_ms(): not tried before
    struct why *why;   // the last failure, owned; NULL: none
    struct list quiet; // remembered although nothing is open to it
    // What is known of how it speaks, until then; 0: nothing.
    uint64_t out_of_step_ms, no_chunking_ms, astray_ms;
    unsigned clean;                      // messages after which its answers could be told apart
    unsigned several;                    // the most recipients of one of them
    uint64_t reset;                      // its answer to RSET, a digest
    unsigned nresets;                    // how often it came alike
    struct pool_key chunks[POOL_PROVEN]; // keys under which it took a BDAT, newest first
    unsigned nchunks;
    UT_hash_handle hh;
};

struct pool {
    struct worker *worker;
    void (*freed)(void *arg); // a connection has closed: somebody else may open one
    void *arg;
    struct list idle; // connections, idle longest first
    size_t open;
    bool closed;
    struct quota_member *quota;
    struct pool_host *hosts; // table by address
    struct list quiet;       // hosts without connections that failed, oldest first
    size_t nquiet;
    struct pool_same *same;  // table of idle connections by key
    struct tickets *tickets; // the relay's
    unsigned char secret[192];
};

void pool_add_host(struct pool *pool, struct pool_host *host);
struct pool_host *pool_table_host(struct pool *pool, const void *key, size_t n);
void pool_forget_host(struct pool *pool, struct pool_host *host);
void pool_table_idle_add(struct connection *c);
void pool_table_idle_remove(struct connection *c);
struct connection *pool_table_idle(struct pool *pool, const struct pool_key *key);

#endif
