// SPDX-License-Identifier: ISC
// The journal's statements (relay/fleet/schema_journal.c), each a transaction of its own behind the fence, and what
// became of it: done means committed, and on the standby that the server waits for.
#ifndef RELAY_FLEET_TABLES_H
#define RELAY_FLEET_TABLES_H

#include "relay/fleet/session.h"

#define TABLES_PIECE 1048576 // bytes of a row, where it is ours to say

// Who speaks.
struct tables {
    struct session *session;
    unsigned node;
    int64_t epoch;
    int64_t turn; // -1: not of the connection that journals
    const char *log;
};

enum tables_end {
    TABLES_DONE,
    TABLES_NOT, // it was undone; why
    TABLES_UNKNOWN // the connection is gone, or a COMMIT was not waited for: only the next connection can say; why
};

// Gives this connection its turn: no transaction of the one before is left then.
enum tables_end tables_open(struct tables *t, struct why *why);
// The table of a segment; NULL: one is made for later.
enum tables_end tables_begin(struct tables *t, const char *number, struct span head, int64_t *id,
                             struct why *why);
// *alone: the server waits for no standby.
enum tables_end tables_put(struct tables *t, int64_t id, uint64_t at, struct span bytes,
                           bool *alone, struct why *why);
enum tables_end tables_has(struct tables *t, int64_t id, uint64_t at, bool *there, struct why *why);
enum tables_end tables_cut(struct tables *t, int64_t id, uint64_t end, struct why *why);
enum tables_end tables_drop(struct tables *t, int64_t id, struct why *why);
enum tables_end tables_body(struct tables *t, const char *name, unsigned piece, struct span bytes,
                            struct why *why);
enum tables_end tables_forget(struct tables *t, const char *name, struct why *why);
// ids: "{1,2}".
enum tables_end tables_moved(struct tables *t, const char *log, const char *ids, struct why *why);
enum tables_end tables_end_log(struct tables *t, const char *log, struct why *why);

// What a log has.
struct tables_segment {
    int64_t id;
    uint64_t number, last, end; // last row, and where it ends; 0: there is none
    unsigned char head[128];
    bool whole; // the head could be read
};
int tables_list(struct tables *t, const char *log, struct tables_segment **out, size_t *n,
                struct why *why);
// The logs that are this node's, besides its own: texts in an array, all to be freed.
int tables_logs(struct tables *t, char ***out, size_t *n, struct why *why);
struct tables_body {
    char *name;
    unsigned pieces;
};
int tables_bodies(struct tables *t, const char *log, struct tables_body **out, size_t *n,
                  struct why *why);
void tables_bodies_free(struct tables_body *bodies, size_t n);
// Some rows from `at` on: `each` gets them; *next is where to go on, or at where there are no more. -1 with why.
typedef int tables_fn(void *arg, uint64_t at, struct span bytes, struct why *why);
int tables_read(struct tables *t, int64_t id, uint64_t at, uint64_t *next, tables_fn *each,
                void *arg, struct why *why);
int tables_read_body(struct tables *t, const char *log, const char *name, unsigned piece,
                     struct buf *out, struct why *why);
// The ids that were moved out of a log: an array to be freed.
int tables_moved_ids(struct tables *t, const char *log, uint64_t **out, size_t *n, struct why *why);

#endif
