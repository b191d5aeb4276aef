// SPDX-License-Identifier: ISC
// What a handshake showed, as a value of its own, and hostile certificates put into words. Reading them is
// tls/certificate.c's, with its limits.
#include "tls/shown.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/utf8.h"
#include "tls/certificate.h"
#include "tls/der.h"

static void shown_digest(struct span bytes, unsigned char out[static SHOWN_DIGEST])
{
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.p, bytes.n, out) < 0)
        memset(out, 0, SHOWN_DIGEST);
}

// ---- the value

// How many certificates fit, and their bytes together.
static size_t fitting(const struct tls_session_info *info, size_t all, size_t *bytes)
{
    size_t n = 0;
    *bytes = 0;
    while (n < all && n < MAX_CHAIN && info->chain[n].n <= SHOWN_BYTES - *bytes)
        *bytes += info->chain[n++].n;
    return n;
}

static const char *word_of(const char *text)
{
    return text ? text : "";
}

struct shown *shown_of(const struct tls_session_info *info)
{
    size_t all = info->nchain + info->nearlier, bytes, n = fitting(info, all, &bytes);
    struct shown *shown = mem_new(sizeof *shown + bytes);
    atomic_init(&shown->refs, 1);
    snprintf(shown->protocol, sizeof shown->protocol, "%s", word_of(info->protocol));
    snprintf(shown->cipher, sizeof shown->cipher, "%s", word_of(info->cipher));
    snprintf(shown->group, sizeof shown->group, "%s", word_of(info->group));
    shown->resumed = info->resumed;
    shown->nchain = n;
    shown->ncut = all - n + info->ncut;
    unsigned char *at = shown->der;
    for (size_t i = 0; i < n; i++) {
        shown->chain[i] = span_of(at, info->chain[i].n);
        memcpy(at, info->chain[i].p, info->chain[i].n);
        at += info->chain[i].n;
    }
    if (n)
        shown_digest(span_of(shown->der, bytes), shown->digest);
    return shown;
}

struct shown *shown_ref(struct shown *shown)
{
    if (shown)
        atomic_fetch_add(&shown->refs, 1);
    return shown;
}

void shown_unref(struct shown *shown)
{
    if (shown && atomic_fetch_sub(&shown->refs, 1) == 1)
        free(shown);
}

// ---- names

// The next piece of a name as it may be shown; returns how many bytes of s it stands for.
static size_t piece(struct span s, char *out, size_t *n)
{
    size_t length = utf8_length(s);
    uint32_t point = length ? utf8_point(span_of(s.p, length)) : 0;
    bool plain =
        point >= 0x20 && point != 0x7f && point != UTF8_BYTE_ORDER_MARK && !utf8_deceives(point);
    if (plain) {
        memcpy(out, s.p, length);
        *n = length;
        return length;
    }
    length = length ? length : 1;
    *n = 0;
    for (size_t i = 0; i < length; i++)
        *n += (size_t)sprintf(out + *n, "\\x%02X", s.p[i]);
    return length;
}

static void put_name(struct span name, char out[static SHOWN_NAME])
{
    static const char more[] = "...";
    size_t len = 0, cut = 0, n; // cut: where "..." would still fit
    char one[20];
    while (name.n) {
        name = span_from(name, piece(name, one, &n));
        if (len + n >= SHOWN_NAME) {
            memcpy(out + cut, more, sizeof more);
            return;
        }
        memcpy(out + len, one, n);
        len += n;
        if (len + sizeof more <= SHOWN_NAME)
            cut = len;
    }
    out[len] = 0;
}

static void put_dn(int rc, gnutls_datum_t *dn, char out[static SHOWN_NAME])
{
    if (rc == 0 && dn->data)
        put_name(span_of(dn->data, dn->size), out);
    gnutls_free(dn->data);
}

static void put_names(gnutls_x509_crt_t certificate, struct shown_certificate *out)
{
    char text[1024];
    for (unsigned i = 0; i < SHOWN_NAMES; i++) {
        size_t n = sizeof text;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, text, &n, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return;
        if (type != GNUTLS_SAN_DNSNAME)
            continue;
        if (out->nnames++ == 0)
            put_name(span_of(text, n), out->name);
    }
}

// ---- certificates

static int64_t shown_seconds(time_t t)
{
    return t > 0 ? (int64_t)t : 0;
}

void shown_read(struct span der, struct shown_certificate *out)
{
    struct span key;
    memset(out, 0, sizeof *out);
    shown_digest(der, out->fingerprint);
    out->has_key = der_public_key(der, &key);
    if (out->has_key)
        shown_digest(key, out->key);
    gnutls_x509_crt_t certificate = certificate_read(der);
    if (!certificate)
        return;
    gnutls_datum_t subject = {NULL, 0}, issuer = {NULL, 0};
    out->readable = true;
    put_dn(gnutls_x509_crt_get_dn3(certificate, &subject, 0), &subject, out->subject);
    put_dn(gnutls_x509_crt_get_issuer_dn3(certificate, &issuer, 0), &issuer, out->issuer);
    put_names(certificate, out);
    out->not_before_s = shown_seconds(gnutls_x509_crt_get_activation_time(certificate));
    out->not_after_s = shown_seconds(gnutls_x509_crt_get_expiration_time(certificate));
    gnutls_x509_crt_deinit(certificate);
}

void shown_certificate(const struct shown *shown, size_t i, struct shown_certificate *out)
{
    shown_read(shown->chain[i], out);
}

const char *shown_hex(const unsigned char digest[static SHOWN_DIGEST], char out[static SHOWN_HEX])
{
    // printf would cost a message 22,000 instructions.
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHOWN_DIGEST; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * SHOWN_DIGEST] = 0;
    return out;
}
