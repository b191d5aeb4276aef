// SPDX-License-Identifier: ISC
// A DNS reply in wire format, as it came from a server: pure, hostile input gives MESSAGE_BROKEN.
//
// A question may need several replies (an alias whose target the server left out): each is read into
// the same answer, which gathers canonical name, smallest TTL and, at the end, the records.
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "dns/answer.h"

enum message_end {
    MESSAGE_FOUND,  // records were added; outcome is DNS_FOUND
    MESSAGE_ABSENT, // NODATA or NXDOMAIN at the end of the chain; outcome is DNS_ABSENT
    MESSAGE_ALIAS,  // leads on to answer->canonical, about which it says nothing: ask that
    MESSAGE_FAILED, // rcode says so (SERVFAIL, REFUSED ...)
    MESSAGE_CUT,    // truncated: ask over TCP
    MESSAGE_BROKEN  // no DNS reply, or one to another question
};

struct message {
    enum message_end end;
    uint8_t rcode;
};

#define MESSAGE_TTL_FIRST UINT32_MAX // answer->ttl before the first reply

// Reads the reply to (answer->canonical, answer->type) into answer. With MESSAGE_FAILED, _CUT and
// _BROKEN the answer is as it was before.
struct message message_read(struct span packet, struct dns_answer *answer);
const char *message_rcode_word(uint8_t rcode); // "SERVFAIL"; "rcode 14"

#endif
