// SPDX-License-Identifier: ISC
// The inside of relay/trace/. trace.c owns the queue and the thread, store.c what the thread does with a record:
// the ring, and where each piece stands in its present file. Callers touch the queue alone.
#ifndef RELAY_TRACE_INSIDE_H
#define RELAY_TRACE_INSIDE_H

#include "relay/trace/ring.h"
#include "relay/trace/trace.h"

#define STORE_PIECES                                                                               \
    65536 // places of pieces remembered; then all are forgotten, and stand there once more
#define STORE_BATCH    1048576 // bytes of lines that are written at once
#define STORE_AGAIN_MS 1000    // between two attempts to begin a file

// A record in the queue: this, its keys, its text.
struct trace_frame {
    uint32_t text, nkeys; // bytes; numbers
    uint32_t nrefs;
    struct trace_ref refs[TRACE_REFS];
};

struct store;
struct store *store_new(void);
void store_free(struct store *s);
// -1 with why: the directory is of no use.
int store_open(struct store *s, const struct ring_options *options, struct why *why);
bool store_is_open(const struct store *s);
void store_close(struct store *s);
void store_set(struct store *s, const struct ring_options *options);
// One record; what waits is written when it is enough. The frame's pieces stay the caller's.
void store_add(struct store *s, const struct trace_frame *frame, const unsigned char *keys,
               struct span text);
void store_write(struct store *s); // what waits
void store_tidy(struct store *s);
// Since the start: records written and lost; *bytes of the ring. `why` of the last loss.
uint64_t store_written(const struct store *s);
uint64_t store_lost(const struct store *s);
uint64_t store_bytes(const struct store *s);
const struct why *store_trouble(const struct store *s);

#endif
