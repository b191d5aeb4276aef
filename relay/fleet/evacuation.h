// SPDX-License-Identifier: ISC
// `waxwing fleet evacuate`: a node that lives is asked to give its mail to another, its heir. The order is a row in the
// database, about one lease of that node, which looks for it about once a second. The node stops as on SIGTERM, and gives
// its logs away as it gives its lease back, in one transaction; they are the heir's then, which takes them in as those of
// a node that died (relay/fleet/takeover.h).
//
// Whatever ends in between, the logs are one node's: until that commit the leaving one's, whose lease runs off if it is
// killed, and from there on the heir's. The stages:
//
//   asked     nobody has obeyed yet, and nobody does after EVACUATION_OBEY
//   leaving   the node stops
//   handed    the lease and the logs are given
//   through   the heir has taken in all of them that can be read
#ifndef RELAY_FLEET_EVACUATION_H
#define RELAY_FLEET_EVACUATION_H

#include "config/config.h"
#include "relay/fleet/self.h"
#include "relay/fleet/session.h"

#define EVACUATION_ASKER 201                     // bytes of who asked
#define EVACUATION_OBEY  "interval '60 seconds'" // an older order is obeyed by nobody

// ---- the node that is to go

struct evacuation_order {
    unsigned heir;
    char name[SELF_NAME]; // the heir's
    char asker[EVACUATION_ASKER];
};
// 1: the node is asked to end the lease of that epoch; nobody can withdraw that any more. 0: it is not. -1 with why.
int evacuation_order(struct session *s, unsigned node, int64_t epoch, struct evacuation_order *out,
                     struct why *why);
// Whether the lease before the one of that epoch ended so: 1 with the heir's name, 0, or -1 with why.
int evacuation_before(struct session *s, unsigned node, int64_t epoch, char heir[static SELF_NAME],
                      struct why *why);

// ---- the heir

struct evacuation_arrival {
    unsigned node;
    char name[SELF_NAME];
    int64_t messages;
};
// Nodes whose logs were handed to this one and are still there: *n of an array that the caller frees. -1 with why.
int evacuation_arrivals(struct session *s, unsigned heir, struct evacuation_arrival **out,
                        size_t *n, struct why *why);
int evacuation_through(struct session *s, unsigned heir, unsigned node, struct why *why);

// ---- who asks

// What is known of a node before it is asked.
struct evacuation_node {
    unsigned number;
    char name[SELF_NAME];
    bool live;        // it said something lately
    bool lease, mail; // it has a lease; a log in the journal
    int64_t epoch;
    bool leaving;         // it is on its way already
    bool gone;            // it has gone so, and has not come back
    char heir[SELF_NAME]; // of leaving and gone
};
enum evacuation_choice { EVACUATION_REFUSED, EVACUATION_ASK, EVACUATION_FOLLOW };
// Whether `name` can be asked, and which row is to have its mail: the one named `to`, or else (NULL) this node (`self`),
// or where that is the one that is to go, the first that can. FOLLOW: it was asked before. REFUSED: why.
enum evacuation_choice evacuation_choose(const struct evacuation_node *nodes, size_t n,
                                         const char *self, const char *name, const char *to,
                                         size_t *node, size_t *heir, struct why *why);

struct evacuation_end {
    char heir[SELF_NAME];
    int64_t messages; // that the node had; -1: not known, since it ended before it could say so
    bool kept;        // some of it cannot be read, and stays in the journal
};
// Asks, and waits for the end. `tell` gets a sentence at each step. -1 with why and *exit_status: it was refused, or is
// not through; words say whether it goes on.
int evacuation_run(const struct config *config, const char *name, const char *to,
                   void (*tell)(const char *sentence), struct evacuation_end *out, int *exit_status,
                   struct why *why);

#endif
