// SPDX-License-Identifier: ISC
// The stage for stories about messages that share a connection: as a lane with one connection would, each follows behind
// the one before as soon as that is out, and what comes back unbegun is sent again.
#ifndef TESTS_UNIT_FLIGHT_STORY_H
#define TESTS_UNIT_FLIGHT_STORY_H

#include "tests/unit/deliver_story.h"

#define FLIGHT_MAX 16

struct flight_letter {
    char word[32];             // in its subject
    const char *from;          // NULL: a@us.test
    const char *to[2];         // [1] may be NULL
    enum standing standing;    // of the first recipient
    unsigned attempts, doubts; // sessions that counted; and that ended without knowing
    unsigned backs;            // sessions that did not count
    struct why why;
    char reply[MAX_REPLY_TOLD];
};

struct flight {
    struct story *story;
    struct flight_letter ends[FLIGHT_MAX];
    size_t n;
};

void flight_begin(struct flight *f, struct story *s);
void flight_add(struct flight *f, const char *word, const char *to, const char *also);
// Sends those that are not delivered yet, once each.
void flight_run(struct flight *f);
// Until all are delivered, at most `times` runs; how many are not.
size_t flight_run_all(struct flight *f, unsigned times);
// How often the host accepted the message.
unsigned flight_accepted(struct mx *mx, const struct flight_letter *end);
// The same of a message whose answer came before the host had read it (it had said one reply too many): what is
// delivered is waited for.
unsigned flight_taken(struct mx *mx, const struct flight_letter *end);

#endif
