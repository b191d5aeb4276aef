// SPDX-License-Identifier: ISC
// What of the state database a fleet shares: policies, memory, suppressed addresses, bans and what sites taught. Rows that changed are
// marked by triggers, in the transaction of the change, so that nothing that is kept here is forgotten there, whoever
// wrote it and however long the fleet is away. What rows mean is the fleet's (relay/fleet/fact.h).
//
// A key is one name, or two with a line feed between them. All calls block until the state thread has answered.
#ifndef RELAY_STATE_SHARED_H
#define RELAY_STATE_SHARED_H

#include "relay/state/state.h"

#define SHARED_FLEET 64 // bytes of a fleet's own name

enum shared_kind {
    SHARED_POLICY = 1,
    SHARED_MEMORY,
    SHARED_SUPPRESSED,
    SHARED_BAN,
    SHARED_SITE,
    SHARED_KINDS
};

struct shared_row {
    int64_t mark; // to be named when it was shared
    enum shared_kind kind;
    char *key, *body; // body: the row as a JSON array; NULL: it was taken out
    int64_t at_ms;    // when it was marked, wall clock
};
struct shared_list {
    struct shared_row *rows;
    size_t n;
    uint64_t waiting;         // marks there are in all
    char fleet[SHARED_FLEET]; // the fleet that changes were last taken from; "": none
    int64_t taken;            // and the number of the last one
};

void state_shared_end(struct state *state); // no change is marked any more; does not wait
// The oldest marks, at most `limit`. From the first call on changes are marked, over restarts; where they were not
// before, everything there is counts as changed.
int state_shared_look(struct state *state, size_t limit, struct shared_list *out, struct why *why);
void shared_list_free(struct shared_list *list);
// These were shared. One whose row has changed since is not among them: its mark is another.
int state_shared_sent(struct state *state, const int64_t *marks, size_t n, struct why *why);
// Changes of this fleet were taken up to this number. Another fleet than before, or a number below the one before:
// everything counts as changed again.
int state_shared_taken(struct state *state, const char *fleet, int64_t seq, struct why *why);

#endif
