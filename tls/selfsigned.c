// SPDX-License-Identifier: ISC
// Makes a key and its self-signed certificate (RFC 5280), the name as a DNS-ID (RFC 6125).
#include "tls/selfsigned.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include "relay/base/clock.h"

#define DAY_S 86400

static int describe(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *host,
                    unsigned days)
{
    unsigned char serial[16];
    time_t now = (time_t)clock_s();
    int rc = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; // positive, and of full length
    if (rc < 0 || (rc = gnutls_x509_crt_set_version(crt, 3)) < 0 ||
        (rc = gnutls_x509_crt_set_serial(crt, serial, sizeof serial)) < 0 ||
        (rc = gnutls_x509_crt_set_activation_time(crt, now - DAY_S)) < 0 ||
        (rc = gnutls_x509_crt_set_expiration_time(crt, now + (time_t)days * DAY_S)) < 0 ||
        (rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, host,
                                            (unsigned)strnlen(host, 64))) < 0 ||
        (rc = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host,
                                                   (unsigned)strlen(host), GNUTLS_FSAN_SET)) < 0 ||
        (rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1)) < 0 ||
        (rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
        (rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
        (rc = gnutls_x509_crt_set_key(crt, key)) < 0)
        return rc;
    return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static int export(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct buf *chain,
                  struct buf *secret)
{
    gnutls_datum_t pem = {NULL, 0};
    int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    if (rc < 0)
        return rc;
    buf_add(chain, pem.data, pem.size);
    gnutls_free(pem.data);
    pem.data = NULL;
    rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
    if (rc < 0)
        return rc;
    buf_add(secret, pem.data, pem.size);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    return chain->full || secret->full ? GNUTLS_E_SHORT_MEMORY_BUFFER : 0;
}

int selfsigned_make(const char *host, unsigned days, struct buf *chain, struct buf *key,
                    struct why *why)
{
    gnutls_x509_crt_t crt = NULL;
    gnutls_x509_privkey_t made = NULL;
    unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    int rc = gnutls_x509_crt_init(&crt);
    if (rc >= 0)
        rc = gnutls_x509_privkey_init(&made);
    if (rc >= 0)
        rc = gnutls_x509_privkey_generate(made, GNUTLS_PK_ECDSA, bits, 0);
    if (rc >= 0)
        rc = describe(crt, made, host, days);
    if (rc >= 0)
        rc = export(crt, made, chain, key);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(made);
    return rc < 0 ? why_set(why, WHY_OURS, "4.3.5", "no certificate for %s could be made: %s", host,
                            gnutls_strerror(rc))
                  : 0;
}
