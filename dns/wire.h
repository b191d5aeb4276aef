// SPDX-License-Identifier: ISC
// A DNS reply in wire format, as it came from a server: pure, hostile input gives WIRE_BROKEN.
//
// A question may need several replies (an alias whose target the server left out): each is read into
// the same answer, which gathers canonical name, smallest TTL and, at the end, the records.
#ifndef DNS_WIRE_H
#define DNS_WIRE_H

#include "dns/answer.h"

enum wire_end {
    WIRE_FOUND,  // records were added; outcome is DNS_FOUND
    WIRE_ABSENT, // NODATA or NXDOMAIN at the end of the chain; outcome is DNS_ABSENT
    WIRE_ALIAS,  // leads on to answer->canonical, about which it says nothing: ask that
    WIRE_FAILED, // rcode says so (SERVFAIL, REFUSED ...)
    WIRE_CUT,    // truncated: ask over TCP
    WIRE_BROKEN  // no DNS reply, or one to another question
};

struct wire_reply {
    enum wire_end end;
    uint8_t rcode;
};

#define WIRE_TTL_FIRST UINT32_MAX // answer->ttl before the first reply

// Reads the reply to (answer->canonical, answer->type) into answer. With WIRE_FAILED, _CUT and
// _BROKEN the answer is as it was before.
struct wire_reply wire_read(struct span packet, struct dns_answer *answer);
const char *wire_rcode_word(uint8_t rcode); // "SERVFAIL"; "rcode 14"

#endif
