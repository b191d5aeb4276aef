// SPDX-License-Identifier: ISC
// What records are found by: a number made of an id, an address or a Message-ID, and the place of a record in its
// ring file. 12 bytes each in a file beside it, as they came while the file grows (NUMBER.keys), sorted when it is
// complete (NUMBER.index). A number may be that of several texts: whoever finds a record by it has to look.
#ifndef RELAY_TRACE_KEYS_H
#define RELAY_TRACE_KEYS_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

enum trace_key { TRACE_KEY_ID, TRACE_KEY_ADDRESS, TRACE_KEY_MESSAGE_ID };

#define KEYS_HEAD  16 // bytes at the front of the file
#define KEYS_ENTRY 12

// Addresses count without regard to case, a Message-ID without its angle brackets. The same in every process.
uint64_t keys_of(enum trace_key kind, const char *text);
void keys_head(unsigned char out[static KEYS_HEAD]);
void keys_add(struct buf *out, uint64_t key, uint32_t offset);

// The offsets under the key in an open file (`sorted`: an index), ascending and each once, in *offsets (freed by
// the caller; NULL where there is none); returns how many. A file that cannot be read has none.
size_t keys_find(int fd, bool sorted, uint64_t key, uint32_t **offsets);
// Writes a sorted copy of the file `from` to `to`. -1: errno says why, and `to` is not there.
int keys_sort(const char *from, const char *to);
// All the bytes at their place in a file, of keys or of lines. -1: errno says why.
int keys_write_all(int fd, struct span bytes, uint64_t at);

#endif
