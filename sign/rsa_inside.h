// SPDX-License-Identifier: ISC
// RSA signatures by libcrypto, four to five times as fast as those of GnuTLS. For sign/key.c alone.
//
// One object that threads share means a lock around its blinding, and each signature would look its algorithm up anew.
// So a key has signers, each with an object and a prepared context of its own, used by one thread at a time: a key that
// signs a lot gets one for each thread, any other makes do with one.
#ifndef SIGN_RSA_INSIDE_H
#define SIGN_RSA_INSIDE_H

#include <gnutls/x509.h>
#include "relay/base/maxima.h"

#define RSA_SIGNATURE (MAX_KEY_BITS / 8) // bytes of the largest

struct rsa;

// A copy of the private key. NULL: libcrypto does not take it.
struct rsa *rsa_new(gnutls_x509_privkey_t x509);
// When no thread signs any more. NULL is accepted.
void rsa_free(struct rsa *rsa);
// PKCS #1 v1.5 with SHA-256 (RFC 8017 section 8.2.1), from any thread. 0 and the bytes in `n`, or -1.
int rsa_sign(struct rsa *rsa, const unsigned char digest[static 32],
             unsigned char out[static RSA_SIGNATURE], size_t *n);

#endif
