// SPDX-License-Identifier: ISC
// One fact per connection attempt, as RFC 8460 counts them: what the delivery session reports, the state
// database keeps, and the live view, the metrics and the daily report show.
#ifndef TLS_LEDGER_H
#define TLS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include "relay/base/why.h"

enum policy_type { POLICY_NONE_FOUND, POLICY_STS, POLICY_TLSA }; // "no-policy-found", "sts", "tlsa"

struct ledger_fact {
    int64_t time_ms;
    char *domain; // recipient (or next-hop) domain: whose rua gets the report
    enum policy_type policy_type;
    char *policy_domain; // TLSA base domain for tlsa, else the domain
    char *policy_string; // lines joined by LF: policy lines or TLSA records; "" without
    char *mx_patterns;   // MTA-STS mx patterns joined by LF; "" without
    char *mx_host, *mx_ip, *local_ip, *mx_helo;
    enum why_tls result; // WHY_TLS_NONE: success
    bool refused; // policy stopped this host (tls-refused); else delivery was allowed to go on
    bool shadow;
    char *protocol, *cipher, *proof, *demand, *source;
    char *reason; // in words
    uint64_t id;  // the message at hand, 0 without
};
struct ledger_fact *ledger_fact_new(void);              // all strings "" (own copies), time now
void ledger_fact_set(char **member, const char *value); // replaces one string by a copy
void ledger_fact_free(struct ledger_fact *fact);
const char *policy_type_word(enum policy_type type);

#endif
