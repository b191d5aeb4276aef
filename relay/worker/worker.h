// SPDX-License-Identifier: ISC
// A worker: a thread with a loop that owns its listeners and inbound sessions (relay/submit/server.h), the lanes
// whose site hashes to it, and their connections and retry times (relay/queue/queue.h). Nothing of it is
// touched from another thread but `mail`.
#ifndef RELAY_WORKER_WORKER_H
#define RELAY_WORKER_WORKER_H

#include <uv.h>
#include "relay/base/inbox.h"

struct config;
struct relay;
struct setup;
struct server; // relay/submit/server.h
struct queue;  // relay/queue/queue.h

#define WORKERS_MAX 256 // the range of the key `workers`

struct worker {
    struct relay *relay;
    unsigned index;
    uv_loop_t loop;
    struct inbox *mail;
    struct setup *setup; // the present one, here alone; sessions and deliveries take references
    struct server *server;
    struct queue *queue;
    void (*busy)(struct worker *worker, int change); // the queue's; NULL: nobody counts
};

// Work in the thread pool that must end before the spool closes: +1 or -1.
void worker_busy(struct worker *worker, int change);

// Runs fn(worker, arg) on the worker's thread, later. Any thread.
void worker_call(struct worker *worker, void (*fn)(struct worker *worker, void *arg), void *arg);
// How many a configuration asks for: one a core where it says 0.
unsigned worker_count(const struct config *config);
// The worker that owns a site (hash of its key).
struct worker *worker_for_site(struct relay *relay, const char *site);

#endif
