// SPDX-License-Identifier: ISC
// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677): salt, iterations, StoredKey
// and ServerKey. Whoever reads them can check a password, and guess at it, but cannot log in with them. As text it is
//
//     SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY        (base64; RFC 5803)
//
// which is also what PostgreSQL and Dovecot's tools write, so that verifiers can be carried over.
#ifndef RELAY_SASL_VERIFIER_H
#define RELAY_SASL_VERIFIER_H

#include <stdint.h>
#include "relay/base/buf.h"
#include "relay/base/why.h"

#define VERIFIER_KEY        32      // bytes of SHA-256
#define VERIFIER_SALT       64      // bytes, the longest salt
#define VERIFIER_TEXT       256     // bytes with NUL, any verifier as text
#define VERIFIER_ITERATIONS 15000   // of new ones: what RFC 7677 section 4 works out
#define VERIFIER_LEAST      4096    // RFC 7677 section 4
#define VERIFIER_MOST       1000000 // 1.4 s of one core, where a password is checked

struct verifier {
    uint32_t iterations;
    size_t nsalt;
    unsigned char salt[VERIFIER_SALT];
    unsigned char stored_key[VERIFIER_KEY], server_key[VERIFIER_KEY];
};

bool verifier_is(const char *text); // begins like one
// Pure. -1: not one, or one outside of the limits above.
int verifier_parse(struct span text, struct verifier *out);
void verifier_print(const struct verifier *verifier, char out[static VERIFIER_TEXT]);
// Blocking: 1.4 ms a 1,000 iterations. -1: a password that SASLprep (RFC 4013) forbids.
int verifier_make(const char *password, uint32_t iterations, struct verifier *out, struct why *why);
bool verifier_check(const struct verifier *verifier, const char *password);
// What a name without a verifier is shown: a salt that follows from the name and the secret, the same each time, and
// keys that no password has.
void verifier_decoy(const unsigned char *secret, size_t nsecret, const char *name,
                    uint32_t iterations, struct verifier *out);

#endif
