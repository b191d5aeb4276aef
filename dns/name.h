// SPDX-License-Identifier: ISC
// Domain names as text, the way every table of this folder keys them: lower case, labels joined by
// dots, no final dot, the root as "". Any byte but dot, backslash and NUL may stand in a label; a name
// with one of those in a label has no text here, so that no two names share one.
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_TEXT 256 // bytes of a name as text, with the NUL, and then some

// False when the name cannot be asked: an empty label, a label over 63 octets, over 253 octets in all.
bool name_normal(const char *name, char out[static NAME_TEXT]);
// The same, for names that are only shown: one that cannot be asked comes back in lower case.
char *name_lower(const char *name); // caller frees
// Could be the name of a host (RFC 1123 section 2.1): letters, digits, hyphens and, since they are met,
// underscores; no address, and nothing that could mean something to a terminal, a page or a URL.
bool name_is_host(const char *name);
// For people and logs: bytes that no host name has as \DDD (RFC 1035 section 5.1); cut where out is full.
void name_show(const char *name, char *out, size_t room);
// Whether `name` is `parent` or below it; both normal.
bool name_below(const char *name, const char *parent);

#endif
