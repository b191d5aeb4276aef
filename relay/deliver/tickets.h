// SPDX-License-Identifier: ISC
// TLS session tickets that next hops gave, and what each stands for. One store a relay, behind a mutex: bounded by
// number and by bytes, the oldest goes. A ticket of TLS 1.3 is handed out once (RFC 8446 appendix C.4): many servers
// take each once only, so several are kept for a key, as many as connections open side by side. One of TLS 1.2
// serves until a newer one comes. Whoever hands one to a host under an equal key demands what it stands for.
#ifndef RELAY_DELIVER_TICKETS_H
#define RELAY_DELIVER_TICKETS_H

#include "relay/base/buf.h"
#include "tls/verify.h"

#define TICKET_LIFE_MS 3600000  // from the handshake that proved it, whatever else the ticket says
#define TICKETS_ALIKE  32       // of one key
#define TICKETS        10000    // of the relay
#define TICKETS_BYTES  33554432 // of the relay: the peer's chain is part of each

// A keyed digest of all that a proof stands for (pool_key).
struct pool_key {
    unsigned char digest[16];
};

// What a session ticket stands for: it travels with the connection that offers the ticket.
struct ticket_proof {
    bool given; // a ticket was offered at all
    enum tls_proof proof;
    int64_t not_after_s; // end of the certificate that proved it; 0: not known
    uint64_t expires_ms; // clock_mono_ms(): it proves nothing after
};
bool ticket_still_proves(const struct ticket_proof *proof); // now

struct relay;
struct tickets;
struct tickets *
tickets_join(struct relay *relay); // made by the first that joins, gone with the last
void tickets_leave(struct tickets *t, struct relay *relay);

// Takes the data over. `again`: it may be handed out more than once (TLS 1.2).
void tickets_keep(struct tickets *t, const struct pool_key *key, struct buf *data, bool again,
                  const struct ticket_proof *stands_for);
// The newest that still proves something, into data, which the caller frees; false: none.
bool tickets_take(struct tickets *t, const struct pool_key *key, struct buf *data,
                  struct ticket_proof *stands_for);
void tickets_drop(struct tickets *t, const struct pool_key *key); // one of them did not serve
void tickets_forget(struct tickets *t); // all: rules, trust or credentials may have changed

#endif
