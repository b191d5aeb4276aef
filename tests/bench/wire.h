// SPDX-License-Identifier: ISC
// One non-blocking connection of the benchmark's programs: bytes in, bytes out, TLS when started.
// For the load generator and the sink alone; never linked into the relay.
#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define WIRE_IN 65536

struct wire {
    int fd;
    gnutls_session_t tls; // NULL: in clear
    bool shaking;         // the handshake is under way
    char in[WIRE_IN];     // what was read and not yet taken
    size_t in_len;
    char *out; // what is to be written, from out_at on
    size_t out_at, out_len, out_cap;
};

void wire_init(struct wire *w, int fd);
void wire_close(struct wire *w);
void wire_put(struct wire *w, const void *data, size_t n);
void wire_puts(struct wire *w, const char *text);
// The first line without its line end, or NULL when there is none yet; `*n` its length.
const char *wire_line(struct wire *w, size_t *n);
// Drops n bytes from the front of what was read.
void wire_take(struct wire *w, size_t n);
void wire_start_tls(struct wire *w, unsigned side, gnutls_certificate_credentials_t credentials);
// Reads and writes what goes without waiting; -1: the connection is over.
int wire_turn(struct wire *w);
// A socket that connects to, or listens on, a numeric address; exits with a message on failure.
int wire_connect(const char *address, const char *port);
int wire_listen(const char *address, const char *port);
_Noreturn void wire_die(const char *what);
double wire_now(void); // seconds of the real-time clock

#endif
