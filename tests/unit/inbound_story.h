// SPDX-License-Identifier: ISC
// A relay for the tests of the inbound side: a worker with a real server on loopback, a real
// configuration, certificate, users and keys, DNS from an answer file; the spool and the queue are
// replaced by a shelf that shows what was stored. Everything runs on the test's own thread, turn by
// turn.
#ifndef TESTS_UNIT_INBOUND_STORY_H
#define TESTS_UNIT_INBOUND_STORY_H

#include "relay/worker/relay.h"
#include "relay/submit/server.h"

// What "secret" and "geheim" are to users app, postfix and other.
struct story {
    struct relay relay;
    struct worker worker;
    struct server *server;
    struct setup *setup;
    unsigned ports[4]; // one a listener
    bool stopped, gone;
    uv_timer_t tick;
};

// The shelf.
struct shelf {
    struct message **stored; // references, in order
    size_t nstored, nqueued;
    bool no_room;      // spool_room says no
    bool fail_store;   // spool_store refuses
    bool fail_large;   // writes of large bodies fail
    bool hold;         // spool_store does not answer until shelf_answer
    size_t large_open; // large files that exist
    size_t large_writes;
    char *large; // the bytes of the last one
    size_t large_bytes;
};
extern struct shelf shelf;
bool shelf_waits(void); // spool_store was called and not answered
void shelf_answer(void);

// `yaml` is appended to a configuration that names the files; NULL: story_yaml.
extern const char story_yaml[];
void story_begin(struct story *s, const char *yaml);
// Makes another setup of the same files and hands it to the server, as a reload does.
void story_reload(struct story *s, const char *yaml);
void story_write_users(const char *text);
void story_stop(struct story *s); // server_stop; story->gone when it is done
void story_end(struct story *s);
void story_turn(struct story *s); // the loop, once; waits for what comes, a few ms at most

// The last message: what would be sent (prefix, header without what is left out, body),
// NUL-terminated. Caller frees.
char *story_sent(void);
void story_sent_has(const char *text); // fails unless it stands there
void story_sent_lacks(const char *text);
const struct message *story_last(void);

// A client. Connects to listener i; from 127.0.0.`from` (0: 127.0.0.1).
struct client;
struct client *client_open(struct story *s, unsigned listener, unsigned from);
void client_close(struct client *c); // accepts NULL
void client_send(struct client *c, const char *text);
void client_send_bytes(struct client *c, const void *bytes, size_t n);
// One whole reply, lines joined as they came; "" when the server closed instead. Valid until the
// next.
const char *client_reply(struct client *c);
// Fails the test unless the next reply begins with `start`.
void client_expect(struct client *c, const char *start);
void client_say(struct client *c, const char *line, const char *start); // line + CRLF, then expect
void client_closed(struct client *c);                                   // fails unless EOF comes
void client_tls(struct client *c);                                      // handshake
// EHLO, STARTTLS, EHLO, AUTH PLAIN.
void client_login(struct client *c, const char *user, const char *password);
void client_auth(struct client *c, const char *user, const char *password, const char *start);
// MAIL, RCPT, DATA, message, dot; expects the last reply to begin with `start`.
void client_mail(struct client *c, const char *from, const char *message, const char *start);

#endif
