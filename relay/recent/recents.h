// SPDX-License-Identifier: ISC
// What the last deliveries met: of each host of a domain when it last took mail and when it last failed, by whose
// sentence, and what it showed then; of the domain what its mail hung on when it last went well. For `waxwing explain`,
// the page of a domain and `waxwing tls coming`. One object in a process, any thread, behind one mutex that is touched
// once an attempt. Decides nothing. Outlives a restart in the state database (relay/state/recent.h); what could not be
// written there is written later.
#ifndef RELAY_RECENT_RECENTS_H
#define RELAY_RECENT_RECENTS_H

#include "relay/recent/traits.h"

#define RECENTS_ROWS  STATE_RECENT // that are remembered; the one unused for longest makes room
#define RECENTS_BATCH 2000         // written at once

struct recents;
struct state;

struct recents *recents_new(struct state *state); // NULL: nothing is kept
void recents_free(struct recents *recents);       // keeps what changed; accepts NULL
// What changed, to the state thread; `all`: however much it is. Accepts NULL.
void recents_keep(struct recents *recents, bool all);

// One attempt for one domain. All is borrowed.
struct recents_attempt {
    const char *domain;
    const struct route *route;     // NULL: none was had
    const struct route_host *host; // of it; NULL: no host was chosen
    const char *ip, *tls, *proof;  // "" where there was no connection
    const char *local;             // our address on it; NULL or "": not known
    // Of a failure, NULL where it is not known: a recipient, the domain of the sender, what became of the mail.
    const char *to, *sender, *outcome;
    const struct shown *shown; // of the handshake; NULL: none, or it is not known any more
    bool clear;                // the connection was made and had no TLS
};
// Mail was taken, and all that it hung on is what is good. These accept NULL.
void recents_took(struct recents *recents, const struct recents_attempt *attempt);
void recents_failed(struct recents *recents, const struct recents_attempt *attempt,
                    const struct why *why);
// One recipient was refused for good, which says nothing of others: the host is neither well nor failing by it.
void recents_told(struct recents *recents, const struct recents_attempt *attempt,
                  const struct why *why);
// A policy host showed its certificate; kept beside the hosts of its domain under its own name.
void recents_policy_host(struct recents *recents, const char *domain, const char *host,
                         int64_t ends_s);

// Under the mutex: `fn` must not call back. domain NULL: all.
void recents_each(struct recents *recents, const char *domain,
                  void (*fn)(const struct recent_row *row, void *arg), void *arg);

#endif
