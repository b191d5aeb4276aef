// SPDX-License-Identifier: ISC
// The story of each message, kept in ring files of its own (relay/trace/ring.h): how it came, how it was judged and
// signed, each route, each attempt with its connection, each result. Never any content of a message.
//
//     struct trace_record r;
//     trace_begin(&r, relay->trace, env->id, "received");
//     text_string(&r.out, "client", env->client);       (relay/trace/text.h)
//     trace_key(&r, TRACE_KEY_ADDRESS, address);
//     trace_end(&r);
//
// Whoever tells something pays for its text and a copy into a queue with a ceiling; the rest is the trace thread's.
// Where the queue is full or the disk takes nothing, records are lost, counted and told by an alarm; nobody waits.
// What is under way when the process is killed is lost: TRACE_GATHER_MS of it.
#ifndef RELAY_TRACE_TRACE_H
#define RELAY_TRACE_TRACE_H

#include "config/config.h"
#include "relay/trace/keys.h"
#include "relay/trace/piece.h"
#include "relay/trace/text.h"

#define TRACE_QUEUE     8388608 // bytes of records that wait for the thread
#define TRACE_RECORD    262144  // bytes of one record
#define TRACE_USUAL     800     // and of most
#define TRACE_GATHER_MS 100     // that a record waits for others
#define TRACE_REFS      8       // pieces that one record refers to
#define TRACE_REPLY     200     // bytes of a reply from which on it is a piece of its own
#define TRACE_TIDY_MS   30000   // how often old files are looked for
#define TRACE_ALARM_MS  3600000 // between two alarms

struct trace;

// Nothing is kept before the first reload. The thread begins with it; where there can be none, nothing is kept.
struct trace *trace_open(void);
// The configuration from now on; without a `size` what is there goes, and nothing is kept.
void trace_reload(struct trace *t, const struct config *config);
// What waits is written and the thread ends; later records go nowhere. Then free. Both accept NULL.
void trace_stop(struct trace *t);
void trace_free(struct trace *t);
// Any thread; NULL: no. What would cost something to find out is worth it.
bool trace_on(const struct trace *t);
// What was told so far is in the files when this returns; for tests and the end of things.
void trace_flush(struct trace *t);

struct trace_state {
    uint64_t written, lost; // records since the start
    uint64_t bytes;         // of the ring files
};
void trace_get_state(struct trace *t, struct trace_state *out); // NULL: zeros

struct trace_record {
    struct trace *trace; // NULL: nobody wants it, and the rest is not there
    struct buf out;      // members of the record's object, to be added to while trace is set
    struct buf keys;
    struct trace_ref {
        const char *key; // static
        struct trace_piece *piece;
    } refs[TRACE_REFS];
    size_t nrefs;
};
// "id", "at" (wall clock, ms) and "event" stand first, and the record is found by its id. False: nobody wants it, and
// nothing else is to be called.
bool trace_begin(struct trace_record *r, struct trace *t, uint64_t id, const char *event);
// The same for something that began at another time.
bool trace_begin_at(struct trace_record *r, struct trace *t, uint64_t id, const char *event,
                    int64_t at_ms);
// It is found by this as well; an address not where addresses are masked.
void trace_key(struct trace_record *r, enum trace_key kind, const char *text);
// A member that is a piece; takes the reference over. NULL: left out. Those of key "replies" become a list, and
// trace_reply puts one there where it is long enough.
void trace_refer(struct trace_record *r, const char *key, struct trace_piece *piece);
// A reply as the next element or member: its text or, where that is long, {"reply":N} of the record's "replies".
// `refs` collects what trace_replies later adds to a record.
struct trace_replies {
    struct trace_piece *at[TRACE_REFS / 2];
    size_t n;
};
void trace_reply(struct buf *out, const char *key, struct span text, struct trace_replies *replies);
void trace_add_replies(struct trace_record *r, struct trace_replies *replies); // leaves none
void trace_replies_clear(struct trace_replies *replies);
void trace_end(struct trace_record *r);

#endif
