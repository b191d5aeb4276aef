// SPDX-License-Identifier: ISC
// One host of a route: its addresses, its TLSA records (RFC 7672 section 2.2), and what it must prove.
#ifndef RELAY_ROUTE_HOST_H
#define RELAY_ROUTE_HOST_H

#include "relay/route/way.h"

#define MAX_MX_ANSWERS 64 // MX records looked at before sorting

// What all hosts of one hop share.
struct hop {
    uint16_t port;
    bool implicit_tls;
    enum dns_proof mx_proof;
    const char *next_hop_domain,
        *canonical;  // canonical: its secure CNAME expansion, "" without one
    bool configured; // named by the operator: refused addresses do not apply
    bool looked_up;  // came out of an MX lookup: MTA-STS speaks of it
    unsigned rank;   // which of the next hops
    const struct way_terms *terms;
};

// The plan so far.
struct plan {
    bool configured;
    struct route_host *hosts;
    size_t nhosts;
    bool met_ourselves; // an address of ours was found: what follows is no better than we
    unsigned own_preference;
    struct why trouble; // something could not be looked up: defer when nothing else is left
    struct why never;   // the domain can never take mail this way
};
void plan_free(struct plan *plan);
void plan_add_host(const struct plan_input *in, struct plan *plan, struct facts *facts,
                   const struct hop *hop, const char *host, uint16_t preference);
void plan_add_address(const struct plan_input *in, struct plan *plan, const struct hop *hop,
                      const char *address);

#endif
