// SPDX-License-Identifier: ISC
// A message as it arrives: scanned, counted, header kept, body hashed and kept in memory or written
// to a file of its own (relay/spool/spool.h). Never judges the content beyond its line ends and sizes.
//
// Life: receive_new → receive_data or receive_chunk with pieces of at most RECEIVE_PIECE bytes;
// whenever receive_must_write() says so, receive_write before the next piece → receive_verdict →
// for a message with a file receive_write(last) → receive_free. After a fault bytes are swallowed
// to the end of the message.
#ifndef RELAY_INGEST_RECEIVE_H
#define RELAY_INGEST_RECEIVE_H

#include <uv.h>
#include "relay/message/message.h"
#include "relay/worker/relay.h"
#include "sign/canon.h"

#define RECEIVE_PIECE 65536

struct receive;

struct receive_options {
    struct relay *relay; // spool, memory counter
    struct message
        *message; // the caller keeps it alive; header, body and content facts are filled in
    const struct cfg_limits *limits;
    bool chunks; // BDAT
    bool fix_bare_lf;
    uint64_t expected; // SIZE=, 0: not said
    // The header is complete (once, before any body byte is kept). *hashes: what the body is fed
    // to, or NULL. -1 with why refuses the message.
    int (*header)(void *arg, struct body_hashes **hashes, struct why *why);
    void *arg;
};

struct receive *receive_new(const struct receive_options *options);

// DATA: takes bytes up to the end of the message at most; returns how many.
size_t receive_data(struct receive *r, struct span in);
bool receive_ended(const struct receive *r); // CRLF.CRLF was read
// BDAT: takes all of them.
void receive_chunk(struct receive *r, struct span in);
bool receive_is_chunked(const struct receive *r);

// Octets of the longest line so far, without its line end.
uint64_t receive_longest_line(const struct receive *r);
// How many bytes of content came, taken or not.
uint64_t receive_bytes(const struct receive *r);

// The body in memory is due in its file before more is taken.
bool receive_must_write(const struct receive *r);
bool receive_has_file(const struct receive *r);
// Writes it (with `last` also finishes the file and names it in the message) in the thread pool;
// `done` is called once on the loop. -1: a write failed; receive_verdict says so too.
typedef void receive_fn(void *arg);
void receive_write(struct receive *r, uv_loop_t *loop, bool last, receive_fn *done, void *arg);

// The whole message was taken: 0, or -1 with the first fault. Asked again after the last write.
// Before that, -1 as soon as there is a fault.
int receive_fault(const struct receive *r, struct why *why);
int receive_verdict(struct receive *r, struct why *why);

// No write is under way. A file that no stored message names is removed in the thread pool: then
// true is returned and `done` will be called; r is gone either way.
bool receive_free(struct receive *r, bool stored, uv_loop_t *loop, receive_fn *done, void *arg);

// The share of limits.memory in use, in percent.
unsigned receive_memory(struct relay *relay, const struct cfg_limits *limits);

#endif
