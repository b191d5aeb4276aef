// SPDX-License-Identifier: ISC
// GnuTLS's objects, for tls/session.c and tls/creds.c alone.
#ifndef TLS_PRIORITY_INTERNAL_H
#define TLS_PRIORITY_INTERNAL_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include "tls/priority.h"

// Owned by p; GnuTLS counts the sessions that were given it, which may outlive p. `lax`: for TLS_SESSION_LAX.
gnutls_priority_t priority_for(const struct priority *p, bool lax);

#endif
