// SPDX-License-Identifier: ISC
// Counts and the standing of each filter.
#include "relay/milter/book.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"

struct entry {
    struct milter_row row;
    uint64_t failures; // since it is away
    uint64_t told_ms;  // monotonic; 0: never
    bool told;         // of this absence
    uint64_t turns;    // taken
    struct list waiting;
};

struct milters {
    pthread_mutex_t lock;
    struct entry at[MILTER_BOOK_ROWS];
    size_t n;
};

const char *milter_noted_word(enum milter_noted what)
{
    static const char *const words[] = {"accepted", "changed",  "held",  "discarded",
                                        "refused",  "deferred", "failed"};
    return words[what];
}

struct milters *milter_book_new(void)
{
    struct milters *book = mem_new(sizeof *book);
    pthread_mutex_init(&book->lock, NULL);
    return book;
}

void milter_book_free(struct milters *book)
{
    if (!book)
        return;
    pthread_mutex_destroy(&book->lock);
    free(book);
}

static struct entry *book_find(struct milters *book, const char *name)
{
    for (size_t i = 0; i < book->n; i++)
        if (strcmp(book->at[i].row.name, name) == 0)
            return &book->at[i];
    if (book->n == MILTER_BOOK_ROWS)
        return NULL;
    struct entry *e = &book->at[book->n++];
    list_init(&e->waiting);
    snprintf(e->row.name, sizeof e->row.name, "%s", name);
    return e;
}

// True: the alarm is due.
static bool book_failed(struct entry *e, const char *reason)
{
    uint64_t now = clock_mono_ms();
    e->failures++;
    if (!e->row.away_ms)
        e->row.away_ms = clock_ms();
    snprintf(e->row.reason, sizeof e->row.reason, "%s", reason);
    if (e->told_ms && now - e->told_ms < MILTER_TOLD_MS)
        return false;
    e->told_ms = now;
    return e->told = true;
}

// True: its return is to be told, since its absence was.
static bool book_answered(struct entry *e, struct entry *before)
{
    *before = *e;
    e->row.away_ms = 0;
    e->failures = 0;
    e->told = false;
    return before->told;
}

void milter_book_note(struct milters *book, const char *name, enum milter_noted what,
                      const char *reason)
{
    struct entry before;
    bool fails = false, heals = false;
    if (!book)
        return;
    pthread_mutex_lock(&book->lock);
    struct entry *e = book_find(book, name);
    if (e) {
        e->row.n[what]++;
        fails = reason && book_failed(e, reason);
        heals = !reason && book_answered(e, &before);
    }
    pthread_mutex_unlock(&book->lock);
    if (fails)
        log_alarm("milter", REASON_FILTER_AWAY, "the filter %s does not do its work: %s", name,
                  reason);
    if (heals)
        log_event("milter", "the filter %s answers again; %" PRIu64 " messages met it failing",
                  name, before.failures);
}

// ---- turns

// WAITING: in its entry's list. CALLED: its item is on its way to its loop. HELD: it counts among the turns taken, as
// one that is called does.
struct milter_turn {
    struct item item;
    struct list list;
    enum { WAITING, CALLED, HELD } state;
    struct milters *book;
    struct entry *entry; // NULL: nobody counts
    struct inbox *mail;
    void (*go)(void *arg); // NULL: given back before the call came
    void *arg;
};

// Whoever waits longest has it next.
static void book_pass_on(struct milter_turn *turn)
{
    struct milters *book = turn->book;
    struct entry *e = turn->entry;
    struct milter_turn *next = NULL;
    pthread_mutex_lock(&book->lock);
    if (list_empty(&e->waiting)) {
        e->turns--;
    } else {
        next = list_of(e->waiting.next, struct milter_turn, list);
        list_remove(&next->list);
        next->state = CALLED;
    }
    pthread_mutex_unlock(&book->lock);
    if (next)
        inbox_post(next->mail, &next->item);
    free(turn);
}

static void milter_book_turn_came(struct item *item)
{
    struct milter_turn *turn = list_of(item, struct milter_turn, item);
    turn->state = HELD;
    if (turn->go)
        turn->go(turn->arg);
    else
        book_pass_on(turn);
}

struct milter_turn *milter_turn_take(struct milters *book, const char *name, uint64_t most,
                                     struct inbox *mail, void (*go)(void *arg), void *arg,
                                     bool *now)
{
    struct milter_turn *turn = mem_new(sizeof *turn);
    *turn = (struct milter_turn){.item = {.run = milter_book_turn_came},
                                 .state = HELD,
                                 .book = book,
                                 .mail = mail,
                                 .go = go,
                                 .arg = arg};
    list_init(&turn->list);
    *now = true;
    if (!book)
        return turn;
    pthread_mutex_lock(&book->lock);
    struct entry *e = turn->entry = book_find(book, name);
    if (e && e->turns >= most) {
        list_append(&e->waiting, &turn->list);
        turn->state = WAITING;
        *now = false;
    } else if (e) {
        e->turns++;
    }
    pthread_mutex_unlock(&book->lock);
    return turn;
}

void milter_turn_give_back(struct milter_turn *turn)
{
    if (!turn)
        return;
    if (!turn->entry) {
        free(turn);
        return;
    }
    // Another thread may be calling it at this moment.
    pthread_mutex_lock(&turn->book->lock);
    int state = turn->state;
    if (state == WAITING)
        list_remove(&turn->list);
    pthread_mutex_unlock(&turn->book->lock);
    turn->go = NULL;
    if (state == WAITING)
        free(turn);
    else if (state == HELD)
        book_pass_on(turn);
}

size_t milter_book_read(struct milters *book, struct milter_row out[static MILTER_BOOK_ROWS])
{
    if (!book)
        return 0;
    pthread_mutex_lock(&book->lock);
    size_t n = book->n;
    for (size_t i = 0; i < n; i++)
        out[i] = book->at[i].row;
    pthread_mutex_unlock(&book->lock);
    return n;
}
