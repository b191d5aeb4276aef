// SPDX-License-Identifier: ISC
// A message's records told as a story, line by line, for `waxwing trace` and the page: what came when, what was
// decided by which records, what each attempt met, what changed in between. What was the same as before is not told
// again. Strangers' words are in it as they came (in JSON): who prints it makes them safe for his screen.
//
//     struct story *story = story_new(&options);
//     read_message(directory, id, story_add, story, &n, &why);      (relay/trace/read.h)
//     story_free(story);
#ifndef RELAY_TRACE_STORY_H
#define RELAY_TRACE_STORY_H

#include <jansson.h>
#include <stdint.h>
#include "relay/base/buf.h"

enum story_mood { STORY_PLAIN, STORY_GOOD, STORY_WAIT, STORY_BAD };

struct story_line {
    int64_t at_ms; // wall clock; 0: of the line before
    const char
        *head; // a word or two: "received", "attempt 2"; "": the line goes on with the one before
    enum story_mood mood;
    const char *text;
};

struct story_options {
    bool mask; // whatever looks like an address is without its local part
    bool full; // every reply whole, every certificate with its digests
    void (*line)(const struct story_line *line, void *arg); // strings live until it returns
    void *arg;
};

struct story;
struct story *story_new(const struct story_options *options);
bool story_add(const json_t *record, void *story); // in their order; always true
void story_free(struct story *story);              // accepts NULL

#endif
