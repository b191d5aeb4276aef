// SPDX-License-Identifier: ISC
// A worker's outbound connections: the idle ones kept for reuse, how many are open to whom, which addresses
// do not answer; the door to the relay's session tickets (tickets.h). What was proved on a connection counts for its key only: address, port,
// name, demand, trust, source address and credentials (ARCHITECTURE.md, What a connection must prove).
#ifndef RELAY_DELIVER_POOL_H
#define RELAY_DELIVER_POOL_H

#include "relay/base/list.h"
#include "relay/worker/relay.h"
#include "relay/route/route.h"
#include "relay/smtp/reply.h"
#include "relay/net/stream.h"
#include "relay/deliver/tickets.h"
#include "tls/shown.h"

#define POOL_LIFE_MS     300000 // a connection serves no longer than this
#define POOL_QUIET_HOSTS 10000  // addresses remembered although nothing is open to them

struct pool;
struct pool_host; // one address

struct seen; // relay/deliver/seen.h
// How a connection ended that several sessions shared.
enum flight_end {
    FLIGHT_GOOD,   // it did not
    FLIGHT_CLOSED, // the host took leave with 421: what was not answered before was not accepted
    FLIGHT_SILENT, // an answer did not come in time
    FLIGHT_ASTRAY, // the answers are out of step
    FLIGHT_LOST
};
// What becomes of a session that shared it. FIRST: the connection is its own. BACK: that is gone, and nothing of it
// was accepted. DOUBT: gone, and its whole message was out.
enum flight_news { FLIGHT_FIRST, FLIGHT_BACK, FLIGHT_DOUBT };

struct connection {
    struct list list; // among the idle of its pool
    struct list same; // among the idle with its key
    struct list site; // among the idle of its lane
    struct pool *pool;
    struct pool_host *to;
    size_t *site_idle; // the lane's count of idle connections
    struct pool_key key;
    struct stream *stream;
    struct smtp_reply reply; // kept, so that its buffers are
    struct smtp_extensions ext;
    char host[256], ip[64];
    char protocol[16], cipher[64]; // "" without TLS
    enum tls_proof proof;
    struct why *would;   // enforcing would have refused it; NULL: it would not. Owned
    struct shown *shown; // by its handshake; a reference. NULL: there was none
    int64_t not_after_s; // end of the peer's certificate, 0 unknown
    bool resumed;
    uint64_t said[3];            // digests of the last answers to MAIL, RCPT and a message
    bool dirty;                  // a transaction was left unfinished: RSET comes first
    struct ticket_proof offered; // with the ticket that this connection offered its host
    unsigned messages;           // sent over it
    unsigned mails;              // MAIL commands (LIMITS MAILMAX, RFC 9422)
    struct list flight;          // sessions that share it, the one that hears the answers first
    enum flight_end end;
    char silent[160]; // with FLIGHT_SILENT: the sentence
    struct why *gone; // the peer has hung up, and what it said before is being read; owned
    uint64_t opened_ms, used_ms; // clock_mono_ms()
    struct seen *seen;           // for traces; NULL: none are kept
};

struct pool *pool_new(struct worker *worker, void (*freed)(void *arg), void *arg);
void pool_reload(struct pool *pool); // the worker has another setup: idle ones with old settings go
void pool_free(struct pool *pool);   // nothing is open

// A keyed digest of all that a proof on this connection stands for.
struct pool_key pool_key(const struct pool *pool, const struct route_host *host,
                         const struct sockaddr *to, const struct sockaddr *from);

// May a connection to this address be opened now? The relay's connections count, not this worker's. FULL: `freed`
// comes when another worker's has ended. BACKOFF fills why (the failure that is remembered).
enum pool_gate { POOL_YES, POOL_FULL, POOL_BACKOFF };
enum pool_gate pool_gate(struct pool *pool, const struct sockaddr *to, struct why *why);
bool pool_has_room(struct pool *pool); // below delivery.connections.total

// A connection about to be opened; counted until connection_close. NULL: the address, or the relay, has its full number
// after all.
struct connection *connection_open(struct pool *pool, const struct sockaddr *to);
void connection_close(struct connection *c, bool now); // closes its stream; frees it; accepts NULL
void connection_failed(struct connection *c, const struct why *why); // did not answer
void connection_worked(struct connection *c);

bool connection_spent(const struct connection *c); // the host takes no further MAIL on it

// An idle one with an equal key, taken out of the pool; NULL: none.
struct connection *pool_take(struct pool *pool, const struct pool_key *key);
// Keeps it until it is taken, its peer speaks or ends, or its time is up. Closed at once when it has served enough.
void pool_give(struct pool *pool, struct connection *c, struct list *site, size_t *site_idle);
void pool_shut(struct pool *pool); // from now on nothing idles
bool pool_has_idle(const struct pool *pool);
bool pool_evict(struct pool *pool); // closes the idle one that is idle longest
bool pool_evict_at(struct pool *pool, const struct sockaddr *to); // of those to this address
void pool_close_idle(struct connection *c);

// A ticket for this key, which is nobody else's now; the caller frees data. False: none.
bool pool_ticket(struct pool *pool, const struct pool_key *key, struct buf *data,
                 struct ticket_proof *stands_for);
void pool_drop_tickets(struct pool *pool, const struct pool_key *key); // one did not serve
// Keeps the tickets that came on this connection since it was asked last, with the proof that it gave.
void pool_keep_tickets(struct pool *pool, struct connection *c);

#endif
