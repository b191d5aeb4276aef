// SPDX-License-Identifier: ISC
// What a TLS server may cost a client before anything is verified: nothing in GnuTLS bounds an RSA modulus or
// a Diffie-Hellman prime from above, and one of 60 kB would hold the thread for minutes. For every client
// session, our own (tls/session.c) and curl's (tls/https_session.c).
#ifndef TLS_ARITHMETIC_H
#define TLS_ARITHMETIC_H

#include <gnutls/gnutls.h>
#include <stdbool.h>

// For a handshake hook that runs ahead of each message that comes in: NULL, or why the handshake must end.
// `any`: where nothing is to be proved, keys as large as other TLS libraries bear are borne.
const char *arithmetic_refuses(gnutls_session_t session, unsigned type,
                               const gnutls_datum_t *message, bool any);

#endif
