// SPDX-License-Identifier: ISC
// Rdata of the types that mail needs, from wire format. Pure; hostile input gives false.
#ifndef DNS_RDATA_H
#define DNS_RDATA_H

#include "dns/answer.h"
#include "relay/base/buf.h"

struct dns_mx {
    uint16_t preference;
    char host[256]; // lower case, no final dot; "" is the root: null MX (RFC 7505)
};

struct dns_tlsa {
    uint8_t usage, selector, matching;
    struct span data; // points into the rdata
};

bool rdata_mx(struct span rdata, struct dns_mx *mx);
bool rdata_tlsa(struct span rdata, struct dns_tlsa *tlsa);
bool rdata_tlsa_text(const char *text, struct buf *rdata); // "3 1 1 hex" to wire
void rdata_tlsa_print(struct span rdata, struct buf *out); // wire to "3 1 1 hex"
// All character strings of a TXT joined, bytes as they are; false when malformed or over out's ceiling.
bool rdata_txt(struct span rdata, struct buf *out);
bool rdata_name(struct span rdata, char out[static 256]); // CNAME, PTR, NS target
// A domain name in wire format from text; false: not a name. Escapes are not accepted.
bool rdata_name_wire(const char *name, struct buf *out);

#endif
