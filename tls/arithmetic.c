// SPDX-License-Identifier: ISC
// Looks at the server's key before GnuTLS computes with it.
#include "tls/arithmetic.h"

#include "relay/base/maxima.h"
#include "tls/certificate.h"

static bool leaf_too_large(gnutls_session_t session, bool any)
{
    unsigned n = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &n);
    if (!list || n == 0)
        return false;
    return !certificate_bearable(span_of(list[0].data, list[0].size), any);
}

const char *arithmetic_refuses(gnutls_session_t session, unsigned type,
                               const gnutls_datum_t *message, bool any)
{
    if (type == GNUTLS_HANDSHAKE_SERVER_KEY_EXCHANGE) {
        gnutls_kx_algorithm_t kx = gnutls_kx_get(session);
        bool dh = kx == GNUTLS_KX_DHE_RSA || kx == GNUTLS_KX_DHE_DSS || kx == GNUTLS_KX_ANON_DH;
        if (dh && message->size >= 2 &&
            (size_t)(message->data[0] << 8 | message->data[1]) > MAX_KEY_BITS / 8)
            return "the server's Diffie-Hellman prime is larger than 8192 bits";
    }
    if ((type == GNUTLS_HANDSHAKE_SERVER_KEY_EXCHANGE ||
         type == GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY ||
         type == GNUTLS_HANDSHAKE_SERVER_HELLO_DONE) &&
        leaf_too_large(session, any))
        return any ? "the server's certificate is not one, or its key is larger than 16384 bits"
                   : "the server's certificate is not one, or its key is larger than 8192 bits";
    return NULL;
}
