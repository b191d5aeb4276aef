// SPDX-License-Identifier: ISC
// A message's story in a line: when it came, from whom to whom, and what it came to.
#ifndef RELAY_TRACE_BRIEF_H
#define RELAY_TRACE_BRIEF_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct brief {
    int64_t at_ms;
    char *from, *to, *event; // event: the newest result; NULL: not known
};

// Takes in the message's next record (read_message). Always true. `brief` begins as all zero.
bool brief_add(const json_t *record, void *brief);
void brief_free(struct brief *brief);

#endif
