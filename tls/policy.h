// SPDX-License-Identifier: ISC
// What a connection to one MX host must prove: facts in, demand out. Pure; the one place where the
// operator's rules, DANE, MTA-STS, memory and the default are merged (RFC 7672, 8461, 8689).
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include "config/config.h"
#include "dns/rdata.h"
#include "relay/base/why.h"
#include "tls/verify.h"

enum demand_source {
    SOURCE_DEFAULT,
    SOURCE_RULE,
    SOURCE_MEMORY,
    SOURCE_STS,
    SOURCE_DANE,
    SOURCE_DANE_UNUSABLE,
    SOURCE_EXCEPTION,
    SOURCE_REQUIRETLS,
    SOURCES
};
const char *demand_source_word(enum demand_source s); // "default", …, "mta-sts", "dane-unusable", …
// Who demands the level of it, for sentences: "the receiving domain (DANE)", "this relay (delivery.tls)", …
struct demand;
const char *demand_asker(const struct demand *d);
const char *tls_level_word(enum tls_level level); // "opportunistic", "encrypt", "webpki", "dane"

#define MAX_NAMES 8 // reference identifiers of one host

struct demand {
    enum tls_level level;
    enum demand_source source;
    bool refuse; // this host must not be used now; why says
    struct why why;
    char *sni;              // NULL: none
    char *names[MAX_NAMES]; // reference identifiers for webpki and dane-ta
    size_t nnames;
    char *tlsa_base;       // "_25._tcp." is not part of it; NULL: no TLSA asked or found
    struct buf tlsa_data;  // owns the bytes that tlsa[] points into
    struct dns_tlsa *tlsa; // usable ones only when level is dane; all of them for explain
    size_t ntlsa, ntlsa_usable;
    char **pins; // borrowed from the setup
    size_t npins;
    struct trust *trust; // borrowed from the setup
    // What is only watched: with MTA-STS testing or shadow mode, failing `observe` (higher than level) is
    // recorded as a failure and delivery goes on. Equal to level when there is nothing to watch.
    enum tls_level observe;
    enum demand_source observe_source;
    enum tls_level must; // what holds without shadow mode; `level` where that has lowered nothing
    bool shadowed; // lowered by shadow mode; `why` is set where the host would have been refused
    char key[33];  // hex digest of all above: the pool and ticket key's policy part
};
void demand_free(struct demand *d); // frees what it owns

// What is known of a host's TLSA records, besides the records themselves.
enum tlsa_state { TLSA_NONE, TLSA_USABLE, TLSA_UNUSABLE, TLSA_FAILED };
// What TLS memory says this host owes.
enum memory_owes { OWES_NOTHING, OWES_TLS, OWES_CERTIFICATE };

enum sts_source { STS_FROM_NOWHERE, STS_FROM_CACHE, STS_FROM_FETCH };
// What MTA-STS says of a domain, as policy sees it.
struct sts_view {
    int mode; // enum sts_mode; -1: no policy
    char id[33];
    char **mx; // patterns; owned by the view
    size_t nmx;
    char *text; // the policy lines, for TLS-RPT; owned; NULL
    int64_t expires_s, fetched_s;
    int64_t
        certificate_ends_s; // of the policy host, where it was fetched by this process; 0: not known
    enum sts_source source;
    struct why error; // the last fetch or parse failure, if any
};
void sts_view_free(struct sts_view *view);
int sts_view_copy(struct sts_view *to, const struct sts_view *from); // always 0
bool sts_view_covers(const struct sts_view *view, const char *host); // one of its patterns does

struct policy_input {
    const struct cfg_delivery *delivery;
    const struct cfg_destination *rule; // NULL: none
    enum tls_level least; // what else the operator has said holds: counts as a rule that raises
    bool requiretls, tls_optional, shadow; // tls_optional already means "honoured"
    const char *host;                      // the MX host as published; NULL for an address literal
    const char *next_hop_domain;           // and its secure CNAME expansion, "" if none
    const char *next_hop_canonical;
    bool authentic; // the host name is authentic (secure MX, configured hop)
    enum tlsa_state tlsa_state;
    const char *tlsa_base;   // where the TLSA set was found or looked for
    const struct span *tlsa; // rdata of the whole set
    size_t ntlsa;
    struct why tlsa_why;        // with TLSA_FAILED
    const struct sts_view *sts; // NULL: no policy
    enum memory_owes owes;
    struct trust *trust; // the store that counts for this destination
    int64_t now_s;
};
// Fills a fresh demand. Cannot fail: a demand that cannot be met is `refuse` with its why.
void policy_decide(const struct policy_input *in, struct demand *out);

#endif
