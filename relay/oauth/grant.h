// SPDX-License-Identifier: ISC
// What a token endpoint is asked: the form of each grant (RFC 6749 sections 4.4 and 6; a service account's assertion,
// RFC 7523 section 2.1, signed with RS256). Reads the files of a login; asks nobody.
#ifndef RELAY_OAUTH_GRANT_H
#define RELAY_OAUTH_GRANT_H

#include "config/next_hop.h"
#include "relay/base/buf.h"
#include "relay/base/why.h"

#define GRANT_MAX 131072 // bytes of a form

// Appends the form. `now_s` is the wall clock. -1 with why: a file cannot be read or used.
int grant_form(const struct cfg_login *login, int64_t now_s, struct buf *out, struct why *why);

// The parts, pure. name=value with what needs it percent-encoded; behind an & where it is not the first.
void grant_field(struct buf *form, const char *name, const char *value);
// base64url without padding (RFC 7515 section 2) of what base64 has written.
void grant_base64url(char *base64);
// A JWT for a service account's key file (`json`): who asks for what, for whom, at which endpoint.
int grant_assertion(struct span json, const struct cfg_login *login, int64_t now_s, struct buf *out,
                    struct why *why);

#endif
