// SPDX-License-Identifier: ISC
// How a domain becomes hosts, and what each must prove: the pure plan (RFC 5321 section 5, RFC 7672
// section 2.2, RFC 8461 sections 3 to 5). Asks a `struct facts`; evaluated again until nothing is wanted.
#ifndef RELAY_ROUTE_PLAN_H
#define RELAY_ROUTE_PLAN_H

#include "relay/route/route.h"
#include "relay/setup/setup.h"
#include "tls/memory.h"

// What is known of one of the domains that plan_policy_domains names; in that order.
struct plan_policy {
    const struct sts_view *sts;       // NULL: not yet looked up (the plan then wants it)
    const struct memory_view *memory; // NULL: nothing remembered
};

struct plan_input {
    struct setup *setup;
    const char *domain; // recipient domain, A-label or "[literal]"
    enum route_variant variant;
    const struct cfg_sender *sender;      // whose row has a way of its own; NULL: nobody's
    const struct cfg_next_hop *redirect;  // where an operator sends it instead; NULL: nowhere
    const struct sockaddr_storage *local; // addresses of this machine, for the choice of a source
    size_t nlocal;
    const struct sockaddr_storage *own; // addresses where a connection would reach ourselves
    size_t nown;
    bool dns_broken;                    // the validation self-check failed
    const char *dns_text;               // and says why
    const struct plan_policy *policies; // for plan_policy_domains()
    size_t npolicies;
    uint64_t seed; // shuffles equal preferences
};

// The domains whose MTA-STS policy and memory count: the recipient domain, or each configured next hop that is
// looked up as a domain, once, at most MAX_POLICIES. None for configured hosts and address literals.
size_t plan_policy_domains(const struct plan_input *in, char out[MAX_POLICIES][256]);

// NULL while facts are wanted. Otherwise a route with one reference; every `sts` must have been given.
struct route *route_plan(const struct plan_input *in, struct facts *facts);

#endif
