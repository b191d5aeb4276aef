// SPDX-License-Identifier: ISC
// One TLS session over memory: bytes in, bytes out, never a socket (GnuTLS with our own push and pull).
// Server or client. Says what was negotiated; whether that is good enough is tls/verify.h's business.
#ifndef TLS_CHANNEL_H
#define TLS_CHANNEL_H

#include "relay/base/buf.h"
#include "relay/base/why.h"
#include "tls/creds.h"

#define CHANNEL_BUFFER 262144 // bytes of ciphertext or clear text held at most in one direction

struct channel;

// Server side: certificate by SNI from creds. Keeps a reference.
struct channel *channel_server(struct creds *creds);

struct channel_client {
    const char *sni;      // NULL: none sent (address literals)
    const char *tls_min;  // "1.2", "1.3", "1.0"
    const char *priority; // GnuTLS priority string, "" or NULL: our own
    const void *ticket;   // resumption data of an earlier session under an equal key; NULL: none
    size_t ticket_bytes;
};
// Never verifies by itself; no renegotiation; no 0-RTT. NULL with why: priority string not accepted.
struct channel *channel_client(const struct channel_client *how, struct why *why);
void channel_free(struct channel *ch); // accepts NULL

// Moves the session on: consumes all of `in` (ciphertext from the peer; may be empty), appends what is to
// be sent to `out` and clear text received to `plain` (NULL during a handshake one waits for).
enum channel_state { CHANNEL_HANDSHAKE, CHANNEL_OPEN, CHANNEL_CLOSED, CHANNEL_FAILED };
enum channel_state channel_step(struct channel *ch, struct buf *in, struct buf *plain,
                                struct buf *out, struct why *why);
// Encrypts all n bytes to out. Only when CHANNEL_OPEN.
int channel_send(struct channel *ch, const void *bytes, size_t n, struct buf *out, struct why *why);
void channel_bye(struct channel *ch, struct buf *out); // close_notify

struct channel_facts {
    const char *protocol; // "TLSv1.3"
    const char *cipher;   // "TLS_AES_256_GCM_SHA384" or GnuTLS's suite name
    bool resumed;
    const struct span
        *chain;      // DER certificates of the peer as sent, leaf first; owned by the channel
    size_t nchain;   // at most MAX_CHAIN; 0 on a resumed session or where none was sent
    const char *sni; // server side: what the client asked for, or ""
};
// Valid when CHANNEL_OPEN or later, until channel_free.
const struct channel_facts *channel_facts(struct channel *ch);
// Resumption data of this client session (after some application data under TLS 1.3); false: none.
bool channel_ticket(struct channel *ch, struct buf *out);

#endif
