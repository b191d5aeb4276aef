// SPDX-License-Identifier: ISC
// How a domain becomes hosts, and what each must prove: the pure plan (RFC 5321 section 5, RFC 7672
// section 2.2, RFC 8461 sections 3 to 5). Asks a `struct facts`; evaluated again until nothing is wanted.
#ifndef RELAY_ROUTE_PLAN_H
#define RELAY_ROUTE_PLAN_H

#include "relay/route/route.h"
#include "relay/setup/setup.h"
#include "tls/memory.h"

struct plan_input {
    struct setup *setup;
    const char *domain; // recipient domain, A-label or "[literal]"
    enum route_variant variant;
    const struct sockaddr_storage *own; // addresses where a connection would reach ourselves
    size_t nown;
    bool dns_broken;      // the validation self-check failed
    const char *dns_text; // and says why
    // Looked up by the driver for plan_policy_domain(); NULL: not yet (the plan then wants it).
    const struct sts_view *sts;
    const struct memory_view *memory; // NULL: nothing remembered
    uint64_t seed;                    // shuffles equal preferences
};

// The domain whose MTA-STS policy and memory count: the domain, the next hop where one is configured, ""
// where nothing is looked up (a host or an address is configured, or an address literal).
void plan_policy_domain(const struct plan_input *in, char out[256]);

// NULL while facts are wanted. Otherwise a route with one reference; `sts` must have been given.
struct route *route_plan(const struct plan_input *in, struct facts *facts);

#endif
