// SPDX-License-Identifier: ISC
// What is in a trust anchor file: the key tags, so that people can be told which keys it knows.
// libunbound reads the file itself.
#ifndef DNS_ANCHOR_H
#define DNS_ANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/span.h"

#define ANCHOR_KEYS 16
#define ANCHOR_SIZE 65536 // bytes, the largest trust anchor file read

struct anchor {
    uint16_t tags[ANCHOR_KEYS];
    size_t n;
};

// DNSKEY lines (their tag is computed, RFC 4034 appendix B) and DS lines; other lines count as nothing.
void anchor_read(struct span text, struct anchor *anchor);
void anchor_load(const char *path, struct anchor *anchor); // a file that cannot be read has none
bool anchor_has(const struct anchor *anchor, uint16_t tag);
void anchor_print(const struct anchor *anchor, char *out, size_t size); // "20326 38696"; "none"

#endif
