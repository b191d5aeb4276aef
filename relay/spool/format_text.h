// SPDX-License-Identifier: ISC
// The text of spool records: `key: value` lines ended by LF, readable by people; control bytes and
// backslashes in values are written \xHH. Pure. Unknown keys are an error: another format version.
#ifndef RELAY_SPOOL_FORMAT_TEXT_H
#define RELAY_SPOOL_FORMAT_TEXT_H

#include "relay/spool/spool.h"

// A recipient as it stands: what a copied MESSAGE says instead of its first words.
struct segment_standing {
    int64_t next_ms;
    const char *next_hop; // as the envelope's
    unsigned attempts;
    bool open; // false: left out of the copy
    bool delay_warned;
};

// Adds the envelope of `m` with its sizes (m->prefix_bytes, header_bytes, body_bytes), left-out ranges
// and large file. `standing` has one for each recipient, or is NULL: all open, as in the envelope.
// `damaged`: the record carries no content any more. -1: the ceiling of `out`.
int segment_message_encode(const struct message *m, const struct segment_standing *standing,
                           bool damaged, struct buf *out);
// A new message of these words, not in memory; NULL when they are not a MESSAGE's, or when the sizes
// do not add up to `rest` bytes.
struct message *segment_message_decode(struct span text, uint64_t id, uint64_t rest, bool *damaged);

int segment_result_encode(const struct spool_result *result, struct buf *out);
// The result points into `texts`, which the caller frees; result->why is NULL. -1: not a RESULT's words.
struct segment_texts {
    char *address, *next_hop;
};
int segment_result_decode(struct span text, struct spool_result *result,
                          struct segment_texts *texts);
void segment_texts_free(struct segment_texts *texts);

#endif
