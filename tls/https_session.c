// SPDX-License-Identifier: ISC
// Takes curl's GnuTLS session and holds it against WebPKI (RFC 8461 section 3.3).
#include "tls/https_session.h"

#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include "relay/base/maxima.h"
#include "tls/arithmetic.h"
#include "tls/certificate.h"

// NULL: none, or none of GnuTLS.
static gnutls_session_t session_of(CURL *easy)
{
    struct curl_tlssessioninfo *info = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info ||
        info->backend != CURLSSLBACKEND_GNUTLS)
        return NULL;
    return info->internals;
}

static int https_session_hook(gnutls_session_t session, unsigned type, unsigned when,
                              unsigned incoming, const gnutls_datum_t *message)
{
    (void)when;
    return incoming && arithmetic_refuses(session, type, message, false)
               ? GNUTLS_E_CERTIFICATE_ERROR
               : 0;
}

bool https_session_guard(void *easy)
{
    gnutls_session_t session = session_of(easy);
    if (session)
        gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
                                           https_session_hook);
    return session != NULL;
}

int https_session_verify(void *easy, const char *host, struct trust *trust, struct why *why)
{
    gnutls_session_t session = session_of(easy);
    struct span chain[MAX_CHAIN];
    unsigned n = 0;
    if (!session || !trust)
        return why_say(why, CERTIFICATE_UNVERIFIED,
                       session ? "there is no trust store to hold it against"
                               : "the TLS session cannot be looked into");
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &n);
    size_t count = list ? n < MAX_CHAIN ? n : MAX_CHAIN : 0;
    for (size_t i = 0; i < count; i++)
        chain[i] = span_of(list[i].data, list[i].size);
    return verify_webpki(chain, count, &host, 1, trust, why);
}

int64_t https_session_ends(void *easy)
{
    gnutls_session_t session = session_of(easy);
    unsigned n = 0;
    const gnutls_datum_t *list = session ? gnutls_certificate_get_peers(session, &n) : NULL;
    gnutls_x509_crt_t leaf =
        list && n ? certificate_read(span_of(list[0].data, list[0].size)) : NULL;
    if (!leaf)
        return 0;
    int64_t ends = gnutls_x509_crt_get_expiration_time(leaf);
    gnutls_x509_crt_deinit(leaf);
    return ends > 0 ? ends : 0;
}
