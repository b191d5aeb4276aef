// SPDX-License-Identifier: ISC
// Private keys for signing. GnuTLS reads and writes them and does Ed25519; RSA signatures are made by
// libcrypto (rsa.c). RFC 6376 section 3.3, RFC 8301 (sizes), RFC 8463 (Ed25519).
#include "sign/key.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "sign/base64.h"
#include "sign/rsa_inside.h"

#define MAX_KEY_FILE 65536 // bytes

struct sign_key {
    atomic_uint refs;
    enum key_type type;
    unsigned bits;
    gnutls_x509_privkey_t x509; // as loaded or made: what is saved and published
    gnutls_privkey_t privkey;   // what signs: Ed25519
    struct rsa *rsa;            // RSA
};

// Takes over x509, also on failure. `what` names the key in why.
static struct sign_key *from_x509(gnutls_x509_privkey_t x509, const char *what, struct why *why)
{
    struct sign_key *key = mem_new(sizeof *key);
    atomic_init(&key->refs, 1);
    key->x509 = x509;
    int algorithm = gnutls_x509_privkey_get_pk_algorithm2(x509, &key->bits);
    int rc;
    if (algorithm == GNUTLS_PK_RSA) {
        key->type = KEY_RSA;
        if (key->bits < KEY_MIN_RSA_BITS || key->bits > MAX_KEY_BITS) {
            why_set(why, WHY_OURS, "4.3.5", "%s is an RSA key of %u bits, %d to %d are usable",
                    what, key->bits, KEY_MIN_RSA_BITS, MAX_KEY_BITS);
            goto bad;
        }
        key->rsa = rsa_new(x509);
        rc = key->rsa ? 0 : GNUTLS_E_PK_INVALID_PRIVKEY;
    } else if (algorithm == GNUTLS_PK_EDDSA_ED25519) {
        key->type = KEY_ED25519;
        key->bits = 256;
        rc = gnutls_privkey_init(&key->privkey);
        assert(rc == 0);
        rc = gnutls_privkey_import_x509(key->privkey, x509, GNUTLS_PRIVKEY_IMPORT_COPY);
    } else {
        why_set(why, WHY_OURS, "4.3.5", "%s is neither an RSA nor an Ed25519 key", what);
        goto bad;
    }
    if (rc == 0)
        return key;
    why_set(why, WHY_OURS, "4.3.5", "%s cannot be used: %s", what, gnutls_strerror(rc));
bad:
    sign_key_unref(key);
    return NULL;
}

static int sign_key_read_file(const char *file, struct buf *out, struct why *why)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    unsigned char *room;
    ssize_t n = -1;
    if (fd >= 0) {
        while (buf_reserve(out, 4096, &room) == 0 && (n = read(fd, room, 4096)) > 0)
            out->len += (size_t)n;
        int error = errno;
        close(fd);
        errno = error;
    }
    if (fd < 0 || n < 0)
        return why_set(why, WHY_OURS, "4.3.5", "key file %s: %s", file, strerror(errno));
    if (n > 0)
        return why_set(why, WHY_OURS, "4.3.5", "key file %s is too large for a key", file);
    return 0;
}

struct sign_key *sign_key_read(struct span pem, const char *what, struct why *why)
{
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)pem.p, (unsigned)pem.n};
    gnutls_x509_privkey_t x509;
    int rc = gnutls_x509_privkey_init(&x509);
    assert(rc == 0);
    rc = gnutls_x509_privkey_import2(x509, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc == 0)
        return from_x509(x509, what, why);
    gnutls_x509_privkey_deinit(x509);
    why_set(why, WHY_OURS, "4.3.5", "%s holds no private key that can be read: %s", what,
            gnutls_strerror(rc));
    return NULL;
}

struct sign_key *sign_key_load(const char *file, struct why *why)
{
    struct buf pem;
    buf_init(&pem, MAX_KEY_FILE);
    struct sign_key *key = NULL;
    if (sign_key_read_file(file, &pem, why) == 0)
        key = sign_key_read(buf_span(&pem), file, why);
    if (pem.data)
        gnutls_memset(pem.data, 0, pem.cap);
    buf_free(&pem);
    return key;
}

struct sign_key *sign_key_new(enum key_type type, unsigned bits, struct why *why)
{
    gnutls_x509_privkey_t x509;
    int rc = gnutls_x509_privkey_init(&x509);
    assert(rc == 0);
    if (type == KEY_RSA && (bits < KEY_MIN_RSA_BITS || bits > MAX_KEY_BITS)) {
        gnutls_x509_privkey_deinit(x509);
        why_set(why, WHY_OURS, "4.3.5", "RSA keys have %d to %d bits", KEY_MIN_RSA_BITS,
                MAX_KEY_BITS);
        return NULL;
    }
    rc = gnutls_x509_privkey_generate(
        x509, type == KEY_RSA ? GNUTLS_PK_RSA : GNUTLS_PK_EDDSA_ED25519,
        type == KEY_RSA ? bits : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), 0);
    if (rc < 0) {
        gnutls_x509_privkey_deinit(x509);
        why_set(why, WHY_OURS, "4.3.5", "no key could be made: %s", gnutls_strerror(rc));
        return NULL;
    }
    return from_x509(x509, "the new key", why);
}

struct sign_key *sign_key_ref(struct sign_key *key)
{
    atomic_fetch_add(&key->refs, 1);
    return key;
}

void sign_key_unref(struct sign_key *key)
{
    if (!key || atomic_fetch_sub(&key->refs, 1) > 1)
        return;
    if (key->privkey)
        gnutls_privkey_deinit(key->privkey);
    rsa_free(key->rsa);
    gnutls_x509_privkey_deinit(key->x509);
    free(key);
}

static int key_write_all(int fd, const unsigned char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0)
            return -1;
        p += done;
        n -= (size_t)done;
    }
    return fsync(fd);
}

int sign_key_save(const struct sign_key *key, const char *file, struct why *why)
{
    gnutls_datum_t pem = {NULL, 0};
    int rc = gnutls_x509_privkey_export2_pkcs8(key->x509, GNUTLS_X509_FMT_PEM, NULL,
                                               GNUTLS_PKCS_PLAIN, &pem);
    if (rc < 0)
        return why_set(why, WHY_OURS, "4.3.5", "the key cannot be written: %s",
                       gnutls_strerror(rc));
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = fd < 0 || key_write_all(fd, pem.data, pem.size) < 0 ? errno : 0;
    if (fd >= 0 && close(fd) < 0 && !error)
        error = errno;
    if (fd >= 0 && error)
        unlink(file);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    return error ? why_set(why, WHY_OURS, "4.3.5", "key file %s: %s", file, strerror(error)) : 0;
}

enum key_type sign_key_type(const struct sign_key *key)
{
    return key->type;
}

unsigned sign_key_bits(const struct sign_key *key)
{
    return key->bits;
}

const char *sign_key_algorithm(const struct sign_key *key)
{
    return key->type == KEY_RSA ? "rsa-sha256" : "ed25519-sha256";
}

// RSA as SubjectPublicKeyInfo, Ed25519 as its 32 raw bytes (RFC 8463 section 4).
int sign_key_record(const struct sign_key *key, struct buf *out)
{
    gnutls_datum_t bytes = {NULL, 0};
    int rc;
    if (key->type == KEY_RSA) {
        gnutls_pubkey_t pubkey;
        rc = gnutls_pubkey_init(&pubkey);
        assert(rc == 0);
        gnutls_privkey_t plain;
        rc = gnutls_privkey_init(&plain);
        assert(rc == 0);
        rc = gnutls_privkey_import_x509(plain, key->x509, 0);
        rc = rc < 0 ? rc : gnutls_pubkey_import_privkey(pubkey, plain, 0, 0);
        rc = rc < 0 ? rc : gnutls_pubkey_export2(pubkey, GNUTLS_X509_FMT_DER, &bytes);
        gnutls_privkey_deinit(plain);
        gnutls_pubkey_deinit(pubkey);
    } else {
        gnutls_ecc_curve_t curve;
        rc = gnutls_x509_privkey_export_ecc_raw(key->x509, &curve, &bytes, NULL, NULL);
    }
    assert(rc == 0); // a key that was loaded has a public half
    buf_addf(out, "v=DKIM1; k=%s; p=", key->type == KEY_RSA ? "rsa" : "ed25519");
    rc = base64_encode(bytes.data, bytes.size, out);
    gnutls_free(bytes.data);
    return rc;
}

static int as_text(const void *signature, size_t n, struct buf *out, struct why *why)
{
    if (base64_encode(signature, n, out) == 0)
        return 0;
    return why_set(why, WHY_OURS, "4.3.5", "the signature has no room");
}

// Ed25519 signs the SHA-256 digest as its message (RFC 8463 section 3).
static int sign_ed25519(const struct sign_key *key, unsigned char digest[static 32],
                        struct buf *out, struct why *why)
{
    gnutls_datum_t message = {digest, 32}, signature = {NULL, 0};
    int rc =
        gnutls_privkey_sign_data2(key->privkey, GNUTLS_SIGN_EDDSA_ED25519, 0, &message, &signature);
    if (rc < 0)
        return why_set(why, WHY_OURS, "4.3.5", "signing failed: %s", gnutls_strerror(rc));
    rc = as_text(signature.data, signature.size, out, why);
    gnutls_free(signature.data);
    return rc;
}

int sign_key_sign(const struct sign_key *key, const void *data, size_t n, struct buf *out,
                  struct why *why)
{
    unsigned char digest[32], signature[RSA_SIGNATURE];
    size_t length;
    int rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, data, n, digest);
    assert(rc == 0);
    if (key->type == KEY_ED25519)
        return sign_ed25519(key, digest, out, why);
    if (rsa_sign(key->rsa, digest, signature, &length) < 0)
        return why_set(why, WHY_OURS, "4.3.5", "signing failed: libcrypto made no signature");
    return as_text(signature, length, out, why);
}
