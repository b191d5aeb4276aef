// SPDX-License-Identifier: ISC
// What a chain proves by WebPKI or by a pinned key. The reading and the path are tls/certificate.c's, DANE
// is tls/dane.c's.
#include "tls/verify.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "tls/certificate.h"
#include "tls/der.h"
#include "tls/verified.h"

#define SHA256_BYTES 32

struct trust {
    atomic_uint refs;
    gnutls_x509_trust_list_t list;
    struct verified *verified; // another store is another struct, and knows none of them
};

const char *tls_proof_word(enum tls_proof proof)
{
    static const char *const words[] = {
        [PROOF_NONE] = "none",       [PROOF_WEBPKI] = "webpki", [PROOF_DANE_EE] = "dane-ee",
        [PROOF_DANE_TA] = "dane-ta", [PROOF_PIN] = "pin",
    };
    return words[proof];
}

// ---- the trust store

struct trust *trust_load(const char *ca_file, struct why *why)
{
    struct trust *trust = mem_new(sizeof *trust);
    atomic_init(&trust->refs, 1);
    gnutls_x509_trust_list_init(&trust->list, 0);
    int n = gnutls_x509_trust_list_add_trust_file(trust->list, ca_file, NULL, GNUTLS_X509_FMT_PEM,
                                                  0, 0);
    if (n > 0) {
        trust->verified = verified_new(trust->list);
        return trust;
    }
    why_set(why, WHY_OURS, "4.3.5", "%s: %s", ca_file,
            n < 0 ? gnutls_strerror(n) : "holds no certificate");
    trust_unref(trust);
    return NULL;
}

struct trust *trust_ref(struct trust *trust)
{
    atomic_fetch_add(&trust->refs, 1);
    return trust;
}

void trust_unref(struct trust *trust)
{
    if (!trust || atomic_fetch_sub(&trust->refs, 1) != 1)
        return;
    verified_free(trust->verified);
    gnutls_x509_trust_list_deinit(trust->list, 1);
    free(trust);
}

// The path holds now. *n becomes how many certificates were read into the list, which is the caller's on 0: the leaf
// alone where the chain is known.
static int lead(struct trust *trust, const struct span *chain, size_t *n, const char *purpose,
                gnutls_x509_crt_t *list, struct why *why)
{
    struct verified_key key = verified_key(chain, *n, purpose);
    bool known = verified_knows(trust->verified, &key);
    if (known)
        *n = 1;
    if (certificate_chain_read(chain, n, list, why) < 0)
        return -1;
    if (known)
        return 0;
    if (certificate_check_path(trust->list, list, *n, purpose, why) < 0) {
        certificate_chain_free(list, *n);
        return -1;
    }
    verified_keep(trust->verified, &key, list, *n);
    return 0;
}

int verify_webpki(const struct span *chain, size_t nchain, const char *const *names, size_t nnames,
                  struct trust *trust, struct why *why)
{
    gnutls_x509_crt_t list[MAX_CHAIN];
    if (lead(trust, chain, &nchain, GNUTLS_KP_TLS_WWW_SERVER, list, why) < 0)
        return -1;
    int rc = certificate_check_name(list[0], names, nnames, false, why);
    certificate_chain_free(list, nchain);
    return rc;
}

bool verify_name(struct span leaf, const char *const *names, size_t nnames)
{
    gnutls_x509_crt_t certificate = certificate_read(leaf);
    bool yes = certificate && certificate_named(certificate, names, nnames, true);
    if (certificate)
        gnutls_x509_crt_deinit(certificate);
    return yes;
}

// ---- pins

// "sha256:" and 64 hex digits, or base64, which is never that long for 32 bytes.
static bool pin_is(const char *pin, const unsigned char digest[SHA256_BYTES])
{
    static const char scheme[] = "sha256:";
    unsigned char bytes[SHA256_BYTES];
    size_t n = sizeof bytes;
    if (strncasecmp(pin, scheme, strlen(scheme)) != 0)
        return false;
    pin += strlen(scheme);
    gnutls_datum_t text = {(unsigned char *)pin, (unsigned)strlen(pin)}, raw = {NULL, 0};
    if (text.size == 2 * SHA256_BYTES)
        return gnutls_hex_decode(&text, bytes, &n) == 0 && n == sizeof bytes &&
               memcmp(bytes, digest, n) == 0;
    bool same = gnutls_base64_decode2(&text, &raw) == 0 && raw.size == SHA256_BYTES &&
                memcmp(raw.data, digest, SHA256_BYTES) == 0;
    gnutls_free(raw.data);
    return same;
}

int verify_pin(const struct span *chain, size_t nchain, const char *const *pins, size_t npins,
               struct why *why)
{
    struct span key;
    unsigned char digest[SHA256_BYTES];
    if (nchain == 0 || !der_public_key(chain[0], &key) ||
        gnutls_hash_fast(GNUTLS_DIG_SHA256, key.p, key.n, digest) < 0)
        return why_say(why, CERTIFICATE_UNREADABLE);
    for (size_t i = 0; i < npins; i++)
        if (pin_is(pins[i], digest))
            return 0;
    return why_say(why, PIN_MISMATCH);
}

// ---- clients

int verify_client(const struct span *chain, size_t nchain, struct trust *trust, struct why *why)
{
    gnutls_x509_crt_t list[MAX_CHAIN];
    if (lead(trust, chain, &nchain, GNUTLS_KP_TLS_WWW_CLIENT, list, why) < 0)
        return -1;
    certificate_chain_free(list, nchain);
    return 0;
}

bool verify_fingerprint(const struct span *chain, size_t nchain, const char *digest)
{
    struct span key;
    unsigned char whole[SHA256_BYTES], of_key[SHA256_BYTES];
    return nchain > 0 && der_public_key(chain[0], &key) &&
           gnutls_hash_fast(GNUTLS_DIG_SHA256, chain[0].p, chain[0].n, whole) == 0 &&
           gnutls_hash_fast(GNUTLS_DIG_SHA256, key.p, key.n, of_key) == 0 &&
           (pin_is(digest, whole) || pin_is(digest, of_key));
}

bool verify_alternative_name(struct span leaf, const char *name)
{
    gnutls_x509_crt_t certificate = certificate_read(leaf);
    bool yes = certificate && certificate_has_alternative(certificate, span_text(name));
    if (certificate)
        gnutls_x509_crt_deinit(certificate);
    return yes;
}

// ---- for people

// Two passes, since the buffer moves while it grows.
static int add_chain(const gnutls_datum_t *pem, struct buf *memory, struct span *chain, size_t *n,
                     struct why *why, const char *file)
{
    gnutls_x509_crt_t list[MAX_CHAIN];
    unsigned count = MAX_CHAIN;
    size_t ends[MAX_CHAIN];
    int rc = gnutls_x509_crt_list_import(list, &count, pem, GNUTLS_X509_FMT_PEM,
                                         GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (rc <= 0)
        return why_set(why, WHY_OURS, "4.3.5", "%s: %s", file,
                       rc < 0 ? gnutls_strerror(rc) : "holds no certificate");
    *n = (size_t)rc;
    for (size_t i = 0; i < *n; i++) {
        gnutls_datum_t der = {NULL, 0};
        gnutls_x509_crt_export2(list[i], GNUTLS_X509_FMT_DER, &der);
        buf_add(memory, der.data, der.size);
        ends[i] = memory->len;
        gnutls_free(der.data);
        gnutls_x509_crt_deinit(list[i]);
    }
    for (size_t i = 0; i < *n; i++)
        chain[i] = span_slice(buf_span(memory), i ? ends[i - 1] : 0, ends[i]);
    return 0;
}

int verify_load_chain(const char *file, struct buf *memory, struct span *chain, size_t *nchain,
                      struct why *why)
{
    gnutls_datum_t pem;
    int rc = gnutls_load_file(file, &pem);
    if (rc < 0)
        return why_set(why, WHY_OURS, "4.3.5", "%s: cannot be read", file);
    buf_init(memory, MAX_CHAIN * MAX_CERTIFICATE);
    rc = add_chain(&pem, memory, chain, nchain, why, file);
    gnutls_free(pem.data);
    return rc;
}

int64_t verify_not_after(struct span leaf)
{
    gnutls_x509_crt_t certificate = certificate_read(leaf);
    if (!certificate)
        return 0;
    int64_t ends = gnutls_x509_crt_get_expiration_time(certificate);
    gnutls_x509_crt_deinit(certificate);
    return ends > 0 ? ends : 0;
}

void verify_describe(struct span der, char *out, size_t n)
{
    gnutls_x509_crt_t certificate = certificate_read(der);
    if (!certificate) {
        snprintf(out, n, "a certificate that cannot be read");
        return;
    }
    char when[40];
    gnutls_datum_t subject = {NULL, 0}, issuer = {NULL, 0};
    gnutls_x509_crt_get_dn3(certificate, &subject, 0);
    gnutls_x509_crt_get_issuer_dn3(certificate, &issuer, 0);
    clock_rfc3339((int64_t)gnutls_x509_crt_get_expiration_time(certificate) * 1000, when);
    snprintf(out, n, "%s, issuer %s, valid until %s",
             subject.size ? (const char *)subject.data : "no subject",
             issuer.size ? (const char *)issuer.data : "not named", when);
    gnutls_free(subject.data);
    gnutls_free(issuer.data);
    gnutls_x509_crt_deinit(certificate);
}
