// SPDX-License-Identifier: ISC
// A login under way, as a session holds it; what is done with it is auth_inside.h's.
#ifndef RELAY_SUBMIT_LOGIN_H
#define RELAY_SUBMIT_LOGIN_H

#include "relay/login/prove.h"
#include "relay/sasl/sasl.h"
#include "relay/sasl/words.h"

// Who proved a login that stands.
enum submit_source { SOURCE_FILE, SOURCE_BACKEND, SOURCE_CERTIFICATE };

struct submit_login {
    enum sasl_mechanism mechanism;
    struct sasl_words words;   // the user of every mechanism; NULL: not known yet
    struct sasl *scram;        // NULL: another mechanism
    char *verifier;            // what the users file had of that user when SCRAM began; NULL: none
    bool shown;                // SCRAM: the client has proved itself and been shown our proof
    struct auth_job *job;      // a password is being proved; NULL
    struct dovecot_call *call; // SCRAM that Dovecot does; NULL
    bool asked;                // `call` owes an answer
};
void submit_login_forget(
    struct submit_login *login); // wipes and empties it; nothing is being proved
// The session is gone, and nobody wants to know. True: an answer that was awaited does not come any more.
bool submit_login_abandon(struct submit_login *login);

// Whose login failed last, and with which mechanisms, a bit each.
struct submit_failed {
    char *user; // NULL: nobody's
    unsigned mechanisms;
};
// An application that was refused with one mechanism tries the next: for one user in one connection that is one
// failure, until a mechanism comes twice. True: this is a failure of its own.
bool submit_failed_anew(struct submit_failed *failed, const struct submit_login *login);
void submit_failed_free(struct submit_failed *failed);

#endif
