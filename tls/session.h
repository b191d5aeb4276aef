// SPDX-License-Identifier: ISC
// One TLS session over memory: bytes in, bytes out, never a socket (GnuTLS with our own push and pull).
// Server or client. Says what was negotiated; whether that is good enough is tls/verify.h's business.
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include "relay/base/buf.h"
#include "relay/base/why.h"
#include "tls/creds.h"
#include "tls/priority.h"

#define TLS_SESSION_BUFFER 262144 // bytes of ciphertext or clear text held at most in one direction

struct tls_session;

// Server side: certificate by SNI from creds. Keeps a reference.
struct tls_session *tls_session_server(struct creds *creds);
// The same, which asks the client for a certificate and goes on without one. No tickets: each session has to show it.
struct tls_session *tls_session_server_asking(struct creds *creds);

// How much a handshake looks at what the server shows. Nothing that is only good for a proof may cost the
// encryption where nobody demands a proof.
enum tls_session_care {
    TLS_SESSION_PROOF, // the certificate has to prove something
    TLS_SESSION_ANY,   // any certificate will do, also one whose key is too large for a proof
    TLS_SESSION_LAX // that failed: no name, no extras, violations of the protocol borne where they can be
};

struct tls_session_client {
    const char *sni;      // NULL: none sent (address literals)
    const char *tls_min;  // "1.2", "1.3", "1.0"
    const char *priority; // GnuTLS priority string, "" or NULL: our own
    struct priority
        *parsed; // the two above, parsed before for many sessions; NULL: they are, for this one
    enum tls_session_care care;
    bool keep_tickets;  // tls_session_ticket will ask for what the server gives
    const void *ticket; // resumption data of an earlier session under an equal key; NULL: none
    size_t ticket_bytes;
    struct creds *identity; // shown where the server asks for a certificate; NULL: none
};
// Never verifies by itself; no renegotiation; no 0-RTT. NULL with why: priority string not accepted.
struct tls_session *tls_session_client(const struct tls_session_client *how, struct why *why);
void tls_session_free(struct tls_session *ch); // accepts NULL

// Moves the session on: consumes all of `in` (ciphertext from the peer; may be empty), appends what is to
// be sent to `out` and clear text received to `plain` (NULL during a handshake one waits for).
enum tls_session_state {
    TLS_SESSION_HANDSHAKE,
    TLS_SESSION_OPEN,
    TLS_SESSION_CLOSED,
    TLS_SESSION_FAILED
};
enum tls_session_state tls_session_step(struct tls_session *ch, struct buf *in, struct buf *plain,
                                        struct buf *out, struct why *why);
// Encrypts all n bytes to out. Only when TLS_SESSION_OPEN.
int tls_session_send(struct tls_session *ch, const void *bytes, size_t n, struct buf *out,
                     struct why *why);
void tls_session_bye(struct tls_session *ch, struct buf *out); // close_notify

struct tls_session_info {
    const char *protocol; // "TLSv1.3"
    const char *cipher;   // "TLS_AES_256_GCM_SHA384" or GnuTLS's suite name
    const char *
        group; // of the key exchange: "X25519", "SECP256R1", "FFDHE2048", "DH"; "": it has none (RSA)
    bool resumed;
    const struct span
        *chain;    // DER certificates of the peer as sent, leaf first; owned by the TLS session
    size_t nchain; // at most MAX_CHAIN, the surplus is cut; 0 where resumed or where none was sent
    size_t
        nearlier; // where resumed, how many `chain` has of the session that it goes on with; they prove nothing
    size_t ncut;     // how many were cut
    const char *sni; // server side: what the client asked for, or ""
};
// Valid when TLS_SESSION_OPEN or later, until tls_session_free.
const struct tls_session_info *tls_session_info(struct tls_session *ch);
// The tls-exporter channel binding (RFC 9266), the same on both sides of this very connection; false: TLS 1.2 and
// older have none that is safe (section 4.2).
#define TLS_BINDING 32
bool tls_session_binding(struct tls_session *ch, unsigned char out[static TLS_BINDING]);
// Resumption data of this client session that was not asked for before, into out, which the caller frees; false: none
// (under TLS 1.3 they come with or before the first application data). At most TLS_SESSION_TICKETS of one session are
// kept. `again`: it may be offered more than once (TLS 1.2), not once only (RFC 8446 appendix C.4).
#define TLS_SESSION_TICKETS 4
bool tls_session_ticket(struct tls_session *ch, struct buf *out, bool *again);

#endif
