// SPDX-License-Identifier: ISC
// An own domain as receivers see it: SPF, DKIM, DMARC, MTA-STS, TLSA, TLS-RPT, each finding with the record to
// publish. `waxwing audit` prints the findings, the relay logs them as alarms (relay/audit/daily.h).
//
// A pure evaluation over DNS facts; only the MTA-STS policy, which comes over HTTPS, is the caller's to fetch.
#ifndef RELAY_AUDIT_AUDIT_H
#define RELAY_AUDIT_AUDIT_H

#include "dns/facts.h"
#include "relay/rotate/view.h"
#include "relay/setup/setup.h"
#include "tls/policy.h"

enum audit_severity { AUDIT_OK, AUDIT_ADVICE, AUDIT_PROBLEM };
const char *audit_severity_word(enum audit_severity severity); // "ok", "advice", "problem"

struct audit_finding {
    enum audit_severity severity;
    bool temporary; // the DNS did not answer: no verdict
    bool relay;     // about the relay itself, whatever the domain
    const char *
        about; // "ptr", "helo", "dnsbl", "certificate", "spf", "dkim", "dmarc", "mx", "mta-sts", "tlsa", "tls-rpt"
    const char *prevents; // the replies of receivers that it leads to; NULL: none is known
    char *text;           // one sentence, without final full stop
    char *name;           // of the record to publish, no final dot; NULL: nothing to publish
    const char *type;     // "TXT", "TLSA", "PTR", "A", "AAAA", with name
    char *record;         // with name
};

// An address that mail leaves from. Not certain: an interface's private address, which receivers do not see.
struct audit_address {
    struct sockaddr_storage address;
    bool certain;
};
struct audit_addresses {
    struct audit_address *at;
    size_t n;
};
// delivery.source, else the addresses of the interfaces but loopback and link-local ones.
void audit_addresses_find(const struct config *config, struct audit_addresses *out);
void audit_addresses_add(struct audit_addresses *list, const struct sockaddr_storage *address,
                         bool certain);
void audit_addresses_free(struct audit_addresses *list);

struct audit_input {
    const char *domain;              // A-label
    const struct setup_domain *keys; // that sign for it; NULL: none. A key may be NULL: unreadable
    const struct view *turning;      // keys that turn and do not sign; NULL: none, or not asked
    const char *helo;
    const struct audit_addresses *addresses;
    bool smarthost;              // mail leaves through somebody else
    const struct sts_view *sts;  // as fetched just now
    const struct config *config; // names of addresses, blocklists; NULL: neither
    const int64_t
        *key_made_s; // beside keys: when each was made, Unix seconds; 0, or NULL: not known
    int64_t certificate_ends_s;    // the relay's own; 0: it has none
    const char *certificate_fault; // when that is, is not known; NULL: it is
    int64_t now_s;
};

// When the key files were made, beside `keys`; the caller frees. 0 where a file cannot be looked at.
int64_t *audit_key_dates(const struct setup_domain *keys);

struct audit {
    struct audit_finding *at;
    size_t n;
};
// True: wants more facts, out is empty. Otherwise the findings; the caller frees them.
bool audit_evaluate(const struct audit_input *in, struct facts *facts, struct audit *out);
void audit_free(struct audit *audit); // leaves it empty
// The worst severity among findings with a verdict.
enum audit_severity audit_worst(const struct audit *audit);
bool audit_temporary(const struct audit *audit); // some finding has none
// Another look within the hour is worth it: one of them may have a verdict then. A blocklist that does not answer this
// resolver answers it no sooner for being asked again.
bool audit_worth_repeating(const struct audit *audit);

#endif
