// SPDX-License-Identifier: ISC
// The name of an address in the DNS, and whether that name leads back to it (RFC 8601 section 2.7.3, iprev): many
// receivers refuse an address where it does not. Pure over facts.
#ifndef RELAY_AUDIT_IPREV_H
#define RELAY_AUDIT_IPREV_H

#include <sys/socket.h>
#include "config/config.h"
#include "dns/facts.h"

struct iprev {
    bool unknown;   // the DNS did not say, and nothing leads back
    bool back;      // `name` leads back
    char name[256]; // the one that leads back, else the first; "": there is none
};

// True while it wants more facts.
bool iprev_look(const struct sockaddr *address, struct facts *facts, struct iprev *out);
// 1: the name has this address, 0: it has not, -1: not known yet, -2: the DNS did not say.
int iprev_has(const char *name, const struct sockaddr *address, struct facts *facts);
// The name that the relay says to its peers from this address (delivery.source, senders.source, hostname).
const char *iprev_helo(const struct config *config, const struct sockaddr *address);

#endif
