// SPDX-License-Identifier: ISC
// A route: where mail for a domain goes now, and what each connection must prove. Immutable, counted,
// shared across threads.
//
// It is made by route_plan (relay/route/plan.h), which is pure. relay/route/routes.h runs that on its thread, caches,
// and answers many waiters.
#ifndef RELAY_ROUTE_ROUTE_H
#define RELAY_ROUTE_ROUTE_H

#include "config/config.h"
#include "dns/facts.h"
#include "dns/rdata.h"
#include "relay/base/why.h"
#include "tls/policy.h"

enum route_verdict { ROUTE_DELIVER, ROUTE_DEFER, ROUTE_BOUNCE };

// What the message asks for, which changes the demands (RFC 8689).
enum route_variant { ROUTE_PLAIN, ROUTE_REQUIRETLS, ROUTE_TLS_OPTIONAL };

// Whose word named the hops.
enum route_word { WORD_DOMAIN, WORD_RULE, WORD_SENDER, WORD_SMARTHOST, WORD_OPERATOR };
const char *
route_word_text(enum route_word word); // "mx", "rule", "sender", "smarthost", "operator"

struct route_host {
    char *host; // the MX host as published (A-label), or the address literal
    uint16_t port;
    bool implicit_tls;
    uint16_t preference;
    struct sockaddr_storage *addresses; // with port, in order of trying; refused ones left out
    size_t naddresses;
    enum dns_proof mx_proof, address_proof;
    enum dns_proof dnssec; // what DNSSEC says of all that was looked up for it
    struct demand demand;  // tls/policy.h: level, source, names, SNI, TLSA set, or refused with why
    struct why unusable;   // set: this host cannot be used now (no address, TLSA bogus, …)
    bool authentic;        // its name is authentic for REQUIRETLS
    char *hop; // named by the operator: the name of its health (relay/route/health.h); else NULL
    unsigned rank; // which of the next hops it belongs to
    const struct cfg_destination
        *rule; // that counts there; NULL: none. Of the route's setup, as what follows
    const struct cfg_login *login; // NULL: nobody logs in
    struct creds *identity;        // the certificate to show; NULL: none
    int policy; // whose MTA-STS policy and memory count: of route->policies; -1: nobody's
};

// What MTA-STS says of one next hop that is looked up: the recipient domain, or each that a rule names.
struct route_policy {
    char *domain;
    struct sts_view sts;
};
#define MAX_POLICIES 8 // of one route

struct route {
    _Atomic unsigned refs;
    char *domain;          // the recipient domain
    char *next_hop_domain; // what was looked up: the domain or the configured next hop
    enum route_variant variant;
    char *
        site; // lane key: the sorted host set, and the login and sender's source address where there are any
    enum route_verdict verdict;
    struct why why;           // unless ROUTE_DELIVER: the reason; also when every host is unusable
    struct route_host *hosts; // in order of trying (equal preferences shuffled)
    size_t nhosts;
    enum route_word word;            // whose word this is
    const struct cfg_sender *sender; // whose row counted; NULL: nobody's
    const struct cfg_source
        *sources[2]; // where connections come from: IPv4, IPv6; NULL: as the system likes
    bool shadow;     // deliver as opportunistic, record what would have been refused
    struct shadow_note
        *notes; // relay/route/route.c: what shadow mode would have refused; may be NULL
    const struct cfg_destination *rule; // of the first hop; of the setup held below; NULL without
    struct setup *setup;                // reference
    struct route_policy *policies;      // in the order of the next hops; none for configured hosts
    size_t npolicies;
    uint64_t expires_ms;      // clock_mono_ms(): not handed out from then on
    struct trace_piece *told; // itself, for traces (relay/route/trace.h); NULL: none are kept
    int64_t ends_s;           // clock_s(): the last second of the exception it relies on; 0: none
    // Not part of the value: set once by the routes thread when policy, memory or configuration changed
    // since, and by whoever counts its refusals.
    _Atomic bool stale;
    _Atomic uint64_t counted; // bit i: the refusal of hosts[i] is in the ledger; bit 63: of all
};

#define ROUTE_SLACK_MS 60000 // a delivery that waited for its turn may use an expired route so long

static inline const struct cfg_source *route_source(const struct route *route, int family)
{
    return route->sources[family == AF_INET6];
}
// The host of that name and port; NULL: it is none of this route's.
const struct route_host *route_host_named(const struct route *route, const char *host,
                                          uint16_t port);

struct route *route_ref(struct route *route);
void route_unref(struct route *route); // accepts NULL
// May a connection be opened by it now? Not when it is stale, its exception has ended or it expired a while
// ago: whoever holds it asks again.
bool route_is_fresh(const struct route *route);
// They lead to the same hosts, in whatever order, with the same demands and the same login.
bool route_agree(const struct route *a, const struct route *b);
// What MTA-STS says of a host (NULL: of the first next hop), and whose policy that is. NULL and "": nobody's.
const struct sts_view *route_sts(const struct route *route, const struct route_host *host);
const char *route_policy_domain(const struct route *route, const struct route_host *host);
// One of its policies is this domain's.
bool route_has_policy_of(const struct route *route, const char *domain);
// True once for each host (NULL: the whole domain) of a route, whoever asks: a refusal before connecting
// counts one per route decision (RFC 8460 section 4.3).
bool route_count_refusal(struct route *route, const struct route_host *host);

#endif
