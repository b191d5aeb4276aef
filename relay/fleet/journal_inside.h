// SPDX-License-Identifier: ISC
// The inside of the journal. What stands under `lock` is shared by the spool's thread and the journal's; the rest is the
// journal's thread's, and until that begins the one's that starts the relay.
#ifndef RELAY_FLEET_JOURNAL_INSIDE_H
#define RELAY_FLEET_JOURNAL_INSIDE_H

#include <pthread.h>
#include "relay/fleet/history.h"
#include "relay/fleet/holder.h"
#include "relay/fleet/journal.h"
#include "relay/fleet/marker.h"

enum chore_kind { CHORE_CUT, CHORE_DROP, CHORE_FORGET };
struct chore {
    struct chore *next;
    enum chore_kind kind;
    uint64_t number, end;
    char *name;
};

enum journal_phase { PHASE_IDLE, PHASE_ASKED, PHASE_ANSWERED };

struct journal_known {
    uint64_t number;
    int64_t id; // of its table
};

struct journal {
    struct journal_options options;
    bool preferred; // fleet.spool
    struct spool_sink sink;
    char *spool; // directory
    struct holder *holder;
    struct holder_heir heir; // node 0: nobody
    struct history *history;
    char log[MARKER_LOG];
    int stop; // an eventfd
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t work, answer;
    // under lock
    bool stopping, ready;
    size_t cuts; // chores of that kind
    struct chore *first, **last;
    enum journal_phase phase;
    enum spool_sink_answer said;
    struct why why;
    struct journal_state state;
    // of the batch: the spool's thread writes them before it asks, and leaves them alone until it is answered
    struct buf bytes;
    struct segment_key key;
    uint64_t at;
    char **larges;
    size_t nlarges;
    // the thread's
    struct tables tables;
    size_t host;
    struct journal_known *known;
    size_t nknown;
    int64_t *strays; // tables; of the start
    size_t nstrays;
    bool spare;          // a table is there for the next segment
    bool told;           // of the present trouble
    bool away;           // why the start failed
    uint64_t without_ms; // clock_mono_ms() since when there is no connection; 0: there is one
};

int journal_connect(struct journal *j, struct why *why);
void journal_disconnect(struct journal *j);
int64_t *journal_find(struct journal *j, uint64_t number); // NULL: not known
void journal_know(struct journal *j, uint64_t number, int64_t id);
void journal_unknow(struct journal *j, uint64_t number);
// Makes the segment's table, if need be.
enum tables_end journal_segment(struct journal *j, const struct segment_key *key, int64_t *id,
                                struct why *why);
enum tables_end journal_large(struct journal *j, const char *name, struct why *why);
void *journal_run(void *arg);
int journal_prepare(void *self, const char *directory, int *exit_status, struct why *why);
int journal_attach(void *self, const struct spool_sink_standing *standing, int *exit_status,
                   struct why *why);

#endif
