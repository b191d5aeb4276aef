// SPDX-License-Identifier: ISC
// What a route is asked for: the recipient's domain, what the message asks of TLS, and by whom or with whose word it
// goes another way than everybody's.
#ifndef RELAY_ROUTE_WISH_H
#define RELAY_ROUTE_WISH_H

#include "relay/route/route.h"

struct route_wish {
    const char *domain; // A-label or "[literal]"
    enum route_variant variant;
    const char *sender; // principal_row_name of a row that has a way of its own; NULL: as everybody
    const char *next_hop; // an operator's redirection, as value_hop reads it; NULL: none
};

void route_wish_copy(struct route_wish *to, const struct route_wish *from);
void route_wish_free(struct route_wish *wish); // of a copy
char *route_wish_key(const struct route_wish *wish);

#endif
