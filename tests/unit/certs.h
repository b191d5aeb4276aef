// SPDX-License-Identifier: ISC
// Certificates made while a test runs: a little authority for the tests of TLS. Nothing is kept on disk but
// what cert_save writes.
#ifndef TESTS_UNIT_CERTS_H
#define TESTS_UNIT_CERTS_H

#include <assert.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/span.h"
#include "tls/der.h"

struct cert {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    unsigned char der[16384];
    size_t n;
};

struct cert_spec {
    const char *cn;            // NULL: no subject
    const char *san[4];        // dNSNames
    const char *email;         // an rfc822Name beside, or alone
    const struct cert *issuer; // NULL: self-signed
    bool ca;
    int64_t begins, ends;     // Unix seconds; 0: an hour ago, in a day
    gnutls_pk_algorithm_t pk; // 0: EC
    unsigned bits;            // 0: P-256, or RSA 2048
    const struct cert *reuse; // the key of that one
    bool client_only;         // extended key usage without servers
    bool ids;                 // key identifiers, its own and its issuer's
    unsigned usage;           // key usage; 0: none named, certificate signing for a CA
};

static unsigned cert_serial = 1;

static inline void cert_add_ids(struct cert *c, const struct cert *issuer)
{
    unsigned char id[64];
    size_t n = sizeof id;
    assert(gnutls_x509_crt_get_key_id(c->crt, 0, id, &n) == 0);
    gnutls_x509_crt_set_subject_key_id(c->crt, id, n);
    n = sizeof id;
    assert(gnutls_x509_crt_get_key_id(issuer->crt, 0, id, &n) == 0);
    gnutls_x509_crt_set_authority_key_id(c->crt, id, n);
}

static inline void cert_make(struct cert *c, const struct cert_spec *s)
{
    gnutls_pk_algorithm_t pk = s->pk ? s->pk : GNUTLS_PK_EC;
    unsigned bits = s->bits              ? s->bits
                    : pk == GNUTLS_PK_EC ? GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)
                                         : 2048;
    gnutls_x509_privkey_init(&c->key);
    if (s->reuse)
        assert(gnutls_x509_privkey_cpy(c->key, s->reuse->key) == 0);
    else
        assert(gnutls_x509_privkey_generate(c->key, pk, bits, 0) == 0);
    gnutls_x509_crt_init(&c->crt);
    gnutls_x509_crt_set_version(c->crt, 3);
    unsigned char serial[4] = {1, (unsigned char)(cert_serial >> 16),
                               (unsigned char)(cert_serial >> 8), (unsigned char)cert_serial};
    cert_serial++;
    gnutls_x509_crt_set_serial(c->crt, serial, sizeof serial);
    gnutls_x509_crt_set_key(c->crt, c->key);
    if (s->cn)
        gnutls_x509_crt_set_dn_by_oid(c->crt, GNUTLS_OID_X520_COMMON_NAME, 0, s->cn,
                                      (unsigned)strlen(s->cn));
    gnutls_x509_crt_set_activation_time(c->crt, s->begins ? s->begins : clock_s() - 3600);
    gnutls_x509_crt_set_expiration_time(c->crt, s->ends ? s->ends : clock_s() + 86400);
    for (int i = 0; i < 4 && s->san[i]; i++)
        gnutls_x509_crt_set_subject_alt_name(c->crt, GNUTLS_SAN_DNSNAME, s->san[i],
                                             (unsigned)strlen(s->san[i]), GNUTLS_FSAN_APPEND);
    if (s->email)
        gnutls_x509_crt_set_subject_alt_name(c->crt, GNUTLS_SAN_RFC822NAME, s->email,
                                             (unsigned)strlen(s->email), GNUTLS_FSAN_APPEND);
    if (s->ca) {
        gnutls_x509_crt_set_basic_constraints(c->crt, 1, -1);
        gnutls_x509_crt_set_key_usage(c->crt, GNUTLS_KEY_KEY_CERT_SIGN);
    }
    if (s->usage)
        gnutls_x509_crt_set_key_usage(c->crt, s->usage);
    if (s->client_only)
        gnutls_x509_crt_set_key_purpose_oid(c->crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    const struct cert *issuer = s->issuer ? s->issuer : c;
    if (s->ids)
        cert_add_ids(c, issuer);
    assert(gnutls_x509_crt_sign2(c->crt, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0) == 0);
    c->n = sizeof c->der;
    assert(gnutls_x509_crt_export(c->crt, GNUTLS_X509_FMT_DER, c->der, &c->n) == 0);
}

static inline void cert_free(struct cert *c)
{
    gnutls_x509_crt_deinit(c->crt);
    gnutls_x509_privkey_deinit(c->key);
}

static inline struct span cert_span(const struct cert *c)
{
    return span_of(c->der, c->n);
}

static inline struct span cert_spki(const struct cert *c)
{
    struct span key;
    assert(der_public_key(cert_span(c), &key));
    return key;
}

// Writes PEM: certificates of `chain` in order, and the key of the first where key_path is given.
static inline void cert_save(const char *path, const char *key_path, struct cert *const *chain,
                             size_t n)
{
    static char pem[32768];
    FILE *f = fopen(path, "w");
    assert(f);
    for (size_t i = 0; i < n; i++) {
        size_t size = sizeof pem;
        assert(gnutls_x509_crt_export(chain[i]->crt, GNUTLS_X509_FMT_PEM, pem, &size) == 0);
        fwrite(pem, 1, strlen(pem), f);
    }
    fclose(f);
    if (!key_path)
        return;
    f = fopen(key_path, "w");
    assert(f);
    size_t size = sizeof pem;
    assert(gnutls_x509_privkey_export(chain[0]->key, GNUTLS_X509_FMT_PEM, pem, &size) == 0);
    fwrite(pem, 1, size, f);
    fclose(f);
}

#endif
