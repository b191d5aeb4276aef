// SPDX-License-Identifier: ISC
// The inside of relay/submit/: the session, its states, its mover. The room owns the inbound connections of a
// worker, on that worker's thread.
//
// - submit_go (mover.c) alone changes the state. A handler returns the next one, or SUBMIT_WAIT for more bytes.
// - What belongs to the transaction goes with submit_end_transaction; what belongs to the session is forgotten
//   when STARTTLS is through.
// - A session is freed when it is GONE and nothing is pending: a hash, a file, the spool.
// - 250 to a message is said after the spool has answered, and by nobody else.
#ifndef RELAY_SUBMIT_INSIDE_H
#define RELAY_SUBMIT_INSIDE_H

#include "relay/ingest/ingest.h"
#include "relay/log/log.h"
#include "relay/ingest/receive.h"
#include "relay/milter/milter.h"
#include "relay/smtp/command.h"
#include "relay/submit/login.h"
#include "relay/submit/session.h"

#define SUBMIT_CLIENT 80 // bytes of an address as logged

// In the order a session lives them.
enum submit_state {
    SUBMIT_PROXY,       // the PROXY header is due
    SUBMIT_HANDSHAKE,   // TLS
    SUBMIT_GREETING,    // a moment of silence: who speaks now is no mail client
    SUBMIT_CONNECTED,   // EHLO is due
    SUBMIT_READY,       // EHLO was said
    SUBMIT_CREDENTIALS, // an answer to AUTH is due
    SUBMIT_PROVING,     // a password is being hashed
    SUBMIT_ENVELOPE,    // MAIL was said
    SUBMIT_ADDRESSED,   // a recipient was accepted, or more
    SUBMIT_DATA,        // message bytes
    SUBMIT_CHUNK,       // message bytes of one BDAT
    SUBMIT_CHUNKED,     // between two BDAT
    SUBMIT_WRITING,     // body bytes go to their file
    SUBMIT_JUDGING,     // DNS facts are being looked up
    SUBMIT_FILING,      // the body's file is being finished
    SUBMIT_FILTERING,   // filters have it
    SUBMIT_COMMITTING,  // the spool has it
    SUBMIT_TELLING,     // it goes to nobody: its events go to disk
    SUBMIT_OVERLONG,    // the rest of a line that is too long
    SUBMIT_GONE,        // closed; freed when nothing is pending
    SUBMIT_WAIT         // no state: the handler needs more bytes
};

struct submit;
typedef enum submit_state submit_step_fn(struct submit *s);

// What a state is: session.c has one a state, in a table. Which commands it takes: the table in line.c.
struct submit_row {
    const char *name;
    void (*enter)(struct submit *s);
    submit_step_fn *input;   // NULL: the session is not read
    submit_step_fn *timeout; // NULL: 421; in HANDSHAKE just the end
    uint64_t ms;             // 0: no deadline of its own
};

struct submit {
    struct list list;              // of host->sessions
    const struct submit_row *rows; // by state
    struct submit_host *host;
    struct setup *setup; // reference
    const struct cfg_listen *listen;
    struct stream *stream; // NULL in GONE
    enum submit_state state;
    size_t used;       // bytes of the input that this turn has used
    unsigned pending;  // answers that will come: hash, file, spool
    uint64_t began_ms; // when the connection was taken
    uint64_t armed_ms; // when the deadline was last set
    bool ended;        // the peer has ended its side

    struct sockaddr_storage client;
    char client_text[SUBMIT_CLIENT]; // "[192.0.2.1]"
    bool counted;                    // among its client's connections
    bool bannable;                   // neither trusted network nor proxy
    unsigned commands, bad;          // since the last message
    size_t skipped;                  // bytes of a line that is too long

    bool esmtp; // facts of the session, forgotten at STARTTLS
    char helo[MAX_DOMAIN + 1];
    char tls[96];              // "TLSv1.3 TLS_AES_256_GCM_SHA384", "" in clear
    char *user;                // authenticated; NULL
    enum submit_source source; // of `user`
    enum sasl_mechanism mechanism;
    struct submit_login login;
    struct submit_failed failed;
    struct smtp_forward forward;  // XFORWARD, of the transaction
    struct smtp_forward original; // XCLIENT, of the session

    struct principal principal; // of the transaction
    struct message *message;    // facts of the transaction
    struct strings dropped;     // its recipients that are suppressed and not refused
    struct receive *receive;
    struct ingest *ingest;
    struct milter_run *filters;
    uint64_t expected;          // SIZE=
    uint64_t heard_ns, ends_ms; // its last byte, clock_mono_ns(); its deadline, clock_mono_ms()
    uint64_t chunk_left;
    bool chunk_last, chunk_void; // void: a chunk outside a transaction, swallowed
    struct spool_write write;
};
// mover.c
void submit_go(struct submit *s, enum submit_state state); // the one mover
void submit_turn(struct submit *s);                        // works off the input
void submit_release(struct submit *s); // frees one that is GONE and awaits nothing
// An answer came for a session: pending falls, and a GONE session may go. False: it is GONE.
bool submit_answered(struct submit *s);
void submit_count_login(struct submit *s, enum login_count what, uint64_t n); // for metrics
void submit_reply(struct submit *s, int code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void submit_ask_whom(const struct submit *s, char *out, size_t n); // "admin@example.org"
void submit_reply_why(struct submit *s, const struct why *why);
// 421 (or another code) and the end of the connection; returns SUBMIT_GONE for handlers.
enum submit_state submit_leave(struct submit *s, int code, const char *status, const char *text);
void submit_set_client(struct submit *s, const struct sockaddr *address);
struct span submit_input(struct submit *s); // what is not used yet
bool submit_secure(const struct submit *s);
bool submit_local(const struct submit *s);             // over a Unix socket: a user of this machine
void submit_end_transaction(struct submit *s);         // forgets message and XFORWARD
enum submit_state submit_idle(const struct submit *s); // between transactions
void submit_log_refuse(struct submit *s, const char *to, const struct why *why);

// line.c
enum submit_state submit_read_command(struct submit *s);
enum submit_state submit_read_credentials(struct submit *s);
enum submit_state submit_skip_line(struct submit *s);

// Handlers of commands; they return the next state.
typedef enum submit_state submit_command_fn(struct submit *s, struct span args);
submit_command_fn submit_ehlo, submit_helo, submit_starttls; // hello.c
submit_command_fn submit_auth;                               // auth.c
submit_command_fn submit_mail, submit_rcpt, submit_rset;     // envelope.c
submit_command_fn submit_xforward, submit_xclient;           // forward.c
submit_command_fn submit_data, submit_bdat;                  // data.c

// hello.c: the beginning of a connection.
enum submit_state submit_read_proxy(struct submit *s);
enum submit_state submit_read_early(struct submit *s);
enum submit_state submit_begin(struct submit *s); // limits, bans, TLS or silence
void submit_start_tls(struct submit *s);
enum submit_state submit_banner(struct submit *s);
enum submit_state submit_secured(struct submit *s);
// forward.c: what the principal may say of the original client; NULL: nothing was said.
const struct smtp_forward *submit_original(struct submit *s);

#endif
