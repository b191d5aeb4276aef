// SPDX-License-Identifier: ISC
// The inside of an outbound session, shared by relay/deliver/*.c alone.
//
// A session runs on its worker's thread and owns its deliveries until it hands them back with `done`.
//
// A session is at one row of the table in session.c at a time. It has at most one connection (struct deliver_link),
// and on it at most one transaction (struct deliver_transaction). deliver_drop ends a connection and whatever
// transaction is on it; deliver_transaction_end ends a transaction alone; each resets its struct. What
// outlives a connection (which host is next, what was tried, the last failure) is in struct deliver. Handlers return
// the next state; session.c alone changes it.
//
// Files, each calling only those before it: trace.c (the story of the message), record.c (log and ledger), lesson.c (what replies say about the flow),
// flight.c (who shares the connection), race.c (two addresses at once), step.c (say a command, leave a host, give a recipient its answer),
// transaction.c (begin, doubt and end a transaction), auth.c (what comes before MAIL; it asks tls.c whether clear text
// is allowed), tls.c (EHLO, STARTTLS, the proof), data.c (the replies to DATA and BDAT, the body), envelope.c (MAIL,
// RCPT, DATA), host.c (the next host), loss.c (a lost connection, 421), session.c (the table; the stream's events).
#ifndef RELAY_DELIVER_INSIDE_H
#define RELAY_DELIVER_INSIDE_H

#include "relay/deliver/session.h"
#include "relay/deliver/outcome.h"
#include "relay/deliver/seen.h"
#include "relay/deliver/refusal.h"
#include "relay/deliver/secret.h"
#include "relay/deliver/state_inside.h"
#include "relay/oauth/tokens.h"
#include "relay/sasl/client.h"

struct verdict { // a reason and the attempt it belongs to
    struct why why;
    struct attempt *attempt;
};

// How far a login has come.
enum deliver_login {
    LOGIN_UNTOLD,
    LOGIN_UNDERWAY, // a dialogue goes on
    LOGIN_TOLD,     // all is said: a token, or the last word of a dialogue that has proved the host
    LOGIN_OWNED_UP  // the host's reason against a token was acknowledged
};

struct deliver_link {     // what belongs to the present connection
    struct connection *c; // NULL: none
    struct pool_key key;
    bool pooled;           // was idle before: its peer may be gone
    unsigned replies;      // heard by this session
    unsigned begun;        // transactions of this session
    bool counted, testing; // its fact is in the ledger; what failed is only a testing policy's wish
    char *secret;          // password or token, while it logs in
    struct sasl *sasl;     // the dialogue; NULL: a token is told, or nothing yet
    enum deliver_login logging_in;
    struct secret_command *token; // a command under way
    struct token_request *asked;  // for a token
};

// How a message is handed over. PREFIX: by BDAT, to a host that has not proved yet that it takes one.
enum deliver_way { WAY_DATA, WAY_BDAT, WAY_PREFIX };

// What belongs to the present transaction.
struct deliver_transaction {
    size_t nbatch; // recipients: indexes in deliver.batch; 0: there is no transaction
    enum deliver_way way;
    size_t written, answered; // commands and replies of the envelope: MAIL, RCPT ..., DATA
    size_t taken, again;      // recipients accepted; and those that belong into another transaction
    bool suspect;             // an answer may have been an earlier command's
    bool behind;              // it began while other messages' answers were awaited
    bool sender_told;         // MAIL was answered with 2.1.x
    bool sender_named;        // and the answer has the sender's address in it
    bool leaving;             // the last reply was a 421, to a recipient
    struct verdict refused;   // set: MAIL was refused
    struct attempt *final;    // of a success that awaits its confirmation
    struct content_reader *reader;
    struct content_stuffer stuffer;
    uint64_t body_out;  // bytes of the message handed to the stream
    uint64_t body_left; // bytes of a large body still to be read
};

struct deliver {
    struct deliver_order order;
    struct list deliveries;
    struct message *message;
    struct content *content;
    struct content_load *load;
    struct route *route; // of the first delivery
    const struct config *config;
    enum deliver_state state;
    struct list flight; // its place among those that share its connection
    bool sent_back; // it shared a connection that ended before it was its turn: as if never begun

    size_t host, address;
    size_t untried;      // the address to go on with behind one tried out of turn; 0: the next
    uint64_t raced;      // addresses of the host that were tried out of turn, a bit each
    unsigned tries;      // connections opened
    unsigned lacks;      // hosts that answered and lack what the message needs
    unsigned troubles;   // hosts that failed otherwise
    unsigned busy;       // addresses passed over for their number of connections
    bool clear;          // TLS failed at this address and the demand allows clear text
    bool lax;            // TLS failed at this address and need not prove anything: with less care
    struct why strict;   // lax: how it failed
    bool no_ticket;      // a session ticket did not serve: whole handshakes from now on
    struct verdict last; // of the last host that failed
    struct deliver_met met; // for whoever shapes the flow
    const char *probes;     // the hop that this session tries for all; NULL: none
    uint64_t began_ms;      // clock_mono_ms() of the present host's first address
    bool unfit;             // the present host failed before it was told anything of the mail

    struct delivery_rcpt **rcpts; // all recipients of all deliveries
    size_t nrcpts;
    size_t *batch;   // indexes into rcpts
    uint64_t *heard; // digests of the transaction's replies but the last
    size_t batch_max;
    struct buf out;    // the envelope being written
    struct race *race; // while it connects (relay/deliver/race.c); NULL: none
    struct deliver_link link;
    struct deliver_transaction trans;
    struct deliver_trace trace;
    stream_fn *on_event; // session.c's, as is the next: what became of it behind others
    void (*on_flight)(struct deliver *d, enum flight_news news, const struct why *why);
    // Goes on from a callback that is not the stream's, or leaves this host for why.
    void (*resume)(struct deliver *d, enum deliver_state next, const struct why *why);
};

static inline struct route_host *deliver_host(const struct deliver *d)
{
    return &d->route->hosts[d->host];
}

#endif
