// SPDX-License-Identifier: ISC
// The mechanisms that compare the client with addresses, and the client's own proved name: RFC 7208
// sections 5.3 to 5.7.
#include <string.h>
#include "dns/rdata.h"
#include "relay/base/address.h"
#include "sign/spf_inside.h"

static bool same_network(const unsigned char *a, const unsigned char *b, unsigned prefix)
{
    unsigned whole = prefix / 8, rest = prefix % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return !rest || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool lists_client(const struct spf_eval *e, const struct dns_answer *answer,
                         const struct spf_term *term)
{
    size_t bytes = e->family == AF_INET ? 4 : 16;
    unsigned prefix = e->family == AF_INET ? term->prefix4 : term->prefix6;
    for (size_t i = 0; i < answer->nrecords; i++) {
        struct span address = answer->records[i].rdata;
        if (address.n == bytes && same_network(address.p, e->address, prefix))
            return true;
    }
    return false;
}

static uint16_t address_type(const struct spf_eval *e)
{
    return e->family == AF_INET ? DNS_A : DNS_AAAA;
}

static enum spf_match match_a(struct spf_eval *e, const struct spf_term *term, const char *target)
{
    const struct dns_answer *answer;
    enum spf_match match = spf_ask(e, target, address_type(e), &answer);
    return match == SPF_YES && !lists_client(e, answer, term) ? SPF_NO : match;
}

// All hosts are asked for at once. They are not counted as void: the term is what counts (section 4.6.4).
static enum spf_match match_mx(struct spf_eval *e, const struct spf_term *term, const char *target)
{
    const struct dns_answer *answer, *addresses;
    enum spf_match match = spf_ask(e, target, DNS_MX, &answer);
    if (match != SPF_YES)
        return match;
    if (answer->nrecords > SPF_MAX_NAMES)
        return spf_perm(e, "%s has more than %d MX hosts", target, SPF_MAX_NAMES);
    bool waits = false, failed = false;
    for (size_t i = 0; i < answer->nrecords; i++) {
        struct dns_mx mx;
        if (!rdata_mx(answer->records[i].rdata, &mx) || !*mx.host)
            continue;
        if (!(addresses = facts_ask(e->facts, mx.host, address_type(e)))) {
            waits = true;
            continue;
        }
        if (addresses->outcome == DNS_FAILED)
            failed = true;
        else if (lists_client(e, addresses, term))
            return SPF_YES;
    }
    return waits ? SPF_WAIT : failed ? SPF_TEMPERROR : SPF_NO;
}

static bool below(const char *name, const char *domain)
{
    size_t n = strlen(name), d = strlen(domain);
    return n > d && name[n - d - 1] == '.' &&
           span_equal_nocase(span_text(name + n - d), span_text(domain));
}

// How well a proved name serves: 3 the domain itself, 2 below it, 1 any other.
static int rank(const char *name, const char *domain)
{
    return span_is_nocase(span_text(name), domain) ? 3 : below(name, domain) ? 2 : 1;
}

enum spf_match spf_client_name(struct spf_eval *e, const char *domain, bool any,
                               char out[static 256])
{
    static const struct spf_term exactly = {.prefix4 = 32, .prefix6 = 128};
    char reverse[ADDRESS_REVERSE], name[256];
    const struct dns_answer *names, *addresses;
    address_reverse_name(e->address, e->family == AF_INET ? 4 : 16, reverse);
    if (!(names = facts_ask(e->facts, reverse, DNS_PTR)))
        return SPF_WAIT;
    int best = any ? 0 : 1;
    bool waits = false;
    for (size_t i = 0; i < names->nrecords && i < SPF_MAX_NAMES; i++) { // the others are ignored
        if (!rdata_name(names->records[i].rdata, name) || rank(name, domain) <= best)
            continue;
        if (!(addresses = facts_ask(e->facts, name, address_type(e))))
            waits = true;
        else if (lists_client(e, addresses, &exactly)) {
            best = rank(name, domain);
            memcpy(out, name, sizeof name);
        }
    }
    return waits ? SPF_WAIT : best > (any ? 0 : 1) ? SPF_YES : SPF_NO;
}

// A PTR lookup that fails is no match (section 5.5); one that finds nothing is counted as void.
static enum spf_match match_ptr(struct spf_eval *e, const char *target)
{
    char name[256], reverse[80];
    const struct dns_answer *answer;
    enum spf_match match = spf_client_name(e, target, false, name);
    if (match != SPF_NO)
        return match;
    address_reverse_name(e->address, e->family == AF_INET ? 4 : 16, reverse);
    match = spf_ask(e, reverse, DNS_PTR, &answer);
    return match == SPF_PERMERROR ? match : SPF_NO;
}

enum spf_match spf_mechanism(struct spf_eval *e, const struct spf_term *term, const char *target)
{
    const struct dns_answer *answer;
    switch (term->kind) {
    case SPF_ALL:
        return SPF_YES;
    case SPF_IP4:
        return e->family == AF_INET && same_network(e->address, term->address, term->prefix4)
                   ? SPF_YES
                   : SPF_NO;
    case SPF_IP6:
        return e->family == AF_INET6 && same_network(e->address, term->address, term->prefix6)
                   ? SPF_YES
                   : SPF_NO;
    case SPF_A:
        return match_a(e, term, target);
    case SPF_MX:
        return match_mx(e, term, target);
    case SPF_PTR:
        return match_ptr(e, target);
    case SPF_EXISTS: // always A, whatever the client (section 5.7)
        return spf_ask(e, target, DNS_A, &answer);
    default:
        return SPF_NO;
    }
}
