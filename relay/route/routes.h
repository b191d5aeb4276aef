// SPDX-License-Identifier: ISC
// The routes thread: answers "where and how for this domain?" with a route. Caches routes for the TTL of
// their facts, lets many waiters share one planning, owns the MTA-STS cache and the TLS memory.
#ifndef RELAY_ROUTE_ROUTES_H
#define RELAY_ROUTE_ROUTES_H

#include "relay/worker/relay.h"
#include "relay/route/route.h"
#include "relay/route/wish.h"
#include "tls/memory.h"
#include "tls/sts_cache.h"

struct routes_options {
    struct relay *relay;
    struct setup *setup; // takes a reference
    // The policy host of this domain showed a certificate that ends then (Unix seconds). On the routes thread; may be
    // NULL.
    void (*policy_host)(struct relay *relay, const char *domain, int64_t ends_s);
};
struct routes *routes_open(const struct routes_options *options, struct why *why);
void routes_reload(struct routes *routes, struct setup *setup); // any thread; forgets cached routes
void routes_close(struct routes *routes);                       // every request has ended before
size_t routes_cached(const struct routes *routes); // routes kept or being planned; any thread

// One callback on the loop of `loop_inbox`, never inside the call, unless cancelled. The route is counted:
// take a reference to keep it. The wish is copied. Any thread.
typedef void route_fn(struct route *route, void *arg);
struct route_request *route_ask(struct routes *routes, struct inbox *loop_inbox,
                                const struct route_wish *wish, route_fn *fn, void *arg);
void route_cancel(struct route_request *request); // on the asking thread; accepts NULL
// A policy failed on a delivery by this route: look MTA-STS TXT (at most once a minute a domain) and all routes of
// its domain up again.
void routes_refresh(struct routes *routes, struct route *route);

// TLS memory: what a host proved in a finished handshake; `dane`: it had usable TLSA records. `policy_domain` is whose
// policy and memory count for it (route_policy_domain), ""  nobody's: then nothing is learned. Kept in the table of
// this thread and on disk. Any thread.
void routes_learn(struct routes *routes, const char *policy_domain, const char *host,
                  enum memory_owes proved, bool dane);
// `waxwing explain` of the running relay: plans afresh. `fn` gets the explanation as JSON text (free it) on
// the loop of loop_inbox; also the answers to tls policies, memory, refresh and forget (relay/route/ask.c). After
// patience_ms (0: however long it takes) it gets what is known by then.
typedef void routes_json_fn(char *json, void *arg);
void routes_explain(struct routes *routes, struct inbox *loop_inbox, const struct route_wish *wish,
                    uint64_t patience_ms, routes_json_fn *fn, void *arg);
// What the routes to this domain that are being planned wait for: {"waits":[...]} as relay/route/waits.h has it, and
// "logins": the users that log in at the hosts of its routes.
void routes_waits(struct routes *routes, struct inbox *loop_inbox, const char *domain,
                  routes_json_fn *fn, void *arg);
void routes_policies(struct routes *routes, struct inbox *loop_inbox, routes_json_fn *fn,
                     void *arg);
// Fetches the MTA-STS policy whatever the id says.
void routes_fetch(struct routes *routes, struct inbox *loop_inbox, const char *domain,
                  routes_json_fn *fn, void *arg);
// What another relay of the fleet fetched, what a host proved there, and that somebody made it forget that: what was
// seen at `until_ms` or before. Each may only raise what this relay demands, but for the last, which an operator meant.
// Copied; any thread. (relay/route/heard.c)
void routes_hear_policy(struct routes *routes, const struct sts_row *row);
void routes_hear_memory(struct routes *routes, const char *domain, const struct memory_row *row);
void routes_hear_forgotten(struct routes *routes, const char *domain, const char *host,
                           int64_t until_ms);
void routes_heard(
    struct routes *routes); // returns when all of it is done; blocks, not on this thread
// Forgets TLS memory of the domain.
void routes_forget(struct routes *routes, struct inbox *loop_inbox, const char *domain,
                   routes_json_fn *fn, void *arg);

#endif
