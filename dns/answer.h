// SPDX-License-Identifier: ISC
// One DNS answer as the rest of the relay sees it. Immutable and counted: caches, routes and
// evaluations share it across threads.
//
// Two questions are kept apart on purpose. `outcome` says what was learned; *absent* (the owner says
// there is none) and *failed* (nobody could tell) are different values, and no default maps one to the
// other. `proof` says how far DNSSEC vouches for it. A bogus answer has outcome DNS_FAILED and proof
// DNS_BOGUS; its records are never kept.
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

// Types by their IANA numbers.
#define DNS_A      1
#define DNS_NS     2
#define DNS_CNAME  5
#define DNS_SOA    6
#define DNS_PTR    12
#define DNS_MX     15
#define DNS_TXT    16
#define DNS_AAAA   28
#define DNS_DNSKEY 48
#define DNS_TLSA   52

enum dns_outcome { DNS_FOUND, DNS_ABSENT, DNS_FAILED };
enum dns_proof { DNS_SECURE, DNS_INSECURE, DNS_BOGUS, DNS_UNPROVEN }; // UNPROVEN: with DNS_FAILED

struct dns_record {
    struct span rdata; // wire format, names uncompressed; owned by the answer
};

struct dns_answer {
    char *name; // the question, lower case, no final dot; "." is ""
    uint16_t type;
    enum dns_outcome outcome;
    enum dns_proof proof; // of the whole answer: its CNAME chain and its end
    bool nxdomain;        // with DNS_ABSENT: the name does not exist at all
    uint32_t ttl;         // seconds, the smallest of all parts, at most MAX_TTL
    char *canonical;      // where the CNAME chain ended; equals name without one
    bool alias;           // there was a CNAME
    bool alias_secure; // the CNAME at `name` itself is secure (even where its target is not); found
                       // out for A and AAAA only, the types where a TLSA base hangs on it
    struct dns_record *records; // of `type`, in the answer's order
    size_t nrecords;
    struct why why; // with DNS_FAILED: what went wrong, in words that anybody may read
    char *
        server; // with DNS_FAILED: which of our servers failed last; for the operator alone; may be NULL
    bool silent;        // with DNS_FAILED: no server has answered anything
    int64_t expires_ms; // clock_mono_ms() based; 0 for answers from a file
};

struct dns_answer *dns_answer_new(const char *name, uint16_t type);     // one reference, DNS_FAILED
void dns_answer_add(struct dns_answer *a, const void *rdata, size_t n); // before it is shared
struct dns_answer *dns_answer_ref(struct dns_answer *a);
void dns_answer_unref(struct dns_answer *a); // accepts NULL

const char *dns_type_word(uint16_t type);         // "MX"; "TYPE99"
uint16_t dns_type_parse(const char *word);        // 0: unknown
const char *dns_proof_word(enum dns_proof proof); // "secure", "insecure", "bogus", "failed"

#endif
