// SPDX-License-Identifier: ISC
// What return addresses are made of: a domain and a local part joined by "=", as one local part. For srs.c and verp.c
// alone.
#ifndef RELAY_RETURNS_PARTS_H
#define RELAY_RETURNS_PARTS_H

#include "relay/base/buf.h"

#define RETURNS_PATH 254 // octets of an address: RFC 5321 section 4.5.3.1.3, its brackets aside

// "local@domain", the local part quoted where it has to be (RFC 5321 section 4.1.2).
void parts_address(struct span local, struct span domain, struct buf *out);
// The piece of *text before the next "=", which is stepped over. False: there is none, or nothing before it.
bool parts_next(struct span *text, struct span *piece);
// The address's domain is this one. Both are A-labels or become them.
bool parts_domain_is(const char *address, const char *domain);

#endif
