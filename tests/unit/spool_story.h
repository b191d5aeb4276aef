// SPDX-License-Identifier: ISC
// What the spool's tests have in common: a client that stores messages and waits for the answer, a
// relay that notes results, and a memory of what must still be there after a restart.
#ifndef TESTS_SPOOL_STORY_H
#define TESTS_SPOOL_STORY_H

#include "relay/spool/spool.h"
#include "relay/spool/files.h"

#define STORY_MESSAGES 1024

// What a recovery brought back, in its order; alarms are counted and the last one kept.
struct story {
    struct spool *spool;
    struct spool_options options;
    struct inbox *inbox;
    struct message *found[STORY_MESSAGES];
    size_t nfound;
    unsigned alarms;
    char last_alarm[1024];
    int exit_status;
    struct why why;
};

// A fresh directory below the system's temporary one; free() it. story_remove deletes it with its files.
char *story_directory(void);
void story_remove(const char *directory);

void story_begin(struct story *story, const char *directory, const struct spool_files *files,
                 uint64_t segment_bytes);
int story_open(struct story *story);   // what spool_open returns
void story_close(struct story *story); // also forgets what was found
void story_end(struct story *story);

// A message to one or more recipients (ends with NULL) whose content follows from `seed`.
struct message *story_message(unsigned seed, size_t body_bytes, const char *recipient, ...);
// Stores and waits: 0 or -1 with story->why set. The reference stays the caller's.
int story_store(struct story *story, struct message *m);
void story_note(struct story *story, uint64_t id, const char *address, enum spool_outcome outcome,
                int64_t next_ms);
void story_barrier(struct story *story); // waits
bool story_found(const struct story *story, uint64_t id);
// True when the spool brings the bytes of `m` back.
bool story_same(struct story *story, const struct message *m);

#endif
