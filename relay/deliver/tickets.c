// SPDX-License-Identifier: ISC
// Tickets by key, newest first, and all of them by age. Compares keys and does not judge what they stand for.
#include "relay/deliver/tickets.h"

#include "relay/base/table.h"

#include <pthread.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/worker/relay.h"

struct shelf {
    struct pool_key key;
    struct list tickets; // newest first
    size_t n;
    UT_hash_handle hh;
};

struct ticket {
    struct list alike, all;
    struct shelf *shelf;
    struct buf data;
    bool again;
    struct ticket_proof stands_for;
};

struct tickets {
    pthread_mutex_t lock;
    struct shelf *shelves; // table by key; none is empty
    struct list oldest;    // all tickets
    size_t n, bytes;
    unsigned members; // under `founding`
};

static pthread_mutex_t founding = PTHREAD_MUTEX_INITIALIZER;

struct tickets *tickets_join(struct relay *relay)
{
    pthread_mutex_lock(&founding);
    struct tickets *t = relay->tickets;
    if (!t) {
        t = relay->tickets = mem_new(sizeof *t);
        pthread_mutex_init(&t->lock, NULL);
        list_init(&t->oldest);
    }
    t->members++;
    pthread_mutex_unlock(&founding);
    return t;
}

void tickets_leave(struct tickets *t, struct relay *relay)
{
    pthread_mutex_lock(&founding);
    if (--t->members == 0) {
        tickets_forget(t);
        pthread_mutex_destroy(&t->lock);
        free(t);
        relay->tickets = NULL;
    }
    pthread_mutex_unlock(&founding);
}

bool ticket_still_proves(const struct ticket_proof *proof)
{
    return proof->given && clock_mono_ms() < proof->expires_ms &&
           (!proof->not_after_s || clock_s() < proof->not_after_s);
}

// Whoever calls these holds the lock.

static struct shelf *find_shelf(struct tickets *t, const struct pool_key *key)
{
    struct shelf *shelf;
    HASH_FIND(hh, t->shelves, key, sizeof *key, shelf);
    return shelf;
}

static struct ticket *ticket_of(struct list *entry)
{
    return list_of(entry, struct ticket, alike);
}

static void forget_ticket(struct tickets *t, struct ticket *ticket)
{
    struct shelf *shelf = ticket->shelf;
    list_remove(&ticket->alike);
    list_remove(&ticket->all);
    t->n--;
    t->bytes -= ticket->data.len;
    buf_free(&ticket->data);
    free(ticket);
    if (--shelf->n)
        return;
    HASH_DEL(t->shelves, shelf);
    free(shelf);
}

static void clear_shelf(struct tickets *t, struct shelf *shelf)
{
    for (size_t left = shelf ? shelf->n : 0; left; left--)
        forget_ticket(t, ticket_of(shelf->tickets.next));
}

static void shelve(struct tickets *t, const struct pool_key *key, struct ticket *ticket)
{
    struct shelf *shelf = find_shelf(t, key);
    if (!shelf) {
        shelf = mem_new(sizeof *shelf);
        shelf->key = *key;
        list_init(&shelf->tickets);
        HASH_ADD(hh, t->shelves, key, sizeof shelf->key, shelf);
    }
    ticket->shelf = shelf;
    list_prepend(&shelf->tickets, &ticket->alike);
    list_append(&t->oldest, &ticket->all);
    shelf->n++;
    t->n++;
    t->bytes += ticket->data.len;
    if (shelf->n > TICKETS_ALIKE)
        forget_ticket(t, ticket_of(shelf->tickets.prev));
}

void tickets_keep(struct tickets *t, const struct pool_key *key, struct buf *data, bool again,
                  const struct ticket_proof *stands_for)
{
    struct ticket *ticket = mem_new(sizeof *ticket);
    buf_move(&ticket->data, data);
    ticket->again = again;
    ticket->stands_for = *stands_for;
    ticket->stands_for.given = true;
    list_init(&ticket->alike);
    list_init(&ticket->all);
    pthread_mutex_lock(&t->lock);
    if (again) // the newer one serves as often
        clear_shelf(t, find_shelf(t, key));
    shelve(t, key, ticket);
    while (t->n > TICKETS || t->bytes > TICKETS_BYTES)
        forget_ticket(t, list_of(t->oldest.next, struct ticket, all));
    pthread_mutex_unlock(&t->lock);
}

// The newest that still proves something; older ones that do not are in nobody's way.
static struct ticket *good_one(struct tickets *t, const struct pool_key *key)
{
    struct shelf *shelf = find_shelf(t, key);
    for (size_t left = shelf ? shelf->n : 0; left; left--) {
        struct ticket *ticket = ticket_of(shelf->tickets.next);
        if (ticket_still_proves(&ticket->stands_for))
            return ticket;
        forget_ticket(t, ticket);
    }
    return NULL;
}

bool tickets_take(struct tickets *t, const struct pool_key *key, struct buf *data,
                  struct ticket_proof *stands_for)
{
    pthread_mutex_lock(&t->lock);
    struct ticket *ticket = good_one(t, key);
    if (ticket) {
        buf_init(data, TICKETS_BYTES);
        buf_addspan(data, buf_span(&ticket->data));
        *stands_for = ticket->stands_for;
        if (!ticket->again)
            forget_ticket(t, ticket);
    }
    pthread_mutex_unlock(&t->lock);
    return ticket;
}

void tickets_drop(struct tickets *t, const struct pool_key *key)
{
    pthread_mutex_lock(&t->lock);
    clear_shelf(t, find_shelf(t, key));
    pthread_mutex_unlock(&t->lock);
}

void tickets_forget(struct tickets *t)
{
    pthread_mutex_lock(&t->lock);
    list_each_safe (it, &t->oldest)
        forget_ticket(t, list_of(it, struct ticket, all));
    pthread_mutex_unlock(&t->lock);
}
