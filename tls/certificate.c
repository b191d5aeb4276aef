// SPDX-License-Identifier: ISC
// Hostile certificates: limits before arithmetic, then names (RFC 6125 with RFC 7672 section 3.2.3) and
// the path (RFC 5280 section 6, by GnuTLS). Never asks the network: no OCSP, no CRL, no AIA.
#include "tls/certificate.h"

#include <gnutls/abstract.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "relay/base/clock.h"
#include "relay/base/maxima.h"

#define NAMES_MAX      1000 // subject alternative names looked at in one certificate
#define EXPONENT_BYTES 9    // 64 bits and a sign

// ---- reading

// RSA verification costs modulus squared times exponent: both have a ceiling.
static bool key_fits(gnutls_pubkey_t key, unsigned most)
{
    unsigned bits = 0;
    int algorithm = gnutls_pubkey_get_pk_algorithm(key, &bits);
    gnutls_datum_t m = {NULL, 0}, e = {NULL, 0};
    if (bits > most)
        return false;
    if (algorithm != GNUTLS_PK_RSA && algorithm != GNUTLS_PK_RSA_PSS)
        return true;
    bool fits = gnutls_pubkey_export_rsa_raw(key, &m, &e) == 0 && e.size <= EXPONENT_BYTES;
    gnutls_free(m.data);
    gnutls_free(e.data);
    return fits;
}

bool certificate_key_fits(gnutls_pubkey_t key)
{
    return key_fits(key, MAX_KEY_BITS);
}

static bool own_key_fits(gnutls_x509_crt_t certificate, unsigned most)
{
    gnutls_pubkey_t key;
    gnutls_pubkey_init(&key);
    // A key of an algorithm unknown to GnuTLS costs nothing: it never verifies anything.
    bool fits = gnutls_pubkey_import_x509(key, certificate, 0) < 0 || key_fits(key, most);
    gnutls_pubkey_deinit(key);
    return fits;
}

static gnutls_x509_crt_t read_within(struct span der, size_t most_bytes, unsigned most_bits)
{
    gnutls_datum_t data = {(unsigned char *)der.p, (unsigned)der.n};
    gnutls_x509_crt_t certificate;
    if (der.n > most_bytes || gnutls_x509_crt_init(&certificate) < 0)
        return NULL;
    if (gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_DER) == 0 &&
        own_key_fits(certificate, most_bits))
        return certificate;
    gnutls_x509_crt_deinit(certificate);
    return NULL;
}

gnutls_x509_crt_t certificate_read(struct span der)
{
    return read_within(der, MAX_CERTIFICATE, MAX_KEY_BITS);
}

bool certificate_bearable(struct span der, bool any)
{
    gnutls_x509_crt_t certificate = any ? read_within(der, MAX_HANDSHAKE, MAX_ANY_KEY_BITS)
                                        : read_within(der, MAX_CERTIFICATE, MAX_KEY_BITS);
    if (certificate)
        gnutls_x509_crt_deinit(certificate);
    return certificate != NULL;
}

void certificate_chain_free(gnutls_x509_crt_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
}

int certificate_chain_read(const struct span *chain, size_t *nchain, gnutls_x509_crt_t *list,
                           struct why *why)
{
    size_t i = 0;
    if (*nchain == 0)
        return why_say(why, CERTIFICATE_MISSING);
    while (i < *nchain && i < MAX_CHAIN && (list[i] = certificate_read(chain[i])))
        i++;
    *nchain = i;
    return i ? 0 : why_say(why, CERTIFICATE_UNREADABLE);
}

// ---- names

static struct span without_dot(struct span name)
{
    return name.n && name.p[name.n - 1] == '.' ? span_slice(name, 0, name.n - 1) : name;
}

// The left-most label of a pattern may be "*" alone; it stands for exactly one label.
static bool name_matches(struct span pattern, struct span name)
{
    pattern = without_dot(pattern);
    name = without_dot(name);
    if (!pattern.n || !name.n || span_find(name, '*') >= 0)
        return false;
    if (pattern.n < 3 || pattern.p[0] != '*' || pattern.p[1] != '.')
        return span_find(pattern, '*') < 0 && span_equal_nocase(pattern, name);
    struct span label, rest, base = span_from(pattern, 2);
    return span_find(base, '*') < 0 && span_cut(name, '.', &label, &rest) && label.n > 0 &&
           span_equal_nocase(base, rest);
}

static bool one_matches(const char *pattern, size_t n, const char *const *names, size_t nnames)
{
    for (size_t i = 0; i < nnames; i++)
        if (name_matches(span_of(pattern, n), span_text(names[i])))
            return true;
    return false;
}

bool certificate_named(gnutls_x509_crt_t leaf, const char *const *names, size_t nnames, bool cn)
{
    char text[1024];
    bool san = false;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        size_t n = sizeof text;
        int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, text, &n, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        san = true;
        if (type == GNUTLS_SAN_DNSNAME && one_matches(text, n, names, nnames))
            return true;
    }
    if (san || !cn)
        return false;
    // RFC 6125 section 6.4.4: the last resort where there is no subject alternative name.
    size_t n = sizeof text;
    return gnutls_x509_crt_get_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &n) == 0 &&
           one_matches(text, n, names, nnames);
}

// What the certificate is for, in words: its first dNSName, and how many there are besides.
static bool describe_names(gnutls_x509_crt_t leaf, char *out, size_t room)
{
    char text[256] = "", first[256] = "";
    unsigned found = 0;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        size_t n = sizeof text;
        int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, text, &n, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (type == GNUTLS_SAN_DNSNAME && found++ == 0)
            memcpy(first, text, sizeof first);
    }
    if (found == 1)
        snprintf(out, room, "%s", first);
    else if (found)
        snprintf(out, room, "%s and %u other name%s", first, found - 1, found == 2 ? "" : "s");
    return found > 0;
}

int certificate_check_name(gnutls_x509_crt_t leaf, const char *const *names, size_t nnames, bool cn,
                           struct why *why)
{
    if (certificate_named(leaf, names, nnames, cn))
        return 0;
    char own[320], common[256];
    size_t n = sizeof common;
    const char *wanted = nnames ? names[0] : "?";
    if (describe_names(leaf, own, sizeof own))
        return why_say(why, CERTIFICATE_OTHER_NAME, own, wanted);
    if (gnutls_x509_crt_get_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 0, 0, common, &n) < 0)
        return why_say(why, CERTIFICATE_NO_NAME, wanted);
    return why_say(why, CERTIFICATE_COMMON_NAME, wanted, common,
                   cn ? "is another" : "does not count");
}

bool certificate_has_alternative(gnutls_x509_crt_t leaf, struct span name)
{
    struct span kind, value;
    char text[1024];
    if (!span_cut(name, ':', &kind, &value))
        return false;
    int wanted = span_is_nocase(kind, "dns")     ? GNUTLS_SAN_DNSNAME
                 : span_is_nocase(kind, "email") ? GNUTLS_SAN_RFC822NAME
                 : span_is_nocase(kind, "uri")   ? GNUTLS_SAN_URI
                                                 : -1;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        size_t n = sizeof text;
        int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, text, &n, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (type >= 0 && type == wanted && span_equal_nocase(span_of(text, n), value))
            return true;
    }
    return false;
}

// ---- dates and path

static time_t certificate_our_time(time_t *out)
{
    time_t now = (time_t)clock_s();
    if (out)
        *out = now;
    return now;
}

static void certificate_tell_gnutls_the_time(void)
{
    gnutls_global_set_time_function(certificate_our_time);
}

int certificate_check_dates(gnutls_x509_crt_t certificate, struct why *why)
{
    char when[40];
    int64_t now = clock_s(), begins = gnutls_x509_crt_get_activation_time(certificate),
            ends = gnutls_x509_crt_get_expiration_time(certificate);
    if (now > ends) {
        clock_rfc3339(ends * 1000, when);
        return why_say(why, CERTIFICATE_EXPIRED, when);
    }
    if (now < begins) {
        clock_rfc3339(begins * 1000, when);
        return why_say(why, CERTIFICATE_NOT_YET, when);
    }
    return 0;
}

static const char *reason_of(unsigned status)
{
    if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        return "its issuer is not trusted";
    if (status & GNUTLS_CERT_SIGNER_NOT_CA)
        return "an issuer in the chain is not a certificate authority";
    if (status & GNUTLS_CERT_SIGNATURE_FAILURE)
        return "a signature in the chain is wrong";
    if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
        return "the chain uses an insecure algorithm";
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return "the certificate is not meant for servers";
    if (status & GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE)
        return "the chain breaks a constraint of an issuer";
    return "the chain is not valid";
}

int certificate_check_path(gnutls_x509_trust_list_t anchors, gnutls_x509_crt_t *chain, size_t n,
                           const char *purpose, struct why *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, certificate_tell_gnutls_the_time);
    gnutls_typed_vdata_st data = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                  .data = (unsigned char *)(uintptr_t)purpose};
    unsigned status = 0, flags = GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_LOW);
    int rc = gnutls_x509_trust_list_verify_crt2(anchors, chain, (unsigned)n, &data, 1, flags,
                                                &status, NULL);
    if (rc < 0)
        return why_say(why, CERTIFICATE_UNVERIFIED, gnutls_strerror(rc));
    if (status == 0)
        return 0;
    unsigned dates = GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED | GNUTLS_CERT_INVALID;
    if (status & ~dates)
        return why_say(why, CERTIFICATE_UNTRUSTED, reason_of(status));
    if (certificate_check_dates(chain[0], why) < 0)
        return -1;
    if (status & GNUTLS_CERT_EXPIRED)
        return why_say(why, CHAIN_EXPIRED);
    return status & GNUTLS_CERT_NOT_ACTIVATED ? why_say(why, CHAIN_NOT_YET)
                                              : why_say(why, CHAIN_INVALID);
}
