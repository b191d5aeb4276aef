// SPDX-License-Identifier: ISC
// The bytes of a spool segment: pure encoding and decoding, no I/O. All numbers are little-endian.
//
//   segment header, 64 bytes, written twice (at 0 and at 64: one bad byte must not cost a segment)
//     0  "WXSPOOL\n"      8  format version, 4      12  zero, 4      16  segment number, 8
//    24  random, 16      40  XXH3-128 of bytes 0-39, 16              56  zero, 8
//   Every version keeps magic, version and checksum where they are, so that a newer one is known as that.
//
//   record, from byte 128 on, one behind the other
//     0  "WXr\x1a"        4  type, 4                 8  payload length, 8       16  message id, 8
//    24  text length, 8 (the payload's first part)  32  synced, 8: the log was on disk up to here when
//    this record was written; what is damaged below was accepted, what is torn above never was
//    40  sum of the text, 16     56  sum of the rest, 16     72  sum of bytes 0-71, 16     88  payload
//   A sum is XXH3-128 under a secret made of the segment's random bytes and number, over the record's
//   offset, which part it is, and the bytes: a copy of a record is no record anywhere else.
//
//   type      id               text (relay/spool/format_text.h)      rest
//   MESSAGE   message          envelope                         prefix, header, body (unless large)
//   RESULT    message          recipient and outcome            -
//   INDEX     0                -                                a row of 40 bytes for each record before:
//                                                               offset, id, length, text, type (8 each)
//   END       offset of INDEX  -                                -
//   A sealed segment ends with INDEX and END; a segment in use may end with zeros (space taken ahead).
#ifndef RELAY_SPOOL_FORMAT_H
#define RELAY_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/buf.h"

// Version 2 has texts that version 1 does not know; what version 1 wrote reads the same in both.
#define SEGMENT_VERSION 2
#define SEGMENT_OLDEST  1
#define SEGMENT_HEAD    128 // bytes before the first record
#define SEGMENT_RECORD  88  // bytes of a record before its payload
#define SEGMENT_ROW     40  // bytes of an index row
#define SEGMENT_SUM     16

enum segment_type { SEGMENT_MESSAGE = 1, SEGMENT_RESULT, SEGMENT_INDEX, SEGMENT_END };

// Who a segment is, and the secret that its sums are made with. A value.
struct segment_key {
    uint64_t number;
    unsigned char random[16];
    unsigned char secret[192];
};

// A record's place and shape; total bytes: SEGMENT_RECORD + length.
struct segment_record {
    enum segment_type type;
    uint64_t offset, id, length, text, synced;
    unsigned char text_sum[SEGMENT_SUM], rest_sum[SEGMENT_SUM];
};

struct segment_index {
    struct segment_record *rows;
    size_t n, cap;
};

// One part of what a sum covers.
enum segment_part { PART_HEAD, PART_TEXT, PART_REST };

void segment_key_make(struct segment_key *key, uint64_t number, const unsigned char random[16]);
void segment_head_encode(const struct segment_key *key, unsigned char out[static SEGMENT_HEAD]);
// What the first n bytes of a file are; the key is made when they are OURS.
enum segment_head { HEAD_OURS, HEAD_DAMAGED, HEAD_OTHER_VERSION };
enum segment_head segment_head_decode(const unsigned char *bytes, size_t n,
                                      struct segment_key *key);

// The sum of one part, of which there may be several pieces.
void segment_sum(const struct segment_key *key, uint64_t offset, enum segment_part part,
                 const struct span *pieces, size_t n, unsigned char out[static SEGMENT_SUM]);
// All fields of `r`, sums included, must be set.
void segment_record_encode(const struct segment_key *key, const struct segment_record *r,
                           unsigned char out[static SEGMENT_RECORD]);
// True when `bytes` (SEGMENT_RECORD of them, read at `offset` of a file that ends at `end`) begin a
// record of this segment at this place whose payload fits. Nothing is known of the payload yet.
bool segment_record_decode(const struct segment_key *key, uint64_t offset, uint64_t end,
                           const unsigned char *bytes, struct segment_record *r);
bool segment_text_whole(const struct segment_key *key, const struct segment_record *r,
                        struct span text);
bool segment_rest_whole(const struct segment_key *key, const struct segment_record *r,
                        struct span rest);
// The first place in `bytes` where a record may begin; n if there is none (the last three bytes may
// be the beginning of one).
size_t segment_find_magic(const unsigned char *bytes, size_t n);

void segment_index_add(struct segment_index *index, const struct segment_record *r);
void segment_index_free(struct segment_index *index);
// INDEX and END as they are to be written at `offset`.
void segment_index_encode(const struct segment_key *key, const struct segment_index *index,
                          uint64_t offset, uint64_t synced, struct buf *out);
// The rows of a checked INDEX payload; false when they are not ascending, overlap or pass `end`.
bool segment_index_decode(struct span rows, uint64_t end, struct segment_index *index);

#endif
