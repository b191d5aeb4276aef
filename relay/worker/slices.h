// SPDX-License-Identifier: ISC
// What limits leave this node of a budget that a fleet shares: so many messages of a login, so many of a site, so many
// connections to a site. A node holds a slice of each budget that it uses and draws from it; nobody who draws waits for
// the database. The fleet's thread (relay/fleet/spend.h) is woken when a slice runs short and brings more; what is not
// used goes back. One mutex; any thread. There are none without a fleet.
//
// - A rate is a bucket for the whole fleet: what a node has drawn of it counts as spent. Before a node has asked, and
//   while it waits for the answer, it may go so far into debt: 2 % of the budget over all nodes, or one message. Debts
//   are told and paid, and a bucket that is known to be empty lends nothing.
// - Connections are held for a time and given back; a node that is gone has held them when that time is over. It is
//   counted here from before the question was sent, by a clock that runs while the machine sleeps.
// - Where the database is away, or an answer takes more than SLICES_SLOW_MS, each node goes on with its share: the
//   limit by the number of nodes, at least one. What it spends so is told when the database is back.
#ifndef RELAY_WORKER_SLICES_H
#define RELAY_WORKER_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#define SLICES_SLOW_MS  1000
#define SLICES_LEASE_MS 15000 // how long a slice holds that is not renewed
#define SLICES_ASK      400   // budgets of one question
#define SLICES_KEY      400   // bytes of a budget's name

struct slices;
struct worker;

struct slices *slices_new(void);
void slices_free(struct slices *s); // accepts NULL
// An eventfd that can be read when something runs short, or shares have begun; slices_heard takes that back.
int slices_wake(const struct slices *s);
void slices_heard(struct slices *s);
// How many nodes there are; whether the database answers.
void slices_nodes(struct slices *s, unsigned nodes);
unsigned slices_count(struct slices *s); // of nodes
void slices_connected(struct slices *s, bool connected);
// What this node knows was true at this moment (clock_boot_ms): what it drew holds for SLICES_LEASE_MS from then on.
void slices_contact(struct slices *s, uint64_t at_ms);

// ---- rates

struct slice_budget {
    double size;   // what may be spent at once, by all nodes
    double per_ms; // what comes back
    double credit; // into debt a node may go so far, where 2 % are less
};
// Takes n of the budget of this name; false: there is not enough here now, and `worker` (NULL: nobody) is told when there
// is more.
bool slices_spend(struct slices *s, struct worker *worker, const char *name,
                  const struct slice_budget *budget, double n);
// What there is at least, for people to see.
double slices_left(struct slices *s, const char *name, const struct slice_budget *budget);

// ---- connections

struct slice_use {
    unsigned most; // by the configuration, over all nodes
    unsigned used; // open now, idle ones too
    unsigned want; // that would be of use
};
// How many connections to the site may be open here now; 0: none yet, and `worker` is told when there are. To be asked
// before each session, and every second while there are any.
unsigned slices_places(struct slices *s, struct worker *worker, const char *site,
                       const struct slice_use *use);

// ---- for the fleet's thread, and people

struct slice_ask {
    char *key;
    // rates; debt below 0 is given back
    double size, per_ms, debt, want;
    double granted, tokens; // the answer, and what is left in the bucket
    // connections
    struct slice_use use;
    unsigned held, goal; // the answer: how many are held, and how many it may hold
    bool starving;       // another node wants one and has none
};
enum slice_kind { SLICE_RATES, SLICE_PLACES };
struct slice_list {
    enum slice_kind kind;
    struct slice_ask asks[SLICES_ASK];
    size_t n;
    uint64_t sent_ms; // clock_boot_ms()
};
// What is to be asked now; `all`: everything goes back. n 0: nothing. Every list is to be settled.
void slices_due(struct slices *s, enum slice_kind kind, bool all, struct slice_list *out);
// The answers, or done false: it is not known what became of the question. Workers that may go on are told by `wake`.
void slices_settle(struct slices *s, struct slice_list *list, bool done,
                   void (*wake)(struct worker *worker));
// Decisions that were made by this node's share since the start.
uint64_t slices_alone(struct slices *s);

struct slices_view {
    size_t rates, places; // budgets of which something is held
    double drawn;         // of rates, messages and recipients
    uint64_t connections; // held
    bool alone;           // the database does not answer
};
void slices_look(struct slices *s, struct slices_view *out);
json_t *slices_describe(struct slices *s, size_t most); // rows {kind, name, held, of, used}

#endif
