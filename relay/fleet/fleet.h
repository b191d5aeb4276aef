// SPDX-License-Identifier: ISC
// The fleet as one relay sees it: a thread that keeps a connection to the database of `fleet`, says there that this
// node lives, and knows what the others say. Nobody in the relay waits for it: what it knows is looked up in memory,
// and while the database is away each node goes on with what it has.
//
// What it shares: MTA-STS policies, what hosts proved, suppressed addresses and bans (relay/fleet/share.h). What it hears
// may only raise what this node demands.
//
// The connection is made anew after a failure, with pauses of 1 to 30 seconds. Trouble is one alarm an episode.
#ifndef RELAY_FLEET_FLEET_H
#define RELAY_FLEET_FLEET_H

#include <jansson.h>
#include "config/config.h"
#include "relay/base/why.h"

struct fleet;
struct state;
struct routes;
struct bans;
struct suppress;

// `config` names a fleet; a reference is taken. A node that has no number yet asks for one here, and waits for that:
// without one its ids might be another node's. NULL with why, and *exit_status what the program should exit with.
struct fleet *fleet_open(struct config *config, int64_t started_ms, int *exit_status,
                         struct why *why);
// Whose knowledge is shared; all of them outlive the fleet.
struct fleet_doors {
    struct state *state;
    struct routes *routes;
    struct bans *bans;
    struct suppress *suppress;
};
int fleet_start(struct fleet *fleet, const struct fleet_doors *doors, struct why *why);
void fleet_reload(struct fleet *fleet, struct config *config); // any thread; accepts NULL
void fleet_close(struct fleet *fleet);                         // accepts NULL

// How it is now. Any thread.
struct fleet_state {
    bool connected;
    int64_t since_ms;           // so it has been since then, wall clock
    char trouble[512];          // why it is not connected; "" while it is
    unsigned number;            // of this node
    unsigned nodes, live;       // as last seen
    int64_t behind;             // changes of others that this node has not taken
    int64_t waiting;            // changes of its own that it has not shared
    int64_t standbys;           // servers that follow the database; -1: not known
    int64_t synchronous;        // and are waited for by each commit
    uint64_t statements_failed; // since the start
    uint64_t received, sent;    // changes, since the start
};
void fleet_get_state(struct fleet *fleet, struct fleet_state *out);
// What `waxwing fleet status --json` prints; a new object.
json_t *fleet_describe(struct fleet *fleet);
// The same asked of the database itself, for a command, whichever node it runs on. *exit_status is 0 with an object, or
// else why says what is the matter.
json_t *fleet_ask(const struct config *config, int *exit_status, struct why *why);

#endif
