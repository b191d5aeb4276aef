// SPDX-License-Identifier: ISC
// What a node's configuration is, in few bytes, so that others can tell where theirs differs: a digest of each key of
// the first level. What is a node's own (addresses, paths, names) does not count, nor where its name stands in others.
#ifndef RELAY_FLEET_FINGERPRINT_H
#define RELAY_FLEET_FINGERPRINT_H

#include <jansson.h>
#include "config/config.h"

#define FINGERPRINT_MAX  8192 // bytes of one as text
#define FINGERPRINT_KEYS 128  // keys of one that another node wrote

// {"delivery": "0123456789abcdef", …} as text; the caller frees it.
char *fingerprint_of(const struct config *config);
// Reads what a node wrote; NULL: it is none. A new reference.
json_t *fingerprint_read(const char *text);
// The names of the keys by which two of them differ, a new array.
json_t *fingerprint_differences(const json_t *a, const json_t *b);

#endif
