// SPDX-License-Identifier: ISC
// What kind of trouble mail for a domain has, by what its last deliveries met: whether the whole domain is concerned, a
// fault of this relay, one message or recipient, or nothing that anybody has to mend. Made of what `explain` says, for
// its first line and for the page's. Pure.
#ifndef RELAY_RECENT_TROUBLE_H
#define RELAY_RECENT_TROUBLE_H

#include <jansson.h>
#include <stdbool.h>

enum trouble {
    TROUBLE_NONE,
    TROUBLE_SITE,       // a host or the domain: all mail for it
    TROUBLE_OURS,       // this relay, its configuration or its network
    TROUBLE_REPUTE,     // mail from this relay is not wanted there
    TROUBLE_SENDER,     // the sender's domain cannot be verified there
    TROUBLE_MESSAGE,    // the last message, for good
    TROUBLE_RECIPIENT,  // a recipient, for good
    TROUBLE_PUT_OFF,    // a recipient, for a while
    TROUBLE_REQUIRETLS, // only mail that asks for it
    TROUBLE_GREYLIST,   // heals by itself
    TROUBLE_HEALS,      // this too
    TROUBLES
};

// Of a whole explanation, with its "recent" (relay/recent/recent_json.h) and what waits, where that is known.
enum trouble trouble_of(const json_t *explanation);
// The part that says so: what waits, a host, or what a host said of a recipient; NULL with TROUBLE_NONE. Borrowed.
const json_t *trouble_row(const json_t *explanation);

const char *trouble_word(enum trouble trouble);     // "site"; "" for TROUBLE_NONE. Never changed
const char *trouble_sentence(enum trouble trouble); // "mail would be delivered"
const char *trouble_extent(enum trouble trouble); // what else is concerned, a whole sentence; or ""

#endif
