// SPDX-License-Identifier: ISC
// The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677; tls-exporter, RFC 9266). The verifier of
// a name is asked for once, when the client has said it, and kept until the end: what changes meanwhile is for the
// caller to look at.
#ifndef RELAY_SASL_SERVER_H
#define RELAY_SASL_SERVER_H

#include "relay/sasl/sasl.h"
#include "relay/sasl/verifier.h"

// Fills the verifier of `name`; where there is none, a decoy, so that the dialogue goes on as with any other.
typedef void sasl_find_fn(void *arg, const char *name, struct verifier *out);

// `binding`: of the TLS session beneath (tls_session_binding), given wherever it exists and -PLUS is offered, so that
// a client which was told otherwise by somebody in the middle is noticed; NULL: there is none, and -PLUS is not
// offered. NULL with why: the library has no memory.
struct sasl *sasl_server(enum sasl_mechanism mechanism, const unsigned char *binding,
                         sasl_find_fn *find, void *arg, struct why *why);
// Who the client says it is; "" before its first message, and valid until sasl_free.
const char *sasl_server_name(const struct sasl *sasl);

// The name in a client's first message (RFC 5802 section 7), unescaped; an authzid must be that name. Pure. -1 with
// why: no such message. `out` has room for `size` bytes with NUL.
int sasl_first_name(struct span message, char *out, size_t size, struct why *why);

#endif
