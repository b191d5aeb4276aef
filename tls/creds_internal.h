// SPDX-License-Identifier: ISC
// What tls/session.c needs of the relay's own certificates, and nobody else: GnuTLS's objects.
#ifndef TLS_CREDS_INTERNAL_H
#define TLS_CREDS_INTERNAL_H

#include <gnutls/gnutls.h>
#include "tls/creds.h"

// Owned by creds; shared by all sessions. The name is what the client asked for, "" where it did not.
gnutls_certificate_credentials_t creds_for_name(const struct creds *creds, const char *sni);
gnutls_priority_t creds_priority(const struct creds *creds);
const gnutls_datum_t *creds_ticket_key(const struct creds *creds); // NULL: tickets are off

#endif
