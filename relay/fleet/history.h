// SPDX-License-Identifier: ISC
// Which of several database servers is the one: each that takes over begins a new timeline of the same database, with a
// higher number. A server of a lower one than was seen was passed over, and lacks what the other was told since; it may
// not know that itself. The highest is kept beside the spool, in the file fleet.history, before anybody relies on it.
#ifndef RELAY_FLEET_HISTORY_H
#define RELAY_FLEET_HISTORY_H

#include "relay/fleet/session.h"

struct history;

struct history *history_open(const char *spool); // what stands in the file, if there is one
void history_close(struct history *history);     // accepts NULL
// session_open_any that passes such a server over. Any thread.
struct session *history_session(struct history *history, const struct target *target, size_t *host,
                                int stop, struct why *why);

#endif
