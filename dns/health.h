// SPDX-License-Identifier: ISC
// The verdict of the validation self-check, in words that say what to do.
#ifndef DNS_HEALTH_H
#define DNS_HEALTH_H

#include "dns/dns.h"

struct health_input {
    enum dns_mode mode;
    enum dns_trust trust;
    bool can_prove;           // resolver_can_prove()
    const char *trust_anchor; // file, in recursive mode
};

// Judges the answer to the self-check: sets health and text of *state.
void health_judge(const struct health_input *facts, const struct dns_answer *answer,
                  struct dns_state *state);

#endif
