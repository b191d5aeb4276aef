// SPDX-License-Identifier: ISC
// MTA-STS as text (RFC 8461 sections 3.1, 3.2, 4.1): the TXT record, the policy, and which MX hosts a
// policy covers. Pure; fetching is tls/https.h's, remembering tls/sts_cache.h's.
#ifndef TLS_STS_H
#define TLS_STS_H

#include <stdbool.h>
#include <stdint.h>
#include "config/config.h"
#include "relay/base/span.h"
#include "relay/base/why.h"

#define STS_ID_MAX      32       // characters of a record's id
#define STS_MAX_AGE     31557600 // seconds; a larger max_age counts as this
#define STS_POLICY_MAX  65536    // bytes of a policy
#define STS_PATTERN_MAX 1000     // mx lines

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };
const char *sts_mode_word(enum sts_mode mode); // "none", "testing", "enforce"

struct sts_policy {
    enum sts_mode mode;
    uint64_t max_age;  // seconds, at most STS_MAX_AGE
    struct strings mx; // patterns, lower case, A-labels, no final dot: "mx.example" or "*.example"
    char *text;        // the policy's lines, LF between, for TLS-RPT's policy-string
};

// txts: every TXT record of _mta-sts.DOMAIN, each with its strings joined. 0 with *found false: no STSv1
// record, or several (which count as none; why then says so). 0 with *found true: id is set. -1: the one
// STSv1 record is not valid, scope WHY_DOMAIN, type sts-policy-invalid.
int sts_record_parse(const struct span *txts, size_t n, char id[static STS_ID_MAX + 1], bool *found,
                     struct why *why);
// -1 with type sts-policy-invalid; nothing is to be freed then.
int sts_policy_parse(struct span text, struct sts_policy *out, struct why *why);
void sts_policy_free(struct sts_policy *policy); // leaves it empty; mode STS_NONE

// A pattern covers a host when they are equal, or the pattern is "*." and the host's name behind its first
// label. Compared as A-labels without case; a final dot does not matter.
bool sts_match(const char *pattern, const char *host);

#endif
