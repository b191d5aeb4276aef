// SPDX-License-Identifier: ISC
// Logins proved by Dovecot's auth service over its client socket, and so by whatever stands behind it: LDAP, SQL, PAM.
// One connection a worker, on that worker's loop; it is made when it is there, and again when it breaks.
//
// A call ends with one answer that is not CONT, or with its cancel. A first message that was lost with the connection
// is asked once more; what was further is LATER, since nobody knows what came of it.
#ifndef RELAY_LOGIN_DOVECOT_H
#define RELAY_LOGIN_DOVECOT_H

#include <uv.h>
#include "relay/login/dovecot_text.h"
#include "relay/worker/limits.h"

#define DOVECOT_CONNECT_MS                                                                         \
    5000                     // for a connection and its greeting; so long a call waits to be asked
#define DOVECOT_RETRY_MS 500 // between attempts

struct dovecot;
struct dovecot_call;

// Begins to connect to the socket at once.
struct dovecot *dovecot_open(uv_loop_t *loop, struct limits *limits, const char *path,
                             uint64_t timeout_ms);
// Calls that are left end with LATER inside, but those whose client has to speak: they end when it has. Handles close on the loop afterwards. Accepts NULL.
void dovecot_close(struct dovecot *dovecot);
const char *dovecot_path(const struct dovecot *dovecot);
// The service offered it when it last greeted; before it first did, PLAIN alone.
bool dovecot_offers(const struct dovecot *dovecot, enum sasl_mechanism mechanism);

enum dovecot_answer { DOVECOT_PROVED, DOVECOT_WRONG, DOVECOT_LATER, DOVECOT_MORE };
struct dovecot_said {
    enum dovecot_answer answer;
    const char *user;    // PROVED: as Dovecot calls it, or NULL
    const char *reason;  // WRONG, LATER: for the log
    struct span message; // MORE: for the client; then dovecot_go_on
};
// Never inside a call that the caller makes, dovecot_close apart.
typedef void dovecot_fn(const struct dovecot_said *said, void *arg);
// The request is copied. NULL: the relay has LIMITS_ASKED calls under way.
struct dovecot_call *dovecot_begin(struct dovecot *dovecot, const struct dovecot_request *request,
                                   dovecot_fn *fn, void *arg);
// After MORE. False: nothing can come of it any more (LATER), and the call is gone.
bool dovecot_go_on(struct dovecot_call *call, struct span message);
void dovecot_cancel(struct dovecot_call *call); // no answer comes any more; accepts NULL

#endif
