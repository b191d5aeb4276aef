// SPDX-License-Identifier: ISC
// The fleet as one relay sees it: a thread that keeps a connection to the database of `fleet`, says there that this
// node lives, and knows what the others say. Nobody in the relay waits for it: what it knows is looked up in memory,
// and while the database is away each node goes on with what it has.
//
// What it shares: MTA-STS policies, what hosts proved, suppressed addresses, bans and what sites taught
// (relay/fleet/share.h). What it hears may only raise what this node demands. What nodes counted of TLS is one ledger
// (relay/fleet/ledger_out.h), of which each report goes out once (relay/fleet/claim.h).
//
// The connection is made anew after a failure, with pauses of 1 to 30 seconds. Trouble is one alarm an episode.
#ifndef RELAY_FLEET_FLEET_H
#define RELAY_FLEET_FLEET_H

#include <jansson.h>
#include "config/config.h"
#include "relay/base/why.h"

struct fleet;
struct message;
struct spool;
struct spool_sink;
struct spool_options;
struct state;
struct routes;
struct bans;
struct suppress;
struct slices;
struct claims;
struct relay;

// `config` names a fleet; a reference is taken. A node that has no number yet asks for one here, and waits for that:
// without one its ids might be another node's. NULL with why, and *exit_status what the program should exit with.
struct fleet *fleet_open(struct config *config, int64_t started_ms, int *exit_status,
                         struct why *why);
// Whose knowledge is shared; all of them outlive the fleet.
struct fleet_doors {
    struct relay *relay;
    struct state *state;
    struct routes *routes;
    struct bans *bans;
    struct suppress *suppress;
    struct spool *spool;
    void (*add)(struct message *m,
                void *arg); // one that was taken over is to be delivered; any thread
    void *arg;
};
int fleet_start(struct fleet *fleet, const struct fleet_doors *doors, struct why *why);
void fleet_reload(struct fleet *fleet, struct config *config); // any thread; accepts NULL
// fleet_rest: no other node's mail comes any more, so that the workers can end. fleet_stop: nothing more is shared; the spool's second place goes on until fleet_close, which comes behind the end of
// the spool. Both accept NULL.
void fleet_rest(struct fleet *fleet);
void fleet_stop(struct fleet *fleet);
void fleet_close(struct fleet *fleet);
struct slices *fleet_slices(struct fleet *fleet); // its own: what limits leave this node
struct claims *fleet_claims(struct fleet *fleet); // its own: where the reporter asks

// The second place of the spool; NULL: `fleet.spool` wants none, or there is no fleet. It ends with the fleet.
const struct spool_sink *fleet_sink(struct fleet *fleet);
// Behind an opening of the spool that failed, with its why: 1, where this run goes on without the journal
// (relay/fleet/alone.h): `options` are of the spool to open instead. 0: it does not, and the failure stands. -1 with why.
int fleet_go_alone(struct fleet *fleet, struct spool_options *options, int *exit_status,
                   struct why *why);
// How many of these messages, or (n is 0) of all, the journal may have and wait for it here. Any thread; accepts NULL.
uint64_t fleet_frozen(struct fleet *fleet, const uint64_t *ids, size_t n);
// Behind the opening of the spool, before anything of it is delivered: what the journal has for this node beside it, of
// a disk that is gone or a node that was taken over, comes into it. `each` as spool_open has it.
int fleet_import(struct fleet *fleet, struct spool *spool,
                 void (*each)(struct message *m, void *arg), void *arg, struct why *why);
// `waxwing fleet adopt`: a node's mail goes on here. -1 with why; else the log says what becomes of it. Any thread.
int fleet_adopt(struct fleet *fleet, const char *name, struct why *why);
// Who stops the relay where an operator asks, anywhere, that its mail goes on at another node (`waxwing fleet evacuate`):
// called once, on the fleet's thread, with that node's name, which lives as long as the fleet. Accepts a NULL fleet.
typedef void fleet_leave_fn(void *arg, const char *heir);
void fleet_on_leave(struct fleet *fleet, fleet_leave_fn *leave, void *arg);
// A spool whose mail stands in a journal, too, is not for a relay that knows of none: -1 with why.
int fleet_may_use(const struct config *config, struct why *why);

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
    uint64_t uncounted;         // domains and days whose counts it has not shared
    int64_t whole;              // the last day that it has told whole; -1: not known
    bool apart;                 // this run has no journal until the database answers
    uint64_t one_disk;          // messages that stand on this disk alone, of such runs
    uint64_t frozen;            // messages that the journal may have, and that wait for it
    bool journals;              // there is a journal; the rest of this is 0 without it
    bool ready;                 // mail is taken
    bool alone;                 // the database waits for no standby
    int64_t epoch;              // of the lease
    uint64_t lease_ms;          // left of it
    uint64_t batches, batches_unknown, batches_refused; // since the start
};
void fleet_get_state(struct fleet *fleet, struct fleet_state *out);
// What `waxwing fleet status --json` prints; a new object.
json_t *fleet_describe(struct fleet *fleet);
// The same asked of the database itself, for a command, whichever node it runs on. *exit_status is 0 with an object, or
// else why says what is the matter.
json_t *fleet_ask(const struct config *config, int *exit_status, struct why *why);

#endif
