// SPDX-License-Identifier: ISC
// MTA-STS policies of other domains (RFC 8461 sections 3.3, 4 and 5.1): looked up, fetched, kept through
// outages, refreshed ahead of expiry. Lives on one loop (the routes thread, or a command's own).
//
// A cached unexpired policy stays in force when TXT vanishes, is doubled or broken, when a new id cannot
// be fetched, and when HTTPS is blocked (case 14). First contact waits for the fetch; a failing one means
// "as if none", recorded, next try after 5 minutes. A new id starts a fetch while the cached policy counts.
#ifndef TLS_STS_CACHE_H
#define TLS_STS_CACHE_H

#include "dns/dns.h"
#include "tls/https.h"
#include "tls/policy.h"

struct sts_cache;
struct sts_request;

// A policy as it is kept on disk.
struct sts_row {
    const char *domain, *id, *text; // text: the policy as fetched
    int64_t fetched_s, expires_s;
};

struct sts_cache_options {
    uv_loop_t *loop;
    struct inbox *mail;
    struct dns *dns;
    struct https *https;
    bool refresh;     // refresh daily ahead of expiry, in the background (the relay)
    uint64_t tick_ms; // how often that looks for what is due; 0: 30 s
    // A policy must be on disk before a delivery relies on it: called with each new or changed policy;
    // `stored` is to be called back on the loop when it is committed (or failed to be: policies then live
    // on in memory). text NULL: forget the row. NULL: nothing is kept.
    void (*keep)(void *arg, const struct sts_row *row, void (*stored)(void *), void *stored_arg);
    // enforce → none, policy gone, fetch failing with a new id: words for the `policy-change` event.
    void (*changed)(void *arg, const char *domain, const char *what);
    // A fetch failed: one fact for the ledger (RFC 8460 section 4.3.2.2). `view`: what is in force all the
    // same, mode -1 where nothing is. May be NULL.
    void (*failed)(void *arg, const char *domain, const struct sts_view *view,
                   const struct why *why);
    // The policy host has shown a certificate that holds, and it ends then (Unix seconds). May be NULL.
    void (*showed)(void *arg, const char *domain, int64_t ends_s);
    void *arg;
};
struct sts_cache *sts_cache_open(const struct sts_cache_options *options);
void sts_cache_close(struct sts_cache *cache); // no callback comes any more
// A row from disk, at start.
void sts_cache_restore(struct sts_cache *cache, const struct sts_row *row);

// A policy that another relay of ours fetched, and vouches for. It may only raise what is demanded here: enforce where
// nothing is in force or less is, or the same policy for longer. What would lower or change a demand is looked up and
// fetched here first (RFC 8461 section 5.1). Kept as a fetched one is.
void sts_cache_hear(struct sts_cache *cache, const struct sts_row *row);

// What MTA-STS says of the domain now. One callback, never inside the call; the view is the cache's, copy
// to keep. mode -1: no policy.
typedef void sts_fn(const struct sts_view *view, void *arg);
struct sts_request *sts_cache_get(struct sts_cache *cache, const char *domain, sts_fn *fn,
                                  void *arg);
void sts_cache_cancel(struct sts_request *request); // accepts NULL
// A policy failed on delivery, or `waxwing tls refresh`: TXT is looked up again (at most once a minute a
// domain) and fetched where the id differs; `force` fetches whatever the id. The callback waits for it.
struct sts_request *sts_cache_refresh(struct sts_cache *cache, const char *domain, bool force,
                                      sts_fn *fn, void *arg);
// What it is doing for a domain at this moment, for whoever waits.
enum sts_wait { STS_RESTS, STS_LOOKS, STS_FETCHES, STS_STORES };
enum sts_wait sts_cache_waits(struct sts_cache *cache, const char *domain, uint64_t *since_ms);
// Every cached policy, for `waxwing tls policies`.
void sts_cache_each(struct sts_cache *cache,
                    void (*fn)(const char *domain, const struct sts_view *view, void *arg),
                    void *arg);

#endif
