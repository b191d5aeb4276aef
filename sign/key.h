// SPDX-License-Identifier: ISC
// Signing keys: RSA and Ed25519 private keys from PEM files, told apart by the file. RSA arithmetic is
// done by libcrypto behind the GnuTLS key object (it is four times faster). Immutable and counted;
// signing is safe from several threads at once.
#ifndef SIGN_KEY_H
#define SIGN_KEY_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

struct sign_key;
#define KEY_MIN_RSA_BITS 1024 // RFC 8301 section 3.2
enum key_type { KEY_RSA, KEY_ED25519 };

// NULL with why: unreadable, not a private key, RSA under 1024 bits, other algorithm.
struct sign_key *sign_key_load(const char *file, struct why *why);
// The same from the text of such a file; `what` names it.
struct sign_key *sign_key_read(struct span pem, const char *what, struct why *why);
struct sign_key *sign_key_new(enum key_type type, unsigned bits, struct why *why);
struct sign_key *sign_key_ref(struct sign_key *key);
void sign_key_unref(struct sign_key *key); // accepts NULL
int sign_key_save(const struct sign_key *key, const char *file,
                  struct why *why); // mode 0600, must not exist
enum key_type sign_key_type(const struct sign_key *key);
unsigned sign_key_bits(const struct sign_key *key);
const char *sign_key_algorithm(const struct sign_key *key); // "rsa-sha256", "ed25519-sha256"
// The TXT record to publish: "v=DKIM1; k=rsa; p=…".
int sign_key_record(const struct sign_key *key, struct buf *out);
// Signs SHA-256 of data (DKIM, RFC 6376 3.3.2, RFC 8463 section 3); base64 without line breaks to out.
int sign_key_sign(const struct sign_key *key, const void *data, size_t n, struct buf *out,
                  struct why *why);

#endif
