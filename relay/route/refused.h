// SPDX-License-Identifier: ISC
// `delivery.refuse_addresses`: networks that a stranger's MX, policy host or report target must not aim
// this relay at.
#ifndef RELAY_ROUTE_REFUSED_H
#define RELAY_ROUTE_REFUSED_H

#include "config/config.h"

// Pure. The default list: loopback, link-local, multicast, unspecified, private (RFC 6890), and their
// IPv4-mapped forms.
bool refused_address(const struct config *config, const struct sockaddr *address);
bool refused_by(void *config, const struct sockaddr *address); // the same, for rules of tls/https.h

#endif
