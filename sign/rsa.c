// SPDX-License-Identifier: ISC
// The signers of one RSA key.
#include "sign/rsa_inside.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

#define BUSY 64 // signatures after which a key gets a signer for each thread that asks

struct signer {
    struct signer *next;
    pthread_t thread; // for which it was made: its blinding needs no lock there
    EVP_PKEY *key;
    EVP_PKEY_CTX *ctx;
};

struct rsa {
    pthread_mutex_t lock;
    EVP_PKEY *key;
    struct signer *idle; // those that sign right now are in no list
    unsigned made, signatures;
};

static void signer_free(struct signer *s)
{
    EVP_PKEY_CTX_free(s->ctx);
    EVP_PKEY_free(s->key);
    free(s);
}

// The first one works on the key as it was read, others on a copy. NULL: libcrypto has no memory.
static struct signer *signer_new(struct rsa *rsa)
{
    struct signer *s = mem_new(sizeof *s);
    s->thread = pthread_self();
    pthread_mutex_lock(&rsa->lock);
    if (rsa->made++ == 0 && EVP_PKEY_up_ref(rsa->key))
        s->key = rsa->key;
    else
        s->key = EVP_PKEY_dup(rsa->key);
    pthread_mutex_unlock(&rsa->lock);
    s->ctx = s->key ? EVP_PKEY_CTX_new(s->key, NULL) : NULL;
    if (s->ctx && EVP_PKEY_sign_init(s->ctx) > 0 &&
        EVP_PKEY_CTX_set_rsa_padding(s->ctx, RSA_PKCS1_PADDING) > 0)
        return s;
    signer_free(s);
    return NULL;
}

// This thread's own, or of a key that signs little any that is idle.
static struct signer *signer_take(struct rsa *rsa)
{
    struct signer **at, *s;
    pthread_t me = pthread_self();
    pthread_mutex_lock(&rsa->lock);
    bool busy = rsa->signatures++ >= BUSY;
    for (at = &rsa->idle; *at && !pthread_equal((*at)->thread, me); at = &(*at)->next)
        ;
    if (!*at && !busy)
        at = &rsa->idle;
    s = *at;
    if (s)
        *at = s->next;
    pthread_mutex_unlock(&rsa->lock);
    return s ? s : signer_new(rsa);
}

static void signer_give(struct rsa *rsa, struct signer *s)
{
    pthread_mutex_lock(&rsa->lock);
    s->next = rsa->idle;
    rsa->idle = s;
    pthread_mutex_unlock(&rsa->lock);
}

int rsa_sign(struct rsa *rsa, const unsigned char digest[static 32],
             unsigned char out[static RSA_SIGNATURE], size_t *n)
{
    // DigestInfo with SHA-256 (RFC 8017 section 9.2, note 1), and room for the digest.
    unsigned char info[51] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                              0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    struct signer *s = signer_take(rsa);
    if (!s)
        return -1;
    memcpy(info + sizeof info - 32, digest, 32);
    *n = RSA_SIGNATURE;
    int rc = EVP_PKEY_sign(s->ctx, out, n, info, sizeof info);
    signer_give(rsa, s);
    return rc > 0 ? 0 : -1;
}

void rsa_free(struct rsa *rsa)
{
    if (!rsa)
        return;
    for (struct signer *s = rsa->idle, *next; s; s = next) {
        next = s->next;
        signer_free(s);
    }
    EVP_PKEY_free(rsa->key);
    pthread_mutex_destroy(&rsa->lock);
    free(rsa);
}

struct rsa *rsa_new(gnutls_x509_privkey_t x509)
{
    gnutls_datum_t der = {NULL, 0};
    if (gnutls_x509_privkey_export2(x509, GNUTLS_X509_FMT_DER, &der) < 0)
        return NULL;
    const unsigned char *p = der.data;
    EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &p, (long)der.size);
    gnutls_memset(der.data, 0, der.size);
    gnutls_free(der.data);
    if (!key)
        return NULL;
    struct rsa *rsa = mem_new(sizeof *rsa);
    pthread_mutex_init(&rsa->lock, NULL);
    rsa->key = key;
    return rsa;
}
