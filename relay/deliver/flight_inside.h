// SPDX-License-Identifier: ISC
// Who shares a connection (relay/deliver/flight.c), for relay/deliver/*.c alone. Several sessions may, one behind the
// other in its `flight`: the first hears the answers, each of the others has said its part, or waits for its turn to.
// Nobody says anything while others are behind it. The stream's events and the deadline are the first one's; when
// that is through, the next is the first.
//
// - Behind DATA one envelope may go; behind a BDAT that is the last, RSET and a whole message, up to in_flight.
// - Whoever leaves otherwise than first and well ends the connection for all: what was said would be answered to nobody.
#ifndef RELAY_DELIVER_FLIGHT_INSIDE_H
#define RELAY_DELIVER_FLIGHT_INSIDE_H

#include "relay/deliver/inside.h"

// No answer came within these milliseconds of delivery.timeouts.SETTING.
void deliver_say_silent(struct why *why, uint64_t ms, const char *setting);
void deliver_flight_join(struct deliver *d, struct connection *c, bool pooled);
bool deliver_hears(const struct deliver *d); // it is the first: the answers are its
bool deliver_alone(const struct deliver *d); // nobody else is there
const struct deliver *
deliver_behind(const struct deliver *d);      // and has said something; NULL: nobody has
bool deliver_shared(const struct deliver *d); // somebody has
const struct deliver *deliver_before(const struct deliver *d); // NULL: it is the first
const struct sockaddr *deliver_source(const struct deliver *d, const struct sockaddr *to,
                                      const char **helo);
// What a connection to the host's i-th address is known by.
struct pool_key deliver_key(const struct pool *pool, const struct route *route,
                            const struct route_host *host, size_t i);
bool deliver_usable(
    const struct route_host *host); // it has an address, and nothing speaks against it
// Whether the connection is one to a host of the best preference of the route that can be used at all, with all that
// the route demands of it; which one, and at which of its addresses.
bool deliver_serves(const struct pool *pool, const struct connection *c, const struct route *route,
                    size_t *host, size_t *address);
bool deliver_all_out(const struct deliver *d); // the whole message is with the stream
bool deliver_leads(const struct deliver *d);   // another may say something behind it now
// Leaves the connection. The next one goes on with it; `now`, or where nobody is there: it is closed, and what
// becomes of the others is told them. Harmless without one.
void deliver_flight_leave(struct deliver *d, bool now);

#endif
