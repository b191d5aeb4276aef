// SPDX-License-Identifier: ISC
// The client's side of PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, for logging in to next hops. With SCRAM
// the host has to prove in the end that it knows the password too: SASL_DONE comes only then.
#ifndef RELAY_SASL_CLIENT_H
#define RELAY_SASL_CLIENT_H

#include "relay/sasl/sasl.h"

// More iterations than that are not computed for a host (about 70 ms of the thread that asks).
#define SASL_CLIENT_ITERATIONS 50000

// `binding`: of the TLS session beneath (tls_session_binding), with -PLUS alone; else NULL. User and password are
// copied, and wiped by sasl_free. NULL with why: the library has no memory.
struct sasl *sasl_client(enum sasl_mechanism mechanism, const char *user, const char *password,
                         const unsigned char *binding, struct why *why);

#endif
