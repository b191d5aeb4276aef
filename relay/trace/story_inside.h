// SPDX-License-Identifier: ISC
// The inside of the story: story.c tells records, story_route.c a route and what changed in it, story_attempt.c an
// attempt with its connection. All of them put a line together in `text` and say it with story_say (story_line.c).
#ifndef RELAY_TRACE_STORY_INSIDE_H
#define RELAY_TRACE_STORY_INSIDE_H

#include "relay/trace/story.h"

#define STORY_TEXT 65536 // bytes of one line
#define STORY_MOST INT64_C(1000000000000000)

struct story {
    struct story_options options;
    struct buf text;
    int64_t at_ms;      // of the record
    json_t *route;      // as told last; NULL: none yet
    json_t *chain;      // certificates as told last
    json_t *connection; // as told last
    json_t *why;        // why the last attempt was left, as told
};

// story_line.c. `text` is told and emptied; where it is empty nothing is.
void story_say(struct story *s, const char *head, enum story_mood mood);
void story_part(struct story *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void story_day(struct buf *out, int64_t s); // "2026-11-27"
// A time or a number of a record: whatever the file says, it can be reckoned with.
int64_t story_moment(const json_t *record, const char *key); // ms, of the years 1970 to 9999
int64_t story_number(const json_t *record, const char *key); // 0 to STORY_MOST
void story_address(struct story *s, const char *address);
// "why" of a record: sentence, reply, name and who must act.
void story_why(struct story *s, const json_t *why);
// A reply on one line; whole, or as much as a screen bears.
void story_reply(struct story *s, const char *reply);

void story_route(struct story *s, const json_t *route);    // story_route.c
void story_attempt(struct story *s, const json_t *record); // story_attempt.c

#endif
