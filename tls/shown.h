// SPDX-License-Identifier: ISC
// What a finished handshake showed: protocol, cipher, group, and the peer's certificates, kept beyond the TLS
// session that saw them. For those who tell later what was there (traces, what is known of a host); it proves
// nothing and judges nothing (tls/verify.h, tls/proof.h).
//
// Making one costs a copy of the certificates and one digest, so that a delivery can afford it; reading a
// certificate is left to whoever wants to tell of it, on his own thread.
//
//     struct shown *shown = shown_of(tls_session_info(session));
//     struct shown_certificate leaf;
//     if (shown->nchain)
//         shown_certificate(shown, 0, &leaf);
//     shown_unref(shown);
//
// The chain is hostile. Certificates beyond MAX_CHAIN, and from the first one on that would pass SHOWN_BYTES
// together, are counted and not kept. Names come out in the form of RFC 4514, as UTF-8 without control
// characters, marks that turn the direction of writing, or line separators (these become \xHH, byte by byte),
// and cut at SHOWN_NAME: safe on a terminal, in a log line and in JSON; a page still has to escape its HTML.
#ifndef TLS_SHOWN_H
#define TLS_SHOWN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "relay/base/maxima.h"
#include "relay/base/span.h"
#include "tls/session.h"

#define SHOWN_BYTES  65536 // bytes of certificates kept of one handshake
#define SHOWN_NAME   256   // bytes of a name with its NUL; what is longer is cut and ends in "..."
#define SHOWN_DIGEST 32    // SHA-256

// Immutable once made; counted, and safe to share between threads.
struct shown {
    atomic_uint refs;
    char protocol[16]; // "TLSv1.3"
    char cipher[64];   // "TLS_AES_256_GCM_SHA384", "ECDHE_RSA_AES_256_GCM_SHA384"
    char group[32];    // "X25519"; "": the key exchange has none
    bool resumed;  // no certificate was shown: those kept are of the session that it goes on with
    size_t nchain; // certificates kept, leaf first
    size_t ncut;   // shown besides, and not kept
    unsigned char digest
        [SHOWN_DIGEST]; // of all kept certificates in their order: the same chain, the same digest
    struct span chain[MAX_CHAIN]; // DER, in this allocation
    unsigned char der[];
};

// A reference for the caller. `info` of an open session (tls/session.h); nothing of it is kept.
struct shown *shown_of(const struct tls_session_info *info);
struct shown *shown_ref(struct shown *shown); // accepts NULL
void shown_unref(struct shown *shown);        // accepts NULL

struct shown_certificate {
    bool
        readable; // false: not a certificate, or one with a key too large to look at; the names are "" and times 0
    char subject[SHOWN_NAME]; // "CN=mx.example.org"; "" where it is empty
    char issuer[SHOWN_NAME];
    char name[SHOWN_NAME];                   // the first dNSName; "": it has none
    size_t nnames;                           // how many there are (SHOWN_NAMES at most are counted)
    int64_t not_before_s, not_after_s;       // Unix seconds; 0 where they cannot be read
    unsigned char fingerprint[SHOWN_DIGEST]; // SHA-256 of the certificate
    unsigned char key
        [SHOWN_DIGEST]; // SHA-256 of its SubjectPublicKeyInfo, as in "3 1 1" TLSA records and pins
    bool has_key;       // `key` is filled
};
#define SHOWN_NAMES 1000

// Reads the i-th certificate (i < nchain). Costs some tens of microseconds.
void shown_certificate(const struct shown *shown, size_t i, struct shown_certificate *out);
// The same for bytes of another origin.
void shown_read(struct span der, struct shown_certificate *out);
// Lower-case hexadecimal digits of a digest, and NUL.
#define SHOWN_HEX (2 * SHOWN_DIGEST + 1)
const char *shown_hex(const unsigned char digest[static SHOWN_DIGEST], char out[static SHOWN_HEX]);

#endif
