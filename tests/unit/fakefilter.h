// SPDX-License-Identifier: ISC
// A filter that speaks the milter protocol as a story tells it to: on a thread of its own, one connection after the
// other. Its lies are part of the protocol's bytes, so it is written without the relay's own code.
#ifndef TESTS_UNIT_FAKEFILTER_H
#define TESTS_UNIT_FAKEFILTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fakefilter {
    // Set before the session that it is for.
    uint32_t version, actions, steps;
    char cut_at; // closes the connection where this command comes
    // Closes after so many bytes of its own, or of the relay's, in a connection; SIZE_MAX: never.
    size_t cut_said, cut_heard;
    size_t said, heard; // in the last connection
    char silent_at;     // says nothing to this command
    char say_at;        // answers this command with `say` ...
    const char *say;
    size_t say_bytes;
    bool drip;      // ... a byte at a time
    char answer_at; // answers this command with `answer` instead of 'c'
    char answer;
    unsigned char changes[1 << 20]; // sent at the end of the message, before `last`
    size_t nchanges;
    char last; // the answer to the end of the message; 0: 'c'

    unsigned port;
    char path[108]; // of a Unix socket; "": TCP
    atomic_uint connections;
    // What it saw: one line a packet, letter and data, NUL as '|', LF as '/'.
    char seen[1 << 16];
    size_t nseen;
    size_t body_bytes;
    // inside
    unsigned char data[1 << 17]; // the packet that it reads
    int fd;
    atomic_bool stop;
    pthread_t thread;
    pthread_mutex_t lock;
};

void fakefilter_begin(struct fakefilter *f, const char *unix_path); // NULL: TCP on loopback
void fakefilter_reset(struct fakefilter *f); // answers 'c' to everything again
void fakefilter_end(struct fakefilter *f);
// Adds one packet to what it says at the end; data may hold NULs.
void fakefilter_change(struct fakefilter *f, char code, const void *data, size_t n);
#define FAKEFILTER_CHANGE(f, code, text) fakefilter_change(f, code, text, sizeof(text))
bool fakefilter_saw(struct fakefilter *f, const char *line_start);

#endif
