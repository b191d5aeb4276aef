// SPDX-License-Identifier: ISC
// Where a connection would reach this relay itself: its listeners, those on all addresses spelled out. And what
// addresses this machine has.
#ifndef RELAY_ROUTE_OWN_ADDRESSES_H
#define RELAY_ROUTE_OWN_ADDRESSES_H

#include "config/config.h"

struct own_addresses {
    struct sockaddr_storage *at; // with port
    size_t n;
};
void own_addresses_find(const struct config *config, struct own_addresses *out);
void own_addresses_local(struct own_addresses *out); // those of this machine, port 0
void own_addresses_free(struct own_addresses *own);

#endif
