// SPDX-License-Identifier: ISC
// One fact that nodes tell each other: a row of the state database (relay/state/shared.h) as text, and what it says when
// it is read with care. Pure. What another node wrote is believed only where it is all of this: in form, in its bounds,
// and not of the future.
#ifndef RELAY_FLEET_FACT_H
#define RELAY_FLEET_FACT_H

#include <jansson.h>
#include "relay/base/span.h"
#include "relay/base/why.h"
#include "relay/login/bans.h"
#include "relay/state/shared.h"
#include "relay/state/sites.h"
#include "relay/suppress/suppress.h"
#include "tls/memory.h"
#include "tls/sts_cache.h"

#define FACT_KEY   1024  // bytes of a key
#define FACT_BODY  90000 // and of a body: a policy is 64 KiB
#define FACT_AHEAD 300   // s that another node's clock may be ahead of ours

struct fact {
    enum shared_kind kind;
    bool gone;            // it was taken out
    int64_t at_ms;        // what decides between two of the same key: the later counts
    char *first, *second; // of the key: domain; domain and host; sender and address; "" and name
    // what it says, unless it is gone; texts are borrowed from `body`
    union {
        struct sts_row policy;
        struct memory_row memory;
        struct suppressed_row suppressed;
        struct ban ban;
        struct site_row site; // texts borrowed, too; no pause
    };
    json_t *body;
};

// body NULL: the row was taken out, at at_ms. -1 with why, in few words; fact_free is harmless then.
int fact_read(enum shared_kind kind, const char *key, const char *body, int64_t at_ms,
              int64_t now_ms, struct fact *out, struct why *why);
void fact_free(struct fact *fact);

#endif
