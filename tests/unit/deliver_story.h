// SPDX-License-Identifier: ISC
// The stage for stories about one outbound session: a worker without threads, a pool, a route to fake MX
// hosts, one message. story_run turns the loop until the session has ended.
#ifndef TESTS_UNIT_DELIVER_STORY_H
#define TESTS_UNIT_DELIVER_STORY_H

#include "relay/deliver/session.h"
#include "tests/unit/fakemx.h"

struct story_end {
    char address[128];
    enum standing standing;
    struct why why;
    struct attempt attempt; // zeroed without one
    char reply[MAX_REPLY_TOLD];
};

struct story {
    struct relay relay;
    struct worker worker;
    struct worker *workers[1];
    struct config *config;
    struct setup *setup;
    struct pool *pool;
    struct refusals *refusals;
    struct list idle;
    size_t nidle;
    struct route *route;
    struct message *message;
    struct story_end ends[16]; // of the last run, in the order of the recipients
    size_t nends;
    struct attempt attempt; // the first recipient's
    bool attempted, done;
    bool races;                       // a second address may be tried beside the first
    unsigned nbeside;                 // and is now
    unsigned raced;                   // so far
    void (*opening)(struct story *s); // before each connection; NULL: nothing
    char file[64];                    // the CA file, "" without
};

// `delivery`: what stands between the braces of the configuration's delivery, "" for none.
// ca NULL: no trust. rule: further YAML lines below `delivery`, for destinations; NULL: none.
void story_begin(struct story *s, const char *delivery, const struct cert *ca);
void story_begin_timed(struct story *s, unsigned seconds, const char *delivery,
                       const struct cert *ca); // `seconds`: every timeout; 5 otherwise
void story_end(struct story *s);
// A further host of the route, on 127.0.0.1, less preferred than the one before.
struct route_host *story_host(struct story *s, struct mx *mx, const char *name,
                              enum tls_level level);
// A demand's key tells one demand from another, as tls/policy.h does it.
void story_demand_key(struct route_host *host, const char *key);
// The message and its recipients (up to the NULL). story_run sends it to all that are open.
struct message *story_message(struct story *s, const char *from, const char *text, ...);
void story_run(struct story *s);
const struct story_end *story_of(const struct story *s, const char *address);
// Turns the loop until nothing idles in the pool, or for a moment.
void story_turn(struct story *s);

#endif
