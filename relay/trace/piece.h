// SPDX-License-Identifier: ISC
// A piece of a trace that many records share, and each ring file has once: a route, a connection, a chain of
// certificates, a long reply. Immutable and counted; any thread.
#ifndef RELAY_TRACE_PIECE_H
#define RELAY_TRACE_PIECE_H

#include <stdatomic.h>
#include "relay/base/buf.h"
#include "tls/shown.h"

#define PIECE_DIGEST 16

struct trace_piece {
    atomic_uint refs;
    unsigned char
        digest[PIECE_DIGEST];  // equal pieces have equal ones; nobody outside can aim at one
    struct trace_piece *inner; // what it refers to as `inner_key`; NULL: nothing
    const char *inner_key;
    struct shown *shown; // a chain: its text is written when it is first stored
    size_t n;
    char text[]; // members of a JSON object (relay/trace/text.h) without its braces
};

// A reference for the caller; the text is copied, `inner` (NULL: none) is taken over.
struct trace_piece *piece_new(struct span text, const char *inner_key, struct trace_piece *inner);
struct trace_piece *piece_of_reply(struct span text); // {"text":…}
// What a handshake showed; NULL where it showed no certificate. Takes a reference of its own.
struct trace_piece *piece_of_chain(struct shown *shown);
struct trace_piece *piece_ref(struct trace_piece *p); // accepts NULL
void piece_unref(struct trace_piece *p);              // accepts NULL
// The members as they are stored; begins and fills `out`.
void piece_text(const struct trace_piece *p, struct buf *out);

#endif
