// SPDX-License-Identifier: ISC
// An MX host for unit tests: threads that speak SMTP on 127.0.0.1, obey a script, and remember everything.
//
//     struct mx *mx = mx_start("PIPELINING\nSIZE 1000");
//     mx_on(mx, "rcpt", "550 5.1.1 no such user");   always
//     mx_next(mx, "dot", "451 4.3.0 later");         once, then as usual
//
// Steps: connect ehlo helo starttls auth mail rcpt data dot chunk (BDAT) bdat (its LAST) rset quit; bdat? answers
// a BDAT without reading its chunk. A reply may have several lines (LF between them); MX_CLOSE closes
// instead, MX_SILENT says nothing.
#ifndef TESTS_UNIT_FAKEMX_H
#define TESTS_UNIT_FAKEMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MX_CLOSE  "!close"
#define MX_SILENT "!silent"
#define MX_WAIT   "!wait" // a line of a reply: what follows comes later

struct cert;
struct mx;
struct mx_message {
    char mail[512];      // the MAIL line, as it came
    char rcpts[16][512]; // the RCPT lines that were accepted
    size_t nrcpts;
    char *data; // unstuffed
    size_t n, room;
    bool tls, bdat;
};

struct mx *mx_start(const char *extensions); // one keyword a line
void mx_stop(struct mx *mx);                 // and frees it
// Offers STARTTLS with this certificate, from `issuer` (sent too unless it is NULL); `implicit`: at once.
void mx_tls(struct mx *mx, const struct cert *leaf, const struct cert *issuer, bool implicit);
void mx_tls_chain(struct mx *mx, const struct cert *const *chain, size_t n, bool implicit);
void mx_on(struct mx *mx, const char *step, const char *reply);
void mx_next(struct mx *mx, const char *step, const char *reply);
void mx_extensions(struct mx *mx, const char *extensions);
// From the next connection on, of 100 replies so many are wrong, late, doubled, split or missing.
void mx_chaos(struct mx *mx, uint64_t seed, unsigned percent);
// The n-th reply from now on (1 the next) is followed by `more` (NULL: it is left out), in the place of it where that
// begins with '=': "=421 bye". A message whose answer is no 2xx is not kept;
// behind "=421" the connection ends.
void mx_strike(struct mx *mx, unsigned n, const char *more);
void mx_stays(struct mx *mx);  // after a 421, too
void mx_nests(struct mx *mx);  // MAIL within a transaction is refused, and that one goes on
void mx_slow(struct mx *mx);   // answers to messages take a while
bool mx_struck(struct mx *mx); // it has come to that
// Each connection ends when the host has said so many bytes in it (under TLS, where there is TLS).
void mx_cut(struct mx *mx, size_t after);
size_t mx_said(struct mx *mx);         // bytes, in all
void mx_hang_up(struct mx *mx);        // closes all connections now
void mx_knows_no_names(struct mx *mx); // a handshake that names the server ends in an alert
// TLS handshakes wait, once the client has spoken, until the hold is over; mx_holds: one waits now.
void mx_hold(struct mx *mx, bool hold);
bool mx_holds(struct mx *mx);

uint16_t mx_port(const struct mx *mx);
unsigned mx_connections(struct mx *mx); // so far
unsigned mx_clear_mails(struct mx *mx); // MAIL commands that came without TLS
unsigned mx_resumed(struct mx *mx);     // TLS sessions resumed
size_t mx_count(struct mx *mx);         // messages whose final reply was 2xx
// The i-th of them; valid until mx_stop.
const struct mx_message *mx_message(struct mx *mx, size_t i);
bool mx_heard(struct mx *mx, const char *text);     // in a command line, any connection
unsigned mx_lines(struct mx *mx, const char *verb); // command lines that begin so

#endif
