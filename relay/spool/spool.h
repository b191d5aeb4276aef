// SPDX-License-Identifier: ISC
// The spool: 250 means on disk. An append-only log of MESSAGE and RESULT records in segments, written by
// one thread, which takes what waits, writes it at once, syncs once and answers everybody.
//
// Rules (kept in relay/spool/*.c and relay/spool/format.c): nothing is answered before its sync; a failed sync
// ends the segment and is never retried; segments go strictly oldest first after their open messages
// were copied to the head; a RESULT always stands behind its MESSAGE; bytes that a peer wrote can never
// pose as a record (checksums are keyed per segment).
#ifndef RELAY_SPOOL_SPOOL_H
#define RELAY_SPOOL_SPOOL_H

#include "relay/base/histogram.h"
#include "relay/base/inbox.h"
#include "relay/base/why.h"
#include "relay/message/message.h"

struct spool;
struct spool_sink;  // relay/spool/sink.h: a second place for all that is written
struct spool_files; // relay/spool/files.h: the file layer, replaced by tests

struct spool_options {
    const char *directory;
    uint64_t disk_reserve;           // bytes; below: spool_room() is false
    uint64_t segment_bytes;          // 0: SPOOL_SEGMENT
    const struct spool_files *files; // NULL: the system's
    // What recovery found damaged or put aside, and later failures: one sentence each; any thread.
    void (*alarm)(void *arg, const char *sentence);
    void *arg;
    // On the spool's thread, before anything is written: what has to be on disk before it; NULL: nothing has.
    void (*before)(void *before_arg);
    void *before_arg;
    const struct spool_sink *sink; // NULL: 250 means this disk alone
};

// Locks, recovers, starts the thread. `each` gets a new reference for every message with an open
// recipient (only those recipients listed), oldest first, not in memory. On -1 *exit_status is what
// the program should exit with: EXIT_TEMP (another relay holds the lock, I/O) or EXIT_CONFIG (unknown
// format version, not a directory).
int spool_open(struct spool **spool, const struct spool_options *options,
               void (*each)(struct message *m, void *arg), void *arg, int *exit_status,
               struct why *why);
// Writes what waits, ends the thread, unlocks. Nothing may be posted any more. Accepts NULL.
void spool_close(struct spool *spool);

// A message to keep. `reply` gets `item` back when it is on disk (failed == false) or refused.
// The caller owns the struct and its message reference throughout.
struct spool_write {
    struct item item; // run is called on reply's thread
    struct inbox *reply;
    struct message *message; // location fields are filled in on success
    bool failed;
    struct why why; // 4.3.0 write failed, 4.3.1 disk full
    void *arg;
};
void spool_store(struct spool *spool, struct spool_write *write);

// What became of one recipient. Rides with the next sync (at most SPOOL_RESULT_MS later).
enum spool_outcome { SPOOL_DELIVERED, SPOOL_FAILED, SPOOL_DEFERRED, SPOOL_REMOVED };
struct spool_result {
    uint64_t id;
    const char *address; // the recipient; copied
    enum spool_outcome outcome;
    unsigned attempts;
    int64_t next_ms; // SPOOL_DEFERRED: wall clock; INT64_MAX: held
    bool delay_warned;
    const char *
        next_hop; // where an operator sends it from now on; "": where its domain leads; NULL: as before. Copied
    const struct why *why; // copied; may be NULL
    const char *reply; // copied; the host's reply where why has no room for all of it, else NULL
};
void spool_note(struct spool *spool, const struct spool_result *result);
// Calls `item` back on `reply` when everything noted before is on disk (clean stop, tests).
void spool_barrier(struct spool *spool, struct item *item, struct inbox *reply);

// Brings prefix, header and body (or, for a large body, prefix and header) back into m and verifies the
// checksums: of the record, and of the whole large file. Nobody else may be using m meanwhile (see
// message_twin). Finds the record wherever it has been copied to. Blocking: for libuv's thread pool.
// -1: damaged (the record is quarantined, scope WHY_MESSAGE 5.3.0) or unreadable now (4.3.0).
int spool_load(struct spool *spool, struct message *m, struct why *why);
// Where that fails since a large body is lost: the header alone, for a report. -1: it cannot be had either. Blocking.
int spool_load_header(struct spool *spool, struct message *m);
bool spool_has(struct spool *spool, uint64_t id); // it is open; any thread
// A new message read from disk by its id: envelope (recipients as last written), header, body unless
// large. NULL with why: no such message, damaged, unreadable. Blocking.
struct message *spool_find(struct spool *spool, uint64_t id, struct why *why);
// Up to n bytes of a large body from `offset`; 0 at the end, -1 on failure. Blocking.
ssize_t spool_read_large(struct spool *spool, const struct message *m, uint64_t offset, void *out,
                         size_t n, struct why *why);
// A message as it travels from spool to spool: the words of its envelope with the recipients that are open now, as they
// stand (the text of a MESSAGE record, without a large file), and its content: prefix, header and body as received.
// export: the words; -1 with why. import: a new message of the words and the content, in memory or with its large body
// on disk, to be stored; NULL with why. Blocking.
int spool_export_words(struct spool *spool, uint64_t id, struct buf *words, struct why *why);
struct message *spool_import(struct spool *spool, struct span words, struct span content,
                             struct why *why);

// A large body on its way in: written in the thread pool (all calls blocking), synced before its MESSAGE
// is stored. finish fills m->large, large_sum, body_bytes; abort unlinks. Both end `large`, also when
// finish fails. discard: the file of a message that was finished and will not be stored (a store that
// is refused does that itself).
struct spool_large;
struct spool_large *spool_large_begin(struct spool *spool, struct why *why);
int spool_large_write(struct spool_large *large, const void *bytes, size_t n, struct why *why);
int spool_large_finish(struct spool_large *large, struct message *m, struct why *why);
void spool_large_abort(struct spool_large *large); // accepts NULL
void spool_large_discard(struct spool *spool, struct message *m);

// Which deliveries are under way (a message and a recipient domain), known to the next start also after a crash of the
// program. Any thread.
//
// begin: a number for end; 0: not known (there are too many, or no space). end: `whole` where the attempt came to its
// end, whatever that was; then nothing is held against it any more.
unsigned spool_begin(struct spool *spool, uint64_t id, const char *domain);
void spool_end(struct spool *spool, unsigned number, bool whole);
// At how many unclean ends it was under way, since it last came to an end.
unsigned spool_crashes(struct spool *spool, uint64_t id, const char *domain);

// The process ends now, and no delivery is the cause. Any thread.
void spool_excuse(struct spool *spool);

// Bytes of memory that the spool keeps for a stored message with so many open recipients, besides the message.
size_t spool_footprint(size_t nrcpts);

// Any thread, cheap.
// False: with what is on its way in, less than the reserve would be free → 452 4.3.1.
bool spool_room(struct spool *spool);
bool spool_room_for(struct spool *spool, uint64_t bytes);
uint64_t
spool_free_bytes(struct spool *spool); // on its disk, for an ordinary user; a second old at most
// So many bytes are on their way in for this message: they count as taken until it is stored or freed.
void spool_promise(struct spool *spool, struct message *m, uint64_t bytes);
bool spool_healthy(struct spool *spool); // false: results cannot be recorded → start no delivery
struct spool_state {
    uint64_t messages, bytes, segments, syncs, stored, results;
    int64_t oldest_ms; // when the oldest message was accepted; 0: there is none
    bool healthy, room;
};
void spool_get_state(struct spool *spool, struct spool_state *out);
const struct histogram *spool_sync_times(const struct spool *spool);

#endif
