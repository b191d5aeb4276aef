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
#include <uthash.h>
#include "relay/base/list.h"
#include "relay/base/maxima.h"
#include "relay/spool/format.h"
#include "relay/spool/format_text.h"
#include "relay/spool/spool.h"
#include "relay/spool/files.h"

// One file of the log. Counted: whoever reads a record holds it open, also when it has been removed.
struct segment {
    struct list link; // in spool->segments, oldest first
    atomic_uint refs;
    const struct spool_files *files;
    int fd;
    char *path;
    struct segment_key key;
    uint64_t end;               // where the next record goes
    uint64_t records;           // bytes of MESSAGE and RESULT records
    uint64_t live;              // of which: MESSAGE records of open messages
    struct list messages;       // struct kept, in the order of their records
    struct segment_index index; // until it is sealed
    uint64_t limit;             // made of the reserve: its blocks end here; 0: an ordinary one
    bool keep; // damaged, and no copy could be made: renamed, not unlinked, at its end
};

// An open message: where its record is and how its recipients stand on disk.
struct kept {
    uint64_t id;
    UT_hash_handle hh;
    struct list link; // in segment->messages
    struct segment *segment;
    uint64_t offset, length, text;
    struct message *message;
    bool damaged; // its content cannot be read any more
    size_t open;
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
    struct kept *kept; // JOB_COPY
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
    unsigned failures;                 // batches in a row
    struct why trouble;                // why there is no head
    pthread_mutex_t lock;
    struct list segments;
    struct kept *table;
    atomic_bool healthy;
    atomic_bool tight;                       // the disk is full: nothing but results is written
    _Atomic uint64_t room_at_ms, free_bytes; // the last look at the disk
    _Atomic uint64_t spent;                  // bytes written since
    _Atomic int64_t promised;                // bytes of messages on their way in
    _Atomic uint64_t syncs, stored, results;
};

void spool_alarm(struct spool *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int spool_trouble(struct why *why, int error, const char *what); // from errno; returns -1
bool spool_full(const struct why *trouble);                      // its disk, or its quota

// spool_segment.c: files of the log
struct segment *segment_of(struct spool *s, int fd, char *path, const struct segment_key *key);
struct segment *segment_ref(struct segment *g);
void segment_unref(struct segment *g);
int segment_begin(struct spool *s);                    // a new head, durable; -1: s->trouble
int segment_seal(struct spool *s, struct segment *g);  // index, end, cut, sync
void segment_fail(struct spool *s, struct segment *g); // ends the head at its last synced byte
int segment_remove(struct spool *s, struct segment *g);
// The second copy of a segment's header, in a file beside it, where no message's bytes ever stand.
void segment_head_keep(struct spool *s,
                       const struct segment_key *key); // makes it where it is not there
void segment_head_drop(struct spool *s, uint64_t number);
enum segment_head segment_head_find(struct spool *s, uint64_t number, struct segment_key *key);
int segment_aside(struct spool *s, struct segment *g, uint64_t from, uint64_t to);

// spool_table.c: open messages. All take the lock themselves; only the spool thread changes them.
struct kept *table_add(struct spool *s, struct message *m, struct segment *g,
                       const struct segment_record *r, bool damaged); // takes the reference
struct kept *table_find(struct spool *s, uint64_t id);
void table_move(struct spool *s, struct kept *k, struct segment *g, const struct segment_record *r,
                bool damaged);
bool table_result(struct kept *k, const struct spool_result *result); // true: no recipient is open
void table_drop(struct spool *s, struct kept *k);
bool table_place(struct spool *s, uint64_t id,
                 struct kept *place); // a copy; place->segment is referenced
void table_damaged(struct spool *s, uint64_t id);

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

// reserve.c: space for results on a full disk
void reserve_find(struct spool *s);
void reserve_fill(struct spool *s);
int reserve_take(struct spool *s, const char *path, uint64_t *bytes);
bool reserve_has(const struct spool *s,
                 uint64_t bytes); // for copies, and a file for results besides
bool reserve_leave(struct spool *s);

// spool_large.c
void large_unlink(struct spool *s, const char *name);
int large_verify(struct spool *s, const struct message *m, struct why *why); // as spool_load

#endif
