// SPDX-License-Identifier: ISC
// TLS refusals as the log and the ledger tell them (RFC 8460 section 4). A connection that reached a host leaves an
// entry of its own (relay/deliver/record.c); what policy stopped before a connection is entered once for each
// route, while the log says so for each message.
#ifndef RELAY_DELIVER_REFUSAL_H
#define RELAY_DELIVER_REFUSAL_H

#include "relay/message/message.h"
#include "relay/state/shadow.h"
#include "relay/worker/relay.h"
#include "relay/route/route.h"
#include "tls/ledger.h"

struct refusals; // where they are told; one a worker
struct refusals *refusals_new(struct relay *relay);
void refusals_free(struct refusals *book); // accepts NULL

// host NULL: the whole domain was refused.
void refusal_record(struct refusals *book, const struct message *m, struct route *route,
                    const struct route_host *host, const struct why *why);
// The `tls-refused` (or, not refused, `tls-failure`) line alone.
void refusal_line(struct relay *relay, const struct message *m, const struct route *route,
                  const struct route_host *host, const char *ip, const struct why *why,
                  bool refused);
// Shadow mode let this pass: the counts go to the domain whose exception would let it pass while enforcing.
void refusal_let_pass(struct relay *relay, const struct route *route, const char *domain,
                      const struct why *why, const struct shadow_row *counts);
// An entry with what the route knows: domain, policy, host, demand.
struct ledger_entry *refusal_entry(const struct route *route, const struct route_host *host);

#endif
