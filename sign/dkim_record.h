// SPDX-License-Identifier: ISC
// DKIM key records (RFC 6376 section 3.6.1, RFC 8463 section 4): the TXT text as a value, and the public
// key in it. The same records serve ARC.
#ifndef SIGN_DKIM_RECORD_H
#define SIGN_DKIM_RECORD_H

#include <stdbool.h>
#include "relay/base/buf.h"
#include "sign/key.h"

#define MAX_RECORD_TEXT 16384 // bytes of one TXT record

struct dkim_record {
    enum key_type type;
    bool testing;     // t=y: says nothing to a verifier (RFC 6376 section 3.6.1), shown to people
    bool same_domain; // t=s: the domain of i= must be d= itself
    struct buf key;   // p=, decoded: SubjectPublicKeyInfo or PKCS#1 for RSA, 32 bytes for Ed25519
};

// 0, or -1 with one clause in `reason` that says why the record is of no use: no DKIM1 record, revoked,
// not for mail, not for sha256, unknown key type, broken p=.
int dkim_record_parse(struct span text, struct dkim_record *out, char reason[static 128]);
void dkim_record_free(struct dkim_record *record); // accepts one that failed to parse

// The key ready to verify with.
struct verify_key;
// NULL with reason: not such a key, RSA under 1024 or over MAX_KEY_BITS bits, or with an exponent that is
// there to waste time.
struct verify_key *verify_key_new(const struct dkim_record *record, char reason[static 128]);
void verify_key_free(struct verify_key *key); // accepts NULL
unsigned verify_key_bits(const struct verify_key *key);
// Does the signature hold for SHA-256 of data?
bool verify_key_holds(const struct verify_key *key, struct span data, struct span signature);

#endif
