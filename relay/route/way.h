// SPDX-License-Identifier: ISC
// By whose word mail for a domain goes where: an operator's redirection of this recipient, a rule that names next
// hops for the domain, the sender's row, a rule for `*`, delivery.smarthost, or the domain's own MX records; the
// first of them that says anything. And which rule, login and certificate count at a hop. Pure.
#ifndef RELAY_ROUTE_WAY_H
#define RELAY_ROUTE_WAY_H

#include "relay/route/plan.h"

struct way {
    enum route_word word;
    const struct cfg_next_hop *hops; // in order of trying; none: the domain is looked up
    size_t nhops;
    const struct cfg_destination *rule; // for the domain, whoever names the hops; NULL: none
};
struct way way_find(const struct plan_input *in);

// What the configuration says of one hop (NULL: of the domain that is looked up).
struct way_terms {
    const struct cfg_destination *rule; // that counts there; NULL: none
    const struct cfg_login *login;      // NULL: nobody logs in
    enum tls_level least; // what a rule for the domain, or the login, asks for besides
    bool shadow;
};
struct way_terms way_terms(const struct plan_input *in, const struct way *way,
                           const struct cfg_next_hop *hop);

// The address that connections of this family for `site` come from; NULL: as the system likes. Always the same
// one, and of those that are on this machine: a new address takes over only what falls to it (rendezvous hashing).
const struct cfg_source *way_source(const struct plan_input *in, const char *site, int family);
// Mail of this sender may leave over this family.
bool way_uses(const struct plan_input *in, int family);

#endif
