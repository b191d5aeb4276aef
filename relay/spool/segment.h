// SPDX-License-Identifier: ISC
// The files of the spool, for its own sources: segments of the log, the copies of their headers, the reserve for a full
// disk, and what is under way. All but the counts are the spool thread's.
#ifndef RELAY_SPOOL_SEGMENT_H
#define RELAY_SPOOL_SEGMENT_H

#include <stdatomic.h>
#include "relay/base/list.h"
#include "relay/spool/files.h"
#include "relay/spool/format.h"

struct spool;

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
    struct list messages;       // struct spool_entry, in the order of their records
    struct segment_index index; // until it is sealed
    uint64_t limit;             // made of the reserve: its blocks end here; 0: an ordinary one
    bool keep; // damaged, and no copy could be made: renamed, not unlinked, at its end
};

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
int segment_quarantine(struct spool *s, struct segment *g, uint64_t from, uint64_t to);

void underway_open(struct spool *s); // underway.c
void underway_close(struct spool *s);

// reserve.c: space for results on a full disk
void reserve_find(struct spool *s);
void reserve_fill(struct spool *s);
int reserve_take(struct spool *s, const char *path, uint64_t *bytes);
bool reserve_has(const struct spool *s,
                 uint64_t bytes); // for copies, and a file for results besides
bool reserve_leave(struct spool *s);

#endif
