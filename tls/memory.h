// SPDX-License-Identifier: ISC
// TLS memory: what each (domain, MX host) proved before, so that less can be told from a downgrade. A table
// on the routes thread, kept on disk by relay/state/state.h. Learned from finished handshakes only.
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

#include "tls/policy.h"

// What is known of a domain: one row a known host.
struct memory_row {
    char *host;
    int64_t seen_s;
    enum memory_owes owes; // what it proved (a DANE-EE proof teaches OWES_TLS only)
    bool dane;             // it had usable TLSA records
};
struct memory_view {
    struct memory_row *rows;
    size_t n;
};
void memory_view_free(struct memory_view *view);

struct tls_memory;
struct tls_memory *tls_memory_new(void);
void tls_memory_free(struct tls_memory *memory); // accepts NULL
// Raises or renews a row. A lower proof does not lower what is remembered before it is `days` old.
// True when the row is worth writing: what it claims has changed, or the day it was last seen.
bool tls_memory_learn(struct tls_memory *memory, const char *domain, const char *host,
                      enum memory_owes owes, bool dane, int64_t now_s, uint64_t days);
// The row as the table has it: what is to be written after a learn. NULL without one; borrowed.
const struct memory_row *tls_memory_row(const struct tls_memory *memory, const char *domain,
                                        const char *host);
// A copy of the domain's rows, not older than `days`.
void tls_memory_get(const struct tls_memory *memory, const char *domain, int64_t now_s,
                    uint64_t days, struct memory_view *out);
// host NULL: all of the domain. Returns how many rows were forgotten.
size_t tls_memory_forget(struct tls_memory *memory, const char *domain, const char *host);
void tls_memory_each(const struct tls_memory *memory,
                     void (*fn)(const char *domain, const struct memory_row *row, void *arg),
                     void *arg);

#endif
