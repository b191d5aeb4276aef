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
    SOURCE_REQUIRETLS
};
const char *demand_source_word(enum demand_source s); // "default", …, "mta-sts", "dane-unusable", …
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
    bool shadowed;       // lowered by shadow mode; `why` says what would have been refused
    char key[33];        // hex digest of all above: the pool and ticket key's policy part
};
void demand_free(struct demand *d); // frees what it owns

enum sts_source { STS_FROM_NOWHERE, STS_FROM_CACHE, STS_FROM_FETCH };
// What MTA-STS says of a domain, as policy sees it.
struct sts_view {
    int mode; // enum sts_mode; -1: no policy
    char id[33];
    char **mx; // patterns; owned by the view
    size_t nmx;
    char *text; // the policy lines, for TLS-RPT; owned; NULL
    int64_t expires_s, fetched_s;
    enum sts_source source;
    struct why error; // the last fetch or parse failure, if any
};
void sts_view_free(struct sts_view *view);
int sts_view_copy(struct sts_view *to, const struct sts_view *from); // always 0

#endif
