// SPDX-License-Identifier: ISC
// What was seen on one connection until mail could go over it, for the traces of all messages that it carries
// (relay/trace/trace.h): when each phase was reached, what the host said. (What the handshake showed is the connection's own.)
#ifndef RELAY_DELIVER_SEEN_H
#define RELAY_DELIVER_SEEN_H

#include "relay/trace/trace.h"

#define SEEN_STEPS 98304 // bytes of the text of a connection

struct seen {
    struct buf steps;   // elements: ["ehlo",MS,"250 …"]; MS since the connection was opened
    struct buf watched; // members: what would have been refused, and was not
    struct trace_piece *piece; // all of it, once mail went over it; NULL: not yet
    int64_t at_ms;             // wall clock: opened
};
struct seen *seen_new(void);
void seen_free(struct seen *seen); // accepts NULL

// What is told of the present connection's part in this attempt (trace.c).
struct deliver_trace {
    bool open;
    uint64_t began_ms;     // clock_mono_ms()
    int64_t at_ms;         // wall clock
    struct buf steps, why; // JSON text
    struct trace_replies replies;
};

#endif
