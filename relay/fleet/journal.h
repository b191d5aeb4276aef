// SPDX-License-Identifier: ISC
// The second place of a node's spool: its log in the fleet's database, byte for byte, one table a segment, large bodies
// beside them in pieces. A thread of its own has a connection of its own, serves the spool's thread
// (relay/spool/sink.h), and has a lease (relay/fleet/holder.h).
//
// A batch is one transaction. Where its end is not known, the next connection first makes sure that nothing of the one
// before can commit any more, and then looks: it is there, or it is sent again. Only after JOURNAL_PATIENCE_MS of that
// it is refused; its bytes are then taken out of the journal before anything else goes in.
#ifndef RELAY_FLEET_JOURNAL_H
#define RELAY_FLEET_JOURNAL_H

#include "config/config.h"
#include "relay/fleet/holder.h"
#include "relay/fleet/tables.h"
#include "relay/spool/sink.h"

#define JOURNAL_PATIENCE_MS 20000 // for a batch, from its first try
// fleet.spool: preferred. The same; for a lease at the start; for the journal's connection. After it the run ends, or
// begins without a journal (relay/fleet/alone.h).
#define JOURNAL_ALONE_MS 5000

struct journal;
struct journal_options {
    const struct target *target; // outlives it
    const struct config *config; // the same
    unsigned node;
    void (*lost)(void *arg, const char *words);
    void *arg; // as holder_options has it
};
struct journal *journal_new(const struct journal_options *options);
const struct spool_sink *journal_sink(struct journal *j);
// As holder_hand_to has it, where the journal has nothing but what counts when it closes.
void journal_hand_to(struct journal *j, const struct holder_heir *heir);
// Behind the spool's end: what is left to be dropped is, for a while; then the lease goes back. Accepts NULL.
void journal_close(struct journal *j);

// Behind a start that failed: it was the database that did not answer, or did not take what is here. *leased: it gave a
// lease before.
bool journal_away(const struct journal *j, bool *leased);

// A connection for other work on the journal, behind the same fence; session_close(t->session). -1 with why.
int journal_tables(struct journal *j, struct tables *out, int stop, struct why *why);

// Segments of its own log that the journal has and the disk has not, older than all that are here: most likely they were
// about to be dropped. They are, when import_logs has looked whether anything in them is open.
bool journal_strays(const struct journal *j);
int journal_drop_strays(struct journal *j, struct tables *t, struct why *why);

struct journal_state {
    bool ready;                                // mail is taken
    bool alone;                                // the last batch: the database waits for no standby
    int64_t epoch;                             // of the lease
    uint64_t lease_ms;                         // that is left of it
    uint64_t batches, bytes, unknown, refused; // since the start; unknown: had to be looked for
};
void journal_get_state(struct journal *j, struct journal_state *out); // any thread

#endif
