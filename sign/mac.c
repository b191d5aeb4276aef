// SPDX-License-Identifier: ISC
// HMAC by GnuTLS (RFC 2104).
#include "sign/mac.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

void mac_of(const void *key, size_t nkey, const void *bytes, size_t n,
            unsigned char out[static MAC_BYTES])
{
    int rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, nkey, bytes, n, out);
    assert(rc == 0);
    (void)rc;
}

void mac_sha1_of(const void *key, size_t nkey, const void *bytes, size_t n,
                 unsigned char out[static MAC_SHA1_BYTES])
{
    int rc = gnutls_hmac_fast(GNUTLS_MAC_SHA1, key, nkey, bytes, n, out);
    assert(rc == 0);
    (void)rc;
}
