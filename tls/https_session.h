// SPDX-License-Identifier: ISC
// The TLS session below a curl transfer. curl's own verification is off: it reads its trust store anew for each
// connection, has a store of its own besides the one that is configured, and takes a common name for a name.
#ifndef TLS_HTTPS_SESSION_H
#define TLS_HTTPS_SESSION_H

#include <stdbool.h>
#include "tls/verify.h"

// Once the session is there, and before its server has spoken: bounds what the server's keys may cost.
// False: there is no session yet.
bool https_session_guard(void *easy);
// The finished session's chain leads to the store and is for the host. -1 with why as verify_webpki, and
// where the session cannot be had: then nothing is known, and nothing may be believed.
int https_session_verify(void *easy, const char *host, struct trust *trust, struct why *why);

// When the first certificate of its chain ends, Unix seconds; 0: it cannot be read.
int64_t https_session_ends(void *easy);

#endif
