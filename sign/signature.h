// SPDX-License-Identifier: ISC
// What DKIM-Signature, ARC-Message-Signature and ARC-Seal have in common: a field of tags, a key in the
// DNS, a signature over other fields and over itself with b= empty (RFC 6376 sections 3.5 to 3.7).
//
// The first reason against a signature decides it: `result` is AUTH_NONE until then, and never changes
// again. Parsing decides the malformed ones; verification the rest.
#ifndef SIGN_SIGNATURE_H
#define SIGN_SIGNATURE_H

#include "dns/facts.h"
#include "sign/canon.h"
#include "sign/header.h"
#include "sign/key.h"
#include "sign/result.h"
#include "sign/tags.h"

struct signature {
    const struct field *field;
    struct tags tags; // spans of the field
    enum key_type type;
    char domain[256];          // d=, lower case
    char selector[256];        // s=
    char identity[256];        // domain of i=, or d=
    struct buf b;              // the signature, decoded
    int64_t time;              // t=; -1: none
    enum canon header_canon;   // of a signature over a message:
    enum canon body_canon;     //
    uint64_t limit;            // l=; CANON_NO_LIMIT: none
    unsigned char bh[32];      //
    struct span signed_fields; // h=
    enum auth_result result;
    unsigned bits; // of the key that held; 0: none did
    char reason[256];
};

// Reads a=, b=, d=, s=, t= of any such field; false when that decided it. signature_free in any case.
bool signature_read(struct signature *s, const struct field *field);
// Reads c=, bh=, h=, l= of one over a message, which has to cover From.
bool signature_read_message(struct signature *s);
void signature_free(struct signature *s);

// Decides, unless it is decided. Returns false, so that `return signature_decide(...)` reads well.
bool signature_decide(struct signature *s, enum auth_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool signature_decided(const struct signature *s);

// Registers the body hash it needs. False: there is no room for another combination.
bool signature_want(const struct signature *s, struct body_hashes *hashes);
// Decides against it when the body is another one.
void signature_check_body(struct signature *s, const struct body_hashes *hashes);

// The key's answer; NULL: wanted now.
const struct dns_answer *signature_key(const struct signature *s, struct facts *facts);
// Adds the own field with b= empty and without its line end.
int signature_own(const struct signature *s, enum canon canon, struct buf *data);
// Looks at the key records and verifies over data: decides. Call when signature_key has an answer.
void signature_check(struct signature *s, const struct dns_answer *key, struct span data,
                     unsigned min_rsa_bits);
// The same for a signature over a message.
void signature_check_message(struct signature *s, const struct header *header,
                             const struct dns_answer *key, unsigned min_rsa_bits);

// A domain name or selector as tags carry it: labels of letters, digits, "-" and "_". Lower-case copy.
bool signature_name(struct span text, char out[static 256]);
// The same for what others wrote: U-labels become A-labels (RFC 8616 section 4).
bool signature_domain(struct span text, char out[static 256]);

#endif
