// SPDX-License-Identifier: ISC
// The stage for stories about the queue: a real spool in a directory of its own, real routes over an empty DNS,
// workers whose loops the test turns itself, and two MX hosts: one for example.test (and other.test, on the
// same hosts), one for the senders' domain us.test.
#ifndef TESTS_UNIT_QUEUE_STORY_H
#define TESTS_UNIT_QUEUE_STORY_H

#include "relay/queue/queue.h"
#include "tests/unit/fakemx.h"

#define QUEUE_STORY_WORKERS 2

struct queue_story {
    char directory[64]; // of the spool
    struct mx *mx;      // example.test, other.test
    struct mx *home;    // us.test
    struct relay relay;
    struct worker workers[QUEUE_STORY_WORKERS];
    struct worker *list[QUEUE_STORY_WORKERS];
    struct config *config;
    struct setup *setup;
    const char *next_hop;            // of QUEUE_REDIRECT
    const struct spool_files *files; // of the spool at its next opening; NULL: the system's
    const char *answers;             // of the DNS, a file
    struct message **found;          // by the last opening of the spool
    size_t nfound, found_room;
};

// `delivery`: further settings of the configuration's delivery, ended by a comma each; `more`: further lines.
void queue_story_begin(struct queue_story *s, const char *delivery, const char *more);
// The same with a whole configuration and an answer file for the DNS, in a folder made by mkdtemp; without the two hosts.
void queue_story_open(struct queue_story *s, const char *folder, const char *yaml,
                      const char *answers);
void queue_story_end(struct queue_story *s);
// Ends workers and spool as a clean stop does, and opens the spool again: what it found stands in `found`
// until queue_story_adopt gives it to the queue.
void queue_story_restart(struct queue_story *s);
void queue_story_adopt(struct queue_story *s);

// A message for the recipients (up to the NULL, domain behind the @), not yet stored: change its envelope, then
// hand it over. body_bytes > 0: a body of that size in a file of its own.
struct message *queue_story_message(const char *from, ...);
void queue_story_large(struct queue_story *s, struct message *m, size_t body_bytes);
uint64_t queue_story_accept(struct queue_story *s, struct message *m); // stored and queued; its id

// Turns the loops until the condition holds; fails the test after 20 s without.
typedef bool queue_story_condition(struct queue_story *s);
void queue_story_until(struct queue_story *s, queue_story_condition *condition);
void queue_story_turn(struct queue_story *s);
// Rows of all workers for the verb on one message (0: all); how many there were, the first in *row.
size_t queue_story_do(struct queue_story *s, enum queue_verb verb, uint64_t id,
                      struct queue_row *row);
size_t queue_story_filter(struct queue_story *s, enum queue_verb verb,
                          const struct queue_filter *filter, struct queue_row *row);

#endif
