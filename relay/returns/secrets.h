// SPDX-License-Identifier: ISC
// The secrets that return addresses are signed with: a file of them, one a line, as postsrsd has it. The first one
// writes, all of them are believed, so that a new one can go in front while addresses of the old ones are still under
// way. Immutable and counted.
#ifndef RELAY_RETURNS_SECRETS_H
#define RELAY_RETURNS_SECRETS_H

#include "relay/base/span.h"
#include "relay/base/why.h"

#define SECRETS_FILE  65536 // bytes
#define SECRETS_MAX   64    // lines
#define SECRETS_SHORT 8     // bytes: a shorter one is none

struct secrets;

// NULL: why says what is wrong with the file.
struct secrets *secrets_load(const char *file, struct why *why);
struct secrets *secrets_parse(struct span text, const char *file, struct why *why); // what it does
struct secrets *secrets_ref(struct secrets *s);                                     // accepts NULL
void secrets_unref(struct secrets *s);                                              // accepts NULL
size_t secrets_count(const struct secrets *s);                                      // 1 at least
struct span secrets_at(const struct secrets *s, size_t i);

#endif
