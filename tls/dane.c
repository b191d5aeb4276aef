// SPDX-License-Identifier: ISC
// DANE for SMTP: which records count (RFC 7672 section 3.1.3, agility RFC 7671 section 9), the match with
// the leaf (DANE-EE) and the path to a matched anchor (DANE-TA).
//
// For DANE-TA one matched certificate or key at a time is the only anchor, and the leaf must lead to that
// one. A chain that merely contains a matching certificate beside a leaf of somebody else's proves nothing.
#include "tls/dane.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "tls/anchor.h"
#include "tls/certificate.h"
#include "tls/der.h"

enum { USAGE_TA = 2, USAGE_EE = 3 };
enum { WHOLE = 0, PUBLIC_KEY = 1 };
enum { FULL = 0, SHA256 = 1, SHA512 = 2 };

// One evaluation: the chain, both ways, and what the names must be.
struct trial {
    const struct span *der;
    gnutls_x509_crt_t list[MAX_CHAIN];
    size_t n;
    const char *const *names;
    size_t nnames;
    struct anchor_budget budget;
    size_t depth;    // of the anchor that led to success
    struct why *why; // the best reason of no so far
    bool matched;    // some record matched something
};

bool dane_usable(const struct dns_tlsa *tlsa)
{
    if ((tlsa->usage != USAGE_TA && tlsa->usage != USAGE_EE) || tlsa->selector > PUBLIC_KEY)
        return false;
    switch (tlsa->matching) {
    case FULL:
        return tlsa->data.n > 0;
    case SHA256:
        return tlsa->data.n == 32;
    case SHA512:
        return tlsa->data.n == 64;
    default:
        return false;
    }
}

// A digest counts unless a stronger one stands beside it for the same usage and selector; full values stay.
static bool tls_dane_counts(const struct dns_tlsa *tlsa, const struct dns_tlsa *set, size_t n)
{
    if (!dane_usable(tlsa))
        return false;
    for (size_t i = 0; i < n && tlsa->matching != FULL; i++)
        if (dane_usable(&set[i]) && set[i].usage == tlsa->usage &&
            set[i].selector == tlsa->selector && set[i].matching > tlsa->matching)
            return false;
    return true;
}

bool dane_matches(const struct dns_tlsa *tlsa, struct span der)
{
    struct span part = der;
    unsigned char digest[64];
    if (tlsa->selector == PUBLIC_KEY && !der_public_key(der, &part))
        return false;
    if (tlsa->matching == FULL)
        return span_equal(part, tlsa->data);
    gnutls_digest_algorithm_t how =
        tlsa->matching == SHA256 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512;
    return gnutls_hash_fast(how, part.p, part.n, digest) == 0 &&
           span_equal(span_of(digest, gnutls_hash_get_len(how)), tlsa->data);
}

// ---- DANE-TA

// The leaf leads to this anchor, and dates and name hold.
static bool leads_to(struct trial *t, gnutls_x509_crt_t anchor, size_t depth)
{
    bool yes = anchor_reached(anchor, t->list, t->n, &t->budget, t->why) == 0 &&
               certificate_check_name(t->list[0], t->names, t->nnames, true, t->why) == 0;
    t->matched = true;
    t->depth = depth;
    return yes;
}

static bool signed_by(const struct trial *t, size_t i, gnutls_pubkey_t key)
{
    struct span part;
    unsigned char signature[MAX_KEY_BITS / 8];
    size_t n = sizeof signature;
    int how = gnutls_x509_crt_get_signature_algorithm(t->list[i]);
    if (how < 0 || gnutls_x509_crt_get_signature(t->list[i], (char *)signature, &n) < 0 ||
        !der_signed_part(t->der[i], &part))
        return false;
    gnutls_datum_t data = {(unsigned char *)part.p, (unsigned)part.n};
    gnutls_datum_t value = {signature, (unsigned)n};
    return gnutls_pubkey_verify_data2(key, (gnutls_sign_algorithm_t)how, 0, &data, &value) == 0;
}

// `2 1 0` with a key that no certificate of the chain carries: what that key signed stands in for the
// anchor (RFC 7671 section 5.2.3). A key has no dates and no name of its own.
static bool leads_to_key(struct trial *t, const struct dns_tlsa *tlsa)
{
    gnutls_datum_t der = {(unsigned char *)tlsa->data.p, (unsigned)tlsa->data.n};
    gnutls_pubkey_t key;
    bool yes = false;
    gnutls_pubkey_init(&key);
    if (gnutls_pubkey_import(key, &der, GNUTLS_X509_FMT_DER) == 0 && certificate_key_fits(key))
        for (size_t i = 0; i < t->n && !yes; i++)
            yes = signed_by(t, i, key) && leads_to(t, t->list[i], i + 1);
    gnutls_pubkey_deinit(key);
    return yes;
}

// `2 0 0` carries the anchor itself.
static bool leads_to_carried(struct trial *t, const struct dns_tlsa *tlsa)
{
    gnutls_x509_crt_t anchor = certificate_read(tlsa->data);
    if (!anchor)
        return false;
    bool yes = leads_to(t, anchor, t->n);
    gnutls_x509_crt_deinit(anchor);
    return yes;
}

// The leaf is DANE-EE's business, unless it is its own authority.
static bool signs_itself(gnutls_x509_crt_t leaf)
{
    return gnutls_x509_crt_check_issuer(leaf, leaf);
}

static bool anchored(struct trial *t, const struct dns_tlsa *tlsa)
{
    bool in_chain = false;
    for (size_t i = 0; i < t->n; i++) {
        if (!dane_matches(tlsa, t->der[i]) || (i == 0 && !signs_itself(t->list[0])))
            continue;
        in_chain = true;
        if (leads_to(t, t->list[i], i))
            return true;
    }
    if (in_chain || tlsa->matching != FULL)
        return false;
    return tlsa->selector == PUBLIC_KEY ? leads_to_key(t, tlsa) : leads_to_carried(t, tlsa);
}

// A record that matched nothing says less than one whose path, date or name failed.
static bool try_anchor(struct trial *t, const struct dns_tlsa *tlsa)
{
    struct why before = *t->why;
    bool matched = t->matched;
    t->matched = false;
    bool yes = anchored(t, tlsa);
    if (!yes && !t->matched)
        *t->why = before;
    t->matched = t->matched || matched;
    return yes;
}

int dane_verify(const struct span *chain, size_t nchain, const struct dns_tlsa *tlsa, size_t ntlsa,
                const char *const *names, size_t nnames, enum tls_proof *proof, size_t *depth,
                struct why *why)
{
    struct trial t = {.der = chain,
                      .n = nchain,
                      .names = names,
                      .nnames = nnames,
                      .budget = ANCHOR_BUDGET,
                      .why = why};
    size_t usable = 0;
    bool yes = false;
    *proof = PROOF_NONE;
    if (certificate_chain_read(chain, &t.n, t.list, why) < 0)
        return -1;
    // RFC 7671 section 5.1: for DANE-EE the record alone binds name and key; no dates, no name, no chain.
    for (size_t i = 0; i < ntlsa && !yes; i++) {
        usable += dane_usable(&tlsa[i]);
        yes = tls_dane_counts(&tlsa[i], tlsa, ntlsa) && tlsa[i].usage == USAGE_EE &&
              dane_matches(&tlsa[i], chain[0]);
    }
    if (yes) {
        *proof = PROOF_DANE_EE;
        *depth = 0;
    }
    assert(yes || usable > 0);
    for (size_t i = 0; i < ntlsa && !yes; i++)
        if (tls_dane_counts(&tlsa[i], tlsa, ntlsa) && tlsa[i].usage == USAGE_TA) {
            yes = try_anchor(&t, &tlsa[i]);
            *proof = yes ? PROOF_DANE_TA : PROOF_NONE;
            *depth = t.depth;
        }
    certificate_chain_free(t.list, t.n);
    if (yes)
        return 0;
    if (t.matched)
        return -1;
    return why_say(why, TLSA_MISMATCH);
}
