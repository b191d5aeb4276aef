// SPDX-License-Identifier: ISC
// What a stranger may choose and a host copies into its Authentication-Results: the HELO name, the envelope
// sender, the identity of a DKIM signature. Some verifiers copy them raw, so that a quoted local part such
// as "x); auth=pass (y" ends a comment and begins a result of its own.
#ifndef SIGN_COPIED_H
#define SIGN_COPIED_H

#include <stdbool.h>
#include <stdint.h>
#include "sign/header.h"

// None of these words can end a result: those of the session (NULL: not told), the HELO names in the
// topmost `received` Received fields, d=, s= and i= of every DKIM signature.
bool copied_harmless(const struct header *header, uint64_t received, const char *helo,
                     const char *mail_from);

#endif
