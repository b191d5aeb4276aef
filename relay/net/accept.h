// SPDX-License-Identifier: ISC
// Taking connections from a listening socket, one turn of the loop at a time. Where no descriptor is left it
// sends away whoever waits with a spare one, rests for a moment and goes on: never a busy loop, never a log that
// fills up, and never the end of the process.
#ifndef RELAY_NET_ACCEPT_H
#define RELAY_NET_ACCEPT_H

#include <stdbool.h>
#include <uv.h>
#include "relay/base/why.h"

#define ACCEPT_TURN     16   // connections taken in one turn of the loop
#define ACCEPT_QUIET_MS 1000 // how long a connection is left alone where descriptors are short
#define ACCEPT_REST_MS  250  // how long it rests where there is no descriptor

struct acceptor;

struct acceptor_options {
    const char *name; // of the listener, for the log; copied
    const char *busy; // what a client hears who is sent away; static; NULL: nothing
    bool
        insist; // nobody is sent away: with the spare descriptor one at a time is served all the same
    // Where there is no descriptor: closes a connection of its own that asks nothing. False: there is none. May be
    // NULL.
    bool (*make_room)(void *arg); // nobody younger than ACCEPT_QUIET_MS: he may be about to ask
    void (*client)(void *arg, int fd); // owns fd (non-blocking, close-on-exec)
    void (*closed)(void *arg);         // after acceptor_close: the last that is heard; may be NULL
    void *arg;
};

// Takes over the bound socket `fd` in any case. NULL with why.
struct acceptor *acceptor_open(uv_loop_t *loop, int fd, const struct acceptor_options *options,
                               struct why *why);
void acceptor_hold(struct acceptor *a); // takes nobody; they wait in the kernel's queue
void acceptor_resume(struct acceptor *a);
// Closes the socket now. Accepts NULL (`closed` is not called then).
void acceptor_close(struct acceptor *a);

// How many clients a process with this limit on descriptors can serve at once, and still deliver and write.
uint64_t acceptor_room(void);

#endif
