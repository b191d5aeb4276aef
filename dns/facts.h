// SPDX-License-Identifier: ISC
// The DNS as a pure evaluation sees it: a table of answers that may have gaps.
//
// SPF, DMARC, DKIM and the route walk are written as plain functions from top to bottom, like their
// RFCs. They ask a `struct facts`. An answer that is not there yet is noted as wanted and NULL comes
// back; the evaluation then returns "not yet" (asking as much as it can first). A driver looks the
// wanted names up, and evaluates again. No evaluation does I/O, so tests, fuzzers, the answer file and
// the running relay share one code path, and asynchrony lives in one place.
//
//     struct facts *facts = facts_new();
//     while (evaluate(facts, &result) == NOT_YET)
//         ... facts_wanted() → look up → facts_put() ...
#ifndef DNS_FACTS_H
#define DNS_FACTS_H

#include "dns/answer.h"

struct facts;

struct facts *facts_new(void);
void facts_free(struct facts *facts); // accepts NULL

// The answer, owned by facts; NULL: not known yet, now wanted. The name may be in any case, with or
// without final dot. A name that cannot be asked (over 253 octets, empty label) is answered at once:
// DNS_ABSENT, insecure, nxdomain.
const struct dns_answer *facts_ask(struct facts *facts, const char *name, uint16_t type);

// The i-th question that waits for an answer; false when there are no more.
bool facts_wanted(const struct facts *facts, size_t i, const char **name, uint16_t *type);
size_t facts_count_wanted(const struct facts *facts);
// Takes over a reference. An answer to a question nobody asked is kept as well.
void facts_put(struct facts *facts, struct dns_answer *answer);
// The smallest TTL among all answers used (what a cache had left of it), seconds; `otherwise` when there are none.
uint32_t facts_ttl(const struct facts *facts, uint32_t otherwise);
// The i-th answer held, in order of asking (for `explain`); NULL behind the last.
const struct dns_answer *facts_at(const struct facts *facts, size_t i);

#endif
