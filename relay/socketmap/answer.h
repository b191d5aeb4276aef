// SPDX-License-Identifier: ISC
// A route in the words of Postfix's smtp_tls_policy_maps (postconf(5)). Pure.
#ifndef RELAY_SOCKETMAP_ANSWER_H
#define RELAY_SOCKETMAP_ANSWER_H

#include "relay/base/buf.h"
#include "relay/route/route.h"

// May this key be asked about? Postfix also looks up ".parent", "[host]" and "domain:port": those have no policy of
// their own here. `domain` is to be freed; NULL: no.
char *socketmap_domain(struct span key);

// Appends the answer without its frame. Postfix has one policy for all hosts of a domain, so where hosts differ the
// answer is the one under which none of them is reached with less than its own demand; a host that cannot meet it is
// passed over by Postfix.
void socketmap_answer(const struct route *route, struct buf *out);

#endif
