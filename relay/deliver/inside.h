// SPDX-License-Identifier: ISC
// The inside of an outbound session, shared by relay/deliver/*.c alone.
#ifndef RELAY_DELIVER_INSIDE_H
#define RELAY_DELIVER_INSIDE_H

#include "relay/deliver/session.h"
#include "relay/deliver/outcome.h"
#include "relay/deliver/refusal.h"

// The moments of a session, in the order one lives them.
enum moment {
    AT_LOAD,
    AT_ADDRESS,
    AT_CONNECT,
    AT_GREETING,
    AT_EHLO,
    AT_HELO,
    AT_STARTTLS,
    AT_SECURE,
    AT_TOKEN,
    AT_AUTH,
    AT_MAIL,
    AT_RCPT,
    AT_DATA,
    AT_BODY,
    AT_FINAL,
    AT_RSET,
    AT_END,
    STAY // not a moment: the session waits where it is
};

struct deliver {
    struct deliver_order order;
    struct list deliveries;
    struct message *message;
    struct content *content;
    struct route *route; // of the first delivery
    const struct config *config;
    enum moment at;
    bool over; // done has been told; freed when the event at hand is through

    // Where it stands among the hosts.
    size_t host, address;
    unsigned tries;    // connections opened
    unsigned lacks;    // hosts that answered and lack what the message needs
    unsigned troubles; // hosts that failed otherwise
    bool full;         // an address was passed over for its number of connections
    bool no_pool;      // a pooled connection was dead: open one
    bool clear;        // TLS failed at this address and the demand allows clear text
    bool lax;          // TLS failed at this address and need not prove anything: with less care
    bool no_ticket;    // a session ticket did not serve: whole handshakes from now on
    struct why why;    // of the last host that failed

    // The present connection.
    struct connection *c;
    struct pool_key key;
    bool reused, spoke; // taken from the pool; has answered since
    bool counted;       // its fact is in the ledger
    unsigned auth_step;
    char *secret; // password or token, while it logs in
    struct deliver_token *token;

    // The present transaction.
    struct delivery_rcpt **rcpts; // all recipients of all deliveries
    size_t nrcpts;
    size_t *batch; // indexes into rcpts
    size_t nbatch, batch_max;
    size_t written, answered; // commands and replies of the envelope: MAIL, RCPT ..., DATA
    size_t taken, again;
    bool mail_taken, bdat, early; // early: the body followed its envelope unasked
    bool complete, reading;       // complete: the final reply was 250, nothing to reset
    struct why mail_why;
    struct buf out;
    struct content_load *load;
    struct content_reader *reader;
    struct content_stuffer stuffer;
    uint64_t body_out;  // bytes of the message handed to the stream
    uint64_t body_left; // bytes of a large body still to be read
    struct attempt attempt;
};

// relay/deliver/session.c
void deliver_go(struct deliver *d, enum moment next);
// From a callback that is not the stream's: goes on, or leaves this host for why.
void deliver_continue(struct deliver *d, enum moment next, const struct why *why);
void deliver_rebind(struct deliver *d); // a pooled connection's events come to this session
void deliver_command(struct deliver *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline struct route_host *deliver_host(const struct deliver *d)
{
    return &d->route->hosts[d->host];
}
// Closes the connection and goes on to the next address. `lacking`: the host answered and lacks something.
enum moment deliver_next(struct deliver *d, const struct why *why, bool lacking);
enum moment deliver_quit_next(struct deliver *d, const struct why *why); // politely
// A reply that ends this host.
enum moment deliver_refused(struct deliver *d, enum outcome_moment moment);
const char *deliver_helo(const struct deliver *d);

// relay/deliver/host.c
enum moment deliver_choose(struct deliver *d); // AT_ADDRESS
const struct sockaddr *deliver_source(const struct deliver *d, const struct sockaddr *to,
                                      const char **helo);
void deliver_describe(struct deliver *d); // fills the attempt from the connection

// relay/deliver/tls.c
enum moment deliver_ehlo_heard(struct deliver *d);
enum moment deliver_starttls(struct deliver *d);
enum moment deliver_starttls_heard(struct deliver *d);
enum moment deliver_secure(struct deliver *d);
enum moment deliver_secured(struct deliver *d);
enum moment deliver_tls_failed(struct deliver *d, struct why *why, bool answered);
// Nothing is demanded of the present host, and no password will have to pass.
bool deliver_clear_allowed(const struct deliver *d);

// relay/deliver/auth.c
bool deliver_must_auth(const struct deliver *d);
enum moment deliver_auth_begin(struct deliver *d); // what comes before MAIL
enum moment deliver_token(struct deliver *d);
enum moment deliver_auth(struct deliver *d);
enum moment deliver_auth_heard(struct deliver *d);
void deliver_auth_forget(struct deliver *d);

// relay/deliver/envelope.c and relay/deliver/data.c
enum moment deliver_mail(struct deliver *d);
enum moment deliver_mail_heard(struct deliver *d);
enum moment deliver_rcpt_heard(struct deliver *d);
enum moment deliver_data_heard(struct deliver *d);
enum moment deliver_body(struct deliver *d);
enum moment deliver_body_heard(struct deliver *d);
enum moment deliver_final_heard(struct deliver *d);
enum moment deliver_rset_heard(struct deliver *d);
enum moment deliver_transaction_over(struct deliver *d);
void deliver_body_go_on(struct deliver *d);
void deliver_begin_body(struct deliver *d); // writes it, or starts reading it
void deliver_write_envelope(struct deliver *d);
// Every recipient without an answer goes back to open (another host will be asked).
void deliver_reopen(struct deliver *d);
void deliver_refuse_rest(struct deliver *d, const struct why *why); // open and taken ones alike
int deliver_fits(const struct deliver *d, struct why *why); // extensions against the message

// relay/deliver/record.c: log and ledger
void deliver_record_session(struct deliver *d);
void deliver_record_success(struct deliver *d);
void deliver_record_tls(struct deliver *d, const struct why *why, bool refused);
void deliver_record_skipped(struct deliver *d, const struct route_host *host,
                            const struct why *why);
void deliver_record_learn(struct deliver *d);

#endif
