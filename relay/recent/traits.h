// SPDX-License-Identifier: ISC
// What mail to a domain hangs on, as short texts that are equal where it is: its hosts, its MTA-STS policy, the TLSA
// records, the certificate and the cipher of a host. Made of a route and a handshake, or of what `explain` says, so
// that both can be compared. Pure.
#ifndef RELAY_RECENT_TRAITS_H
#define RELAY_RECENT_TRAITS_H

#include <jansson.h>
#include "relay/route/route.h"
#include "relay/state/recent.h"
#include "tls/shown.h"

#define TRAITS_TLSA 32 // records of one host that are looked at

const char *trait_word(enum recent_what what); // "mx", "policy", "tlsa", "certificate", "cipher"
const char *trait_sentence(enum recent_what what); // for people: "the TLSA records"

// Each appends to `out`. False: nothing can be said of it now (no host is known, a lookup failed).
bool trait_mx(const struct route *route, struct buf *out);
bool trait_policy(const struct route *route, const struct route_host *host, struct buf *out);
bool trait_tlsa(const struct route_host *host, struct buf *out);
void trait_certificate(const struct shown_certificate *leaf, struct buf *out);
void trait_cipher(const struct shown *shown, struct buf *out); // NULL: no TLS
// The same of an explanation (relay/route/explain.h); host NULL for what is the domain's.
bool trait_explained(const json_t *explanation, const json_t *host, enum recent_what what,
                     struct buf *out);

// Which lines of trait_tlsa match something that the host showed (bit i: line i, TRAITS_TLSA at most), and the end of
// the certificate that a DANE-TA record matched, 0: none.
int64_t trait_matched(const struct route_host *host, const struct shown *shown,
                      int64_t *anchor_ends_s);
// Equal for routes whose texts are; quick, for each message.
uint64_t trait_digest(const struct route *route, const struct route_host *host);

#endif
