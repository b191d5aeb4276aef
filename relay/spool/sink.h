// SPDX-License-Identifier: ISC
// A second place for what the spool writes, beside its disk: it gets the bytes of each batch as the segment gets them,
// and 250 is said when both have them. What it is made of is not the spool's business (relay/fleet/journal.h).
//
// The spool's thread calls, unless said otherwise. A batch that has no answer yet is the only one: nothing new is
// written until it is settled.
#ifndef RELAY_SPOOL_SINK_H
#define RELAY_SPOOL_SINK_H

#include <sys/uio.h>
#include "relay/base/why.h"
#include "relay/spool/files.h"
#include "relay/spool/format.h"

struct spool_sink_batch {
    const struct segment_key *key; // of the segment
    uint64_t offset;               // where the bytes stand in it
    const struct iovec *pieces;    // valid until submit returns
    int npieces;
    const char *const *larges; // names of large bodies that its messages have
    size_t nlarges;
};

// A segment as the start found it, and what of it counts: bytes SEGMENT_HEAD to end.
struct spool_sink_segment {
    const struct segment_key *key;
    int fd;
    uint64_t end;
};
struct spool_sink_standing {
    const struct spool_sink_segment *segments; // oldest first
    size_t nsegments;
    const char *const *larges; // large bodies of open messages
    size_t nlarges;
    uint64_t head; // number of the segment in use, in which nothing stands yet
    const struct spool_files *files;
};

enum spool_sink_answer {
    SINK_DONE,
    SINK_REFUSED, // why; the batch must not count: it is cut off here, and sink->cut says so there
    SINK_WAIT     // there is none yet
};

struct spool_sink {
    void *self;
    // At the start, when the directory is locked and nothing of it was read. May change what lies there. -1 with why,
    // and *exit_status where it is not EXIT_TEMP.
    int (*prepare)(void *self, const char *directory, int *exit_status, struct why *why);
    // Behind the recovery, before the thread begins: afterwards the sink has all of it, and no more.
    int (*attach)(void *self, const struct spool_sink_standing *standing, int *exit_status,
                  struct why *why);
    bool (*ready)(void *self); // false: a batch would be refused, or an older one is not settled
    void (*submit)(void *self, const struct spool_sink_batch *batch);
    enum spool_sink_answer (*await)(void *self, unsigned ms, struct why *why);
    // What this segment has from `end` on does not count. Until that is done, ready says false.
    void (*cut)(void *self, uint64_t number, uint64_t end);
    void (*drop)(void *self, uint64_t number);     // the segment is gone, with all before it
    void (*forget)(void *self, const char *large); // a large body is gone; any thread
};

#endif
