// SPDX-License-Identifier: ISC
// The next hop that an operator sends mail to, as words.
#ifndef RELAY_QUEUE_REDIRECT_H
#define RELAY_QUEUE_REDIRECT_H

#include "relay/base/why.h"

// Written as delivery.destinations.next_hop has it, or "": where the domain leads. 0 with its one spelling in *out (the
// caller frees it); -1 with why: it is none, or this relay itself.
int queue_next_hop(const char *text, const char *hostname, char **out, struct why *why);

#endif
