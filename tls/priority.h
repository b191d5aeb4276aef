// SPDX-License-Identifier: ISC
// What sessions may negotiate (protocols, ciphers, groups), parsed once and shared by all that go by it. Immutable,
// counted, any thread.
#ifndef TLS_PRIORITY_H
#define TLS_PRIORITY_H

#include "relay/base/why.h"

struct priority;
// The operator's GnuTLS priority string, or (NULL or empty) our own for tls_min "1.0" to "1.3" (NULL or "": "1.2").
// NULL with why: not accepted.
struct priority *priority_new(const char *tls_min, const char *text, struct why *why);
struct priority *priority_ref(struct priority *p); // accepts NULL
void priority_unref(struct priority *p);           // accepts NULL

#endif
