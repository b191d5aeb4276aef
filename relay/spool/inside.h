// SPDX-License-Identifier: ISC
// The inside of relay/spool/. The spool thread owns everything here; other threads see, under `lock`, the table of
// open messages and the segments that it points to.
//
// - One writer, and it only appends. A store is answered when its batch is synced; what a failed sync covered is
//   written anew elsewhere or refused, never believed.
// - A RESULT stands behind its MESSAGE, and segments go oldest first, so no message outlives its results.
// - Whoever reads a record holds its segment, which may be gone from the directory meanwhile.
#ifndef RELAY_SPOOL_INSIDE_H
#define RELAY_SPOOL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include "relay/base/list.h"
#include "relay/base/maxima.h"
#include "relay/base/table.h"
#include "relay/spool/format.h"
#include "relay/spool/format_text.h"
#include "relay/spool/segment.h"
#include "relay/spool/sink.h"
#include "relay/spool/spool.h"
#include "relay/spool/files.h"

// An open message: where its record is and how its recipients stand on disk.
struct spool_entry {
    uint64_t id;
    UT_hash_handle hh;
    struct list link; // in segment->messages
    struct segment *segment;
    uint64_t offset, length;
    struct message *message;
    unsigned text : 31;   // bytes; at most SPOOL_TEXT
    unsigned damaged : 1; // its content cannot be read any more
    unsigned open;
    struct segment_standing now[]; // one a recipient of message->env
};

enum job_kind { JOB_STORE, JOB_COPY, JOB_RESULT, JOB_BARRIER, JOB_STOP };
struct job {
    struct item item; // in the inbox, then in the queue
    enum job_kind kind;
    struct buf record; // SEGMENT_RECORD bytes of room, then the text
    uint64_t id;
    struct segment_record place;
    struct spool_write *write;  // JOB_STORE
    struct spool_result result; // JOB_RESULT; address is owned
    uint64_t due_ms;            // JOB_RESULT: monotonic
    bool owed;                  // JOB_RESULT: a write of it has failed
    struct item *back;          // JOB_BARRIER
    struct inbox *reply;
    struct spool_entry *entry; // JOB_COPY
    struct buf rest;
    bool damaged;
};

struct batch {
    struct job *jobs[SPOOL_PIECES];
    struct iovec pieces[SPOOL_PIECES];
    size_t n;
    int npieces;
    uint64_t bytes;
};

struct spool {
    struct spool_options options;
    const struct spool_files *files;
    char *directory, *large, *damaged;
    uint64_t segment_bytes;
    int lock_fd;
    struct inbox *inbox;
    pthread_t thread;
    struct batch batch;
    struct job *first, **last; // what waits, in order
    size_t urgent, owed;       // of which: stores and barriers; results whose write failed
    bool stopping;
    struct segment *head; // the segment in use; NULL after a failure
    uint64_t next_number, last_id;
    uint64_t begin_at_ms, tidy_at_ms; // monotonic: not before that
    bool dir_unsynced, begin_failed;
    uint64_t reserves[SPOOL_RESERVES]; // bytes of each file; 0: not there
    uint64_t reserve_bytes;            // of one, as they were last made
    bool reserve_told;                 // that the disk is full
    uint64_t reserve_at_ms;            // monotonic: the next look whether the disk is well again
    struct underway *underway;         // NULL: it cannot be had
    unsigned failures;                 // batches in a row
    struct why trouble;                // why there is no head
    pthread_mutex_t lock;
    struct list segments;
    struct spool_entry *table;
    atomic_bool healthy;
    atomic_bool away;                        // the second place takes nothing now
    atomic_bool parted;                      // the end came without it: a batch is here alone
    atomic_bool tight;                       // the disk is full: nothing but results is written
    _Atomic uint64_t room_at_ms, free_bytes; // the last look at the disk
    _Atomic uint64_t spent;                  // bytes written since
    _Atomic int64_t promised;                // bytes of messages on their way in
    _Atomic uint64_t syncs, stored, results;
    struct histogram sync_times;
};

void spool_alarm(struct spool *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int spool_trouble(struct why *why, int error, const char *what); // from errno; returns -1
bool spool_full(const struct why *trouble);                      // its disk, or its quota

// spool_table.c: open messages. All take the lock themselves; only the spool thread changes them.
struct spool_entry *table_add(struct spool *s, struct message *m, struct segment *g,
                              const struct segment_record *r, bool damaged); // takes the reference
struct spool_entry *table_find(struct spool *s, uint64_t id);
void table_move(struct spool *s, struct spool_entry *k, struct segment *g,
                const struct segment_record *r, bool damaged);
bool table_result(struct spool *s, struct spool_entry *k,
                  const struct spool_result *result); // true: no recipient is open
void table_drop(struct spool *s, struct spool_entry *k);
bool table_place(struct spool *s, uint64_t id,
                 struct spool_entry *place); // a copy; place->segment is referenced
void table_damaged(struct spool *s, uint64_t id);
// The message with a reference, and a copy of how its recipients stand (the caller frees it); NULL: not there.
struct message *table_standing(struct spool *s, uint64_t id, struct segment_standing **now);

// spool_batch.c
void batch_write(struct spool *s);
void batch_add(struct spool *s, struct job *job);
struct job *job_new(enum job_kind kind);
void job_free(struct job *job);
void job_refuse(struct spool *s, struct job *job); // a store, with s->trouble

int spool_recover(struct spool *s, int *exit_status, struct why *why); // spool_recover.c
// spool_scan.c: puts what the first `limit` bytes of a segment say into the table. `newest`: it was in
// use, so what is torn at its end was never acknowledged; it is cut and sealed. True: damage was found.
bool scan_segment(struct spool *s, struct segment *g, uint64_t limit, bool newest);

// spool_clean.c
bool clean_wanted(struct spool *s);
void clean_copy(struct spool *s); // adds copies to the batch
void clean_remove(struct spool *s);

// spool_large.c
void large_unlink(struct spool *s, const char *name);
int large_verify(struct spool *s, const struct message *m, struct why *why); // as spool_load

#endif
