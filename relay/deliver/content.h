// SPDX-License-Identifier: ISC
// The bytes of one message as they go out: prefix, received header without what is left out, body. Counted;
// several deliveries of a message share one while it is in memory, on whatever thread they are. No byte
// changes after signing: the cursor hands out pieces of what the spool has on disk, and dots are stuffed on
// the way to the wire (RFC 5321 section 4.5.2).
#ifndef RELAY_DELIVER_CONTENT_H
#define RELAY_DELIVER_CONTENT_H

#include <uv.h>
#include "relay/message/message.h"
#include "relay/worker/relay.h"

#define CONTENT_CHUNK 131072 // bytes of a large body read at once

struct content;

// Moves the bytes out of a message that is in memory (it counts as forgotten afterwards). Before the
// message is known to a second thread. Its bytes are counted in counters.memory_now while they live.
struct content *content_take(struct relay *relay, struct message *m);
struct content *content_ref(struct content *c);
void content_unref(struct content *c);          // accepts NULL; any thread
uint64_t content_size(const struct content *c); // bytes that DATA carries before stuffing
uint64_t content_own(const struct content *c);  // of them in front: the lines that this relay wrote
// The header fields as sent, for a DSN; up to out's ceiling.
int content_header(const struct content *c, struct buf *out);

// Brings the bytes back from the spool, in libuv's thread pool. `fn` runs once on the loop, never inside
// the call: content with a reference for the callee, or NULL with why. Cancelled: not at all.
struct content_load;
typedef void content_fn(struct content *c, const struct why *why, void *arg);
struct content_load *content_load(struct worker *worker, struct message *m, content_fn *fn,
                                  void *arg);
// The same where content_load failed: the header alone of a message whose large body is lost, or NULL.
struct content_load *content_load_header(struct worker *worker, struct message *m, content_fn *fn,
                                         void *arg);
void content_load_cancel(struct content_load *load); // accepts NULL

// Walks the pieces in memory, in order. Zeroed to begin; false: no more (a large body follows from its file).
struct content_cursor {
    unsigned stage;
    size_t range;
};
bool content_next(const struct content *c, struct content_cursor *cursor, struct span *piece);
bool content_is_large(const struct content *c);

// Reads the next chunk of a large body in the thread pool: n bytes at `data`, valid until the next call; 0 at
// the end; -1 with why. Same rules of calling as content_load. One read at a time.
struct content_reader;
typedef void content_read_fn(const void *data, ssize_t n, const struct why *why, void *arg);
struct content_reader *content_reader(struct worker *worker, struct content *c, content_read_fn *fn,
                                      void *arg);
void content_read(struct content_reader *reader);
bool content_reading(const struct content_reader *reader); // a read is under way
void content_reader_free(
    struct content_reader *reader); // accepts NULL; also while a read is under way

// Dot-stuffing. Pieces may be cut anywhere; `put` gets long runs.
typedef void content_put(void *to, const void *bytes, size_t n);
struct content_stuffer {
    unsigned char last[2]; // the two bytes before; CR LF to begin
};
void content_stuff_begin(struct content_stuffer *s);
void content_stuff(struct content_stuffer *s, struct span piece, content_put *put, void *to);
// The missing last CRLF where it is missing, and the final dot.
void content_stuff_end(struct content_stuffer *s, content_put *put, void *to);

#endif
