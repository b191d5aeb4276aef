// SPDX-License-Identifier: ISC
// The ring files of traces: lines are appended, whole files go, the oldest first. One writer, the thread of
// relay/trace/trace.c; readers need nothing of this (relay/trace/read.h).
//
//     DIRECTORY/00000000000000000007.trace   "waxwing trace 1 CREATED_MS\n", then lines: SUM OBJECT\n
//     DIRECTORY/00000000000000000007.keys    what its lines are found by, as it came (relay/trace/keys.h)
//     DIRECTORY/00000000000000000006.index   the same, sorted: that file is complete
//
// SUM is 16 hexadecimal digits, XXH3-64 of OBJECT. A line that does not fit its sum, such as a torn one at the end,
// counts for nothing. Objects refer to others of the same file by their place, so that a file that goes takes all of
// its own with it. Nothing is ever synced: a loss of power costs the newest lines.
//
// No more than `size` bytes are kept in all; a file goes when its last line is older than `keep`; and while the file
// system has less than `reserve` bytes free, the ring does not grow: the oldest file makes room for the newest lines.
#ifndef RELAY_TRACE_RING_H
#define RELAY_TRACE_RING_H

#include "relay/base/buf.h"
#include "relay/base/why.h"

#define RING_FILES 128      // of which `size` is made
#define RING_LEAST 65536    // bytes of one file at least, however small `size` is
#define RING_MOST  16777216 // and at most
#define RING_PARTS 16       // of `keep` that one file holds: what is kept too long is a part of it
#define RING_LOOK_MS                                                                               \
    600000 // a file that seems too old has to seem so again after this time: the clock may be wrong
#define RING_HEAD 64 // bytes of a first line at most
#define RING_SUM  16

struct ring;

struct ring_options {
    const char *directory; // made where it is not there
    uint64_t size, keep;   // bytes; ms. size 0: nothing is kept
    uint64_t reserve;      // bytes that stay free, or a tenth of the file system where that is less
    const char *beside; // a directory; on the same file system `reserve` counts whole. NULL: none
};
// Goes on in the newest file; a torn end of it is cut. NULL with why.
struct ring *ring_open(const struct ring_options *options, struct why *why);
void ring_set(struct ring *r, const struct ring_options *options); // but for the directory
void ring_close(struct ring *r);                                   // accepts NULL

// Room for n more bytes of lines behind `waiting` ones, which the caller has not appended yet. False: the file is
// full, or none is open: ring_turn begins the next one, when they are appended.
bool ring_fits(const struct ring *r, size_t waiting, size_t n);
uint64_t ring_place(const struct ring *r); // where the next line will stand
int ring_turn(struct ring *r, struct why *why);
// Whole lines, and the keys of them. -1 with why: none of it counts, the file is as it was before.
int ring_append(struct ring *r, struct span lines, struct span keys, struct why *why);
// What is too old goes, and a file that has been begun long ago ends. From time to time.
void ring_tidy(struct ring *r);
uint64_t ring_bytes(const struct ring *r); // on disk

// "SUM OBJECT\n" behind what is in `out`; `object` is without its braces.
void ring_line(struct buf *out, struct span object);
// The same, read: the object of a line without its end. False: it does not fit its sum.
bool ring_line_read(struct span line, struct span *object);
// "…/NUMBER.trace" and the like, in one piece that the caller frees. What: "trace", "keys", "index".
char *ring_path(const char *directory, uint64_t number, const char *what);
// The numbers of the ring files, ascending; the caller frees *numbers. -1: errno says why.
int ring_list(const char *directory, uint64_t **numbers, size_t *n);

#endif
