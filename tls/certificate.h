// SPDX-License-Identifier: ISC
// Hostile certificates: reading, limits, dates, names and the path to an anchor. For tls/verify.c and
// tls/dane.c, which say what is proved, and tls/session.c, which only asks for the limits.
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include <gnutls/x509.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

// One certificate of at most MAX_CERTIFICATE bytes whose key costs no hostile amount of arithmetic (at most
// MAX_KEY_BITS, an RSA exponent of at most 64 bits). NULL: not one.
gnutls_x509_crt_t certificate_read(struct span der);
// Arithmetic with its key costs no hostile amount of time. `any`: where it proves nothing, and the sizes
// are those that other TLS libraries bear.
bool certificate_bearable(struct span der, bool any);
// The limits on the key alone; also for a bare key.
bool certificate_key_fits(gnutls_pubkey_t key);
// A chain, leaf first, into list[MAX_CHAIN]; free them with certificate_chain_free. *nchain becomes the number
// read: what comes behind the tenth, or behind one that cannot be read, is cut. -1: not even the leaf.
int certificate_chain_read(const struct span *chain, size_t *nchain, gnutls_x509_crt_t *list,
                           struct why *why);
void certificate_chain_free(gnutls_x509_crt_t *list, size_t n);

// The leaf carries one of the names as a dNSName. `cn`: or as its common name, where it has no subject
// alternative name at all; for DANE-TA alone (RFC 7672 section 3.2.3, but RFC 8461 sections 3.3 and 4.2).
bool certificate_named(gnutls_x509_crt_t leaf, const char *const *names, size_t nnames, bool cn);
// The same; on -1 certificate-host-mismatch.
int certificate_check_name(gnutls_x509_crt_t leaf, const char *const *names, size_t nnames, bool cn,
                           struct why *why);
// It carries "dns:…", "email:…" or "uri:…" as a subject alternative name, in any case of letters, and no wildcard.
bool certificate_has_alternative(gnutls_x509_crt_t leaf, struct span name);
// Now is between the certificate's dates; on -1 certificate-expired, or validation-failure before.
int certificate_check_dates(gnutls_x509_crt_t certificate, struct why *why);
// The leaf leads to an anchor of the list, through the chain as it stands now, for a purpose of GnuTLS's
// (GNUTLS_KP_TLS_WWW_SERVER, …_CLIENT).
int certificate_check_path(gnutls_x509_trust_list_t anchors, gnutls_x509_crt_t *chain, size_t n,
                           const char *purpose, struct why *why);

#endif
