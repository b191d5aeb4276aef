// SPDX-License-Identifier: ISC
// A keyed digest of secrets (HMAC-SHA-256): what is compared or kept instead of them.
#ifndef SIGN_MAC_H
#define SIGN_MAC_H

#include <stddef.h>

#define MAC_BYTES 32

void mac_of(const void *key, size_t nkey, const void *bytes, size_t n,
            unsigned char out[static MAC_BYTES]);

#endif
