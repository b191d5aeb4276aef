// SPDX-License-Identifier: ISC
// The client protocol of Dovecot's auth service, a line at a time: words parted by tabs. Pure.
#ifndef RELAY_LOGIN_DOVECOT_TEXT_H
#define RELAY_LOGIN_DOVECOT_TEXT_H

#include "relay/base/buf.h"
#include "relay/sasl/sasl.h"
#include "relay/sasl/words.h"

#define DOVECOT_LINE   16384 // bytes of one line, more than a message of SASL takes
#define DOVECOT_MAJOR  1     // version of the protocol
#define DOVECOT_REASON 160

enum dovecot_word {
    DOVECOT_OTHER, // nothing that we need
    DOVECOT_VERSION,
    DOVECOT_MECH,
    DOVECOT_DONE,
    DOVECOT_OK,
    DOVECOT_FAIL,
    DOVECOT_CONT
};
struct dovecot_line {
    enum dovecot_word word;
    uint32_t number;               // VERSION: the major; OK, FAIL, CONT: which request
    enum sasl_mechanism mechanism; // MECH; SASL_MECHANISMS: none that we know
    char user[SASL_NAME + 1];      // OK: as Dovecot calls it; ""
    bool later;                    // FAIL: it could not be found out
    char reason[DOVECOT_REASON];   // FAIL: for the log; ""
    struct span message;           // CONT: base64; points into the line
};
// -1: a line that breaks the protocol.
int dovecot_parse(struct span line, struct dovecot_line *out);

struct dovecot_request {
    enum sasl_mechanism mechanism;
    const char *client, *local; // addresses as text; ""
    struct span message;        // the client's first
};
void dovecot_write_hello(uint32_t client_id, struct buf *out);
void dovecot_write_auth(uint32_t id, const struct dovecot_request *request, struct buf *out);
void dovecot_write_cont(uint32_t id, struct span message, struct buf *out);
void dovecot_write_cancel(uint32_t id, struct buf *out);

#endif
