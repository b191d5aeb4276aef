// SPDX-License-Identifier: ISC
// Shared by relay/worker/slices.c (what both kinds have in common, and rates) and relay/worker/slices_places.c alone.
#ifndef RELAY_WORKER_SLICES_INSIDE_H
#define RELAY_WORKER_SLICES_INSIDE_H

#include "relay/base/table.h"

#include <pthread.h>
#include "relay/base/list.h"
#include "relay/worker/slices.h"

#define SLICES_AGAIN_MS 1000  // after an answer that was not enough: when the next is asked for
#define SLICES_IDLE_MS  3000  // what nobody drew from for so long goes back
#define SLICES_KNOWN    65536 // names of one kind

struct slice_rate {
    UT_hash_handle hh;
    struct list hot; // something is to be told about it
    struct slice_budget budget;
    double left;       // drawn and not spent; below 0: spent and not drawn
    double asked;      // of its debt, what is on its way
    double chunk;      // how much is drawn at a time
    double share;      // what is left of this node's share
    uint64_t share_ms; // when that was so
    uint64_t used_ms, drawn_ms;
    uint64_t again_ms;     // not asked for before
    uint64_t empty_ms;     // nothing is in the bucket until then
    uint64_t wish_ms;      // it runs short since then; 0: it does not
    struct worker *worker; // waits for more; NULL: nobody
    bool asking;
    char key[];
};

struct slice_places {
    UT_hash_handle hh;
    struct list hot;
    struct slice_use use;
    struct worker *worker;
    unsigned held, goal;
    uint64_t until_ms; // they are held
    uint64_t since_ms; // some are
    uint64_t full_ms;  // when all of them were last wanted
    uint64_t asked_ms, again_ms, wish_ms;
    uint64_t pause_ms; // others have their turn until then
    bool asking;
    char key[];
};

struct slices {
    pthread_mutex_t lock;
    int wake;
    bool connected, woken;
    unsigned nodes;
    uint64_t contact_ms;
    uint64_t alone,
        alone_before; // decisions by the share; how many there were when the database was last there
    struct slice_rate *rates;
    struct slice_places *places;
    struct list hot_rates, hot_places;
};

// The name as it goes to the database: cut, where it is too long, and told apart by a digest.
void slices_key(const char *name, char out[static SLICES_KEY]);
void slices_call(struct slices *s); // the fleet's thread looks; under the lock
bool slices_slow(uint64_t wish_ms, uint64_t now);

// relay/worker/slices_places.c, all under the lock
void slices_due_places(struct slices *s, bool all, struct slice_list *out);
void slices_settle_places(struct slices *s, const struct slice_list *list, bool done,
                          void (*wake)(struct worker *worker));
void slices_free_places(struct slices *s);

#endif
