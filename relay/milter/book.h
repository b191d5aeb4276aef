// SPDX-License-Identifier: ISC
// What filters came to, by their names: for metrics, status and the alarm when one is away. One object in a
// process, behind a mutex that is taken once a message and filter. Any thread.
#ifndef RELAY_MILTER_BOOK_H
#define RELAY_MILTER_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/inbox.h"

// What a filter came to for a message. FAILED: it could not be asked, or not understood.
enum milter_noted {
    NOTED_ACCEPTED,
    NOTED_CHANGED,
    NOTED_HELD,
    NOTED_DISCARDED,
    NOTED_REFUSED,
    NOTED_DEFERRED,
    NOTED_FAILED,
    MILTER_NOTED
};
const char *milter_noted_word(enum milter_noted what); // "accepted"

#define MILTER_BOOK_ROWS 64 // names that are told apart; later ones are not counted
struct milter_row {
    char name[65];
    uint64_t n[MILTER_NOTED];
    int64_t away_ms;  // wall clock since when it fails; 0: it answers
    char reason[160]; // why it failed last
};

struct milters;
struct milters *milter_book_new(void);
void milter_book_free(struct milters *book); // accepts NULL
// `reason` NULL: it answered. Writes the alarm where it has begun to fail, once in MILTER_TOLD_MS at most, and
// says when it has healed. book NULL: nothing.
#define MILTER_TOLD_MS 900000
void milter_book_note(struct milters *book, const char *name, enum milter_noted what,
                      const char *reason);
// A turn at a filter, of which there are `most` at once in the whole relay. *now: go on; else `go` is called on
// mail's loop when others have given theirs back. book NULL: there is always one.
struct milter_turn;
struct milter_turn *milter_turn_take(struct milters *book, const char *name, uint64_t most,
                                     struct inbox *mail, void (*go)(void *arg), void *arg,
                                     bool *now);
// At any time, on the loop of `mail`; go is not called any more. Accepts NULL.
void milter_turn_give_back(struct milter_turn *turn);

// In the order in which they were met; returns how many. book NULL: none.
size_t milter_book_read(struct milters *book, struct milter_row out[static MILTER_BOOK_ROWS]);

#endif
