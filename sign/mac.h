// SPDX-License-Identifier: ISC
// A keyed digest of secrets (HMAC-SHA-256): what is compared or kept instead of them. HMAC-SHA-1 is for what others
// have agreed on (SRS); no weakness of SHA-1 is known that touches it.
#ifndef SIGN_MAC_H
#define SIGN_MAC_H

#include <stddef.h>

#define MAC_BYTES 32

void mac_of(const void *key, size_t nkey, const void *bytes, size_t n,
            unsigned char out[static MAC_BYTES]);

#define MAC_SHA1_BYTES 20
void mac_sha1_of(const void *key, size_t nkey, const void *bytes, size_t n,
                 unsigned char out[static MAC_SHA1_BYTES]);

#endif
