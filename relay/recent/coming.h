// SPDX-License-Identifier: ISC
// Trouble told before it happens: certificates of hosts and of policy hosts that end within days, TLSA records that will
// not match after a renewal, policies that end while they cannot be refreshed, exceptions of ours that end. Made of what
// deliveries met (relay/recent/recents.h), of the MTA-STS cache and of the configuration. Says of each how sure it is:
// whether a host renews its certificate in time, only its owner knows.
#ifndef RELAY_RECENT_COMING_H
#define RELAY_RECENT_COMING_H

#include <jansson.h>
#include "config/config.h"
#include "relay/recent/recent_json.h"

enum coming_kind {
    COMING_CERTIFICATE,        // of a host
    COMING_POLICY_CERTIFICATE, // of a policy host
    COMING_TLSA,               // records that may not match any more
    COMING_POLICY,             // ends, and cannot be refreshed
    COMING_EXCEPTION,          // ours
    COMING_OWN,                // a certificate of ours
    COMING_KINDS
};
const char *coming_word(enum coming_kind kind); // "certificate", "policy-certificate", "tlsa", ...

struct coming_input {
    const struct recent_rows *rows;
    const json_t *policies; // as `waxwing tls policies` has them; NULL: not known
    bool refreshes;         // their `error` says whether the last refresh failed
    const struct config *config;
    int64_t own_ends_s; // of the certificate that ends first; 0: none
    int64_t days;
};
// {"days":N, "findings":[{"kind":"", "what":"", "domain":"", "domains":N, "host":"", "ends":T|null, "days":N|null,
// "sure":"certain|likely|guess", "act":"", "text":"", "advice":""}]}, what ends first first. Domains that share a host
// are one finding.
json_t *coming_json(const struct coming_input *input);
// From a state database. NULL with why.
json_t *coming_file(const char *path, const struct config *config, int64_t days, struct why *why);

// How many findings there were last, by kind; for metrics. Kept in a process once.
void coming_note(const json_t *coming);
void coming_counts(uint64_t out[static COMING_KINDS]);

#endif
