// SPDX-License-Identifier: ISC
// Reading key records, and the public keys in them.
#include "sign/dkim_record.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "sign/base64.h"
#include "sign/tags.h"

#define REASON       128
#define MIN_RSA_BITS 1024 // RFC 8301 section 3.2
#define MAX_EXPONENT 8    // bytes; everybody uses 3 (65537)

static int dkim_record_refuse(char *reason, const char *text)
{
    snprintf(reason, REASON, "%s", text);
    return -1;
}

static int check_terms(const struct tags *tags, struct dkim_record *out, char *reason)
{
    const struct tag *tag = tags_find(tags, "v");
    if (tag && (tag != &tags->at[0] || !span_is(tag->value, "DKIM1")))
        return dkim_record_refuse(reason, "the key record is not of version DKIM1");
    if ((tag = tags_find(tags, "h")) && !tag_lists(tag->value, ':', "sha256"))
        return dkim_record_refuse(reason, "the key is not for sha256");
    if ((tag = tags_find(tags, "s")) && !tag_lists(tag->value, ':', "*") &&
        !tag_lists(tag->value, ':', "email"))
        return dkim_record_refuse(reason, "the key is not for mail");
    if ((tag = tags_find(tags, "t"))) {
        out->testing = tag_lists(tag->value, ':', "y");
        out->same_domain = tag_lists(tag->value, ':', "s");
    }
    out->type = KEY_RSA;
    if ((tag = tags_find(tags, "k")) && span_is(tag->value, "ed25519"))
        out->type = KEY_ED25519;
    else if (tag && !span_is(tag->value, "rsa"))
        return dkim_record_refuse(reason, "the key is of an unknown type");
    return 0;
}

int dkim_record_parse(struct span text, struct dkim_record *out, char reason[static 128])
{
    *out = (struct dkim_record){0};
    buf_init(&out->key, MAX_RECORD_TEXT);
    struct tags tags;
    const struct tag *key;
    if (!tags_parse(text, &tags) || !(key = tags_find(&tags, "p")))
        return dkim_record_refuse(reason, "there is no key record");
    if (check_terms(&tags, out, reason) < 0)
        return -1;
    if (!key->value.n)
        return dkim_record_refuse(reason, "the key is revoked");
    if (!base64_decode(key->value, &out->key))
        return dkim_record_refuse(reason, "p= of the key record is not base64");
    if (out->type == KEY_ED25519 && out->key.len != 32)
        return dkim_record_refuse(reason, "an Ed25519 key has 32 bytes");
    return 0;
}

void dkim_record_free(struct dkim_record *record)
{
    buf_free(&record->key);
}

struct verify_key {
    enum key_type type;
    unsigned bits;
    gnutls_pubkey_t pubkey;
};

static void add_length(struct buf *out, size_t n)
{
    if (n >= 128)
        buf_addc(out, (char)130); // two bytes of length follow
    if (n >= 128)
        buf_addc(out, (char)(n >> 8));
    buf_addc(out, (char)(n & 255));
}

// PKCS#1 as the bit string of a SubjectPublicKeyInfo (RFC 3279 section 2.3.1). RFC 6376 section 3.6.1 asks
// for the one and its readers found both in the field.
static int import_pkcs1(gnutls_pubkey_t pubkey, const struct buf *pkcs1)
{
    static const unsigned char algorithm[] = {48,  13, 6, 9, 42, 134, 72, 134,
                                              247, 13, 1, 1, 1,  5,   0};
    struct buf bits, inner, spki;
    buf_init(&bits, MAX_RECORD_TEXT + 64);
    buf_init(&inner, MAX_RECORD_TEXT + 64);
    buf_init(&spki, MAX_RECORD_TEXT + 64);
    buf_addc(&bits, 0); // no unused bits
    buf_addspan(&bits, buf_span(pkcs1));
    buf_add(&inner, algorithm, sizeof algorithm);
    buf_addc(&inner, 3);
    add_length(&inner, bits.len);
    buf_addspan(&inner, buf_span(&bits));
    buf_addc(&spki, 48);
    add_length(&spki, inner.len);
    buf_addspan(&spki, buf_span(&inner));
    gnutls_datum_t der = {spki.data, (unsigned)spki.len};
    int rc = gnutls_pubkey_import(pubkey, &der, GNUTLS_X509_FMT_DER);
    buf_free(&bits);
    buf_free(&inner);
    buf_free(&spki);
    return rc;
}

static int import_rsa(struct verify_key *key, const struct dkim_record *record, char *reason)
{
    gnutls_datum_t der = {record->key.data, (unsigned)record->key.len};
    if (gnutls_pubkey_import(key->pubkey, &der, GNUTLS_X509_FMT_DER) < 0 &&
        import_pkcs1(key->pubkey, &record->key) < 0)
        return dkim_record_refuse(reason, "p= of the key record is no RSA key");
    if (gnutls_pubkey_get_pk_algorithm(key->pubkey, &key->bits) != GNUTLS_PK_RSA)
        return dkim_record_refuse(reason, "p= of the key record is no RSA key");
    if (key->bits < MIN_RSA_BITS || key->bits > MAX_KEY_BITS) {
        snprintf(reason, REASON, "RSA keys of %u bits do not count", key->bits);
        return -1;
    }
    gnutls_datum_t modulus, exponent;
    if (gnutls_pubkey_export_rsa_raw(key->pubkey, &modulus, &exponent) < 0)
        return dkim_record_refuse(reason, "p= of the key record is no RSA key");
    unsigned size = exponent.size;
    gnutls_free(modulus.data);
    gnutls_free(exponent.data);
    return size > MAX_EXPONENT
               ? dkim_record_refuse(reason, "the exponent of the RSA key is too large")
               : 0;
}

struct verify_key *verify_key_new(const struct dkim_record *record, char reason[static 128])
{
    struct verify_key *key = mem_new(sizeof *key);
    key->type = record->type;
    int rc = gnutls_pubkey_init(&key->pubkey);
    assert(rc == 0);
    if (record->type == KEY_RSA) {
        rc = import_rsa(key, record, reason);
    } else {
        gnutls_datum_t x = {record->key.data, (unsigned)record->key.len};
        key->bits = 256;
        rc = gnutls_pubkey_import_ecc_raw(key->pubkey, GNUTLS_ECC_CURVE_ED25519, &x, NULL);
        if (rc < 0)
            dkim_record_refuse(reason, "p= of the key record is no Ed25519 key");
    }
    if (rc == 0)
        return key;
    verify_key_free(key);
    return NULL;
}

void verify_key_free(struct verify_key *key)
{
    if (!key)
        return;
    gnutls_pubkey_deinit(key->pubkey);
    free(key);
}

unsigned verify_key_bits(const struct verify_key *key)
{
    return key->bits;
}

bool verify_key_holds(const struct verify_key *key, struct span data, struct span signature)
{
    unsigned char digest[32];
    int rc =
        gnutls_hash_fast(GNUTLS_DIG_SHA256, data.n ? (const void *)data.p : "", data.n, digest);
    assert(rc == 0);
    gnutls_datum_t hash = {digest, sizeof digest};
    gnutls_datum_t sig = {(void *)(uintptr_t)signature.p, (unsigned)signature.n};
    // Ed25519 takes the digest as its message (RFC 8463 section 3).
    if (key->type == KEY_ED25519)
        return gnutls_pubkey_verify_data2(key->pubkey, GNUTLS_SIGN_EDDSA_ED25519, 0, &hash, &sig) >=
               0;
    return gnutls_pubkey_verify_hash2(key->pubkey, GNUTLS_SIGN_RSA_SHA256, 0, &hash, &sig) >= 0;
}
