// SPDX-License-Identifier: ISC
// The stage for stories about messages that share a connection.
#include "tests/unit/flight_story.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

struct seat {
    struct list list; // among those in the air, in the order of their start
    struct flight *flight;
    struct flight_letter *end;
    struct deliver *deliver;
    bool sent, back;
};

static struct list air;

void flight_begin(struct flight *f, struct story *s)
{
    memset(f, 0, sizeof *f);
    f->story = s;
    list_init(&air);
}

void flight_add(struct flight *f, const char *word, const char *to, const char *also)
{
    assert(f->n < FLIGHT_MAX);
    struct flight_letter *end = &f->ends[f->n++];
    *end = (struct flight_letter){.to = {to, also}};
    snprintf(end->word, sizeof end->word, "%s", word);
}

static struct delivery *flight_delivery(struct flight *f, struct flight_letter *end)
{
    struct message *m = message_new();
    size_t which[2] = {0, 1};
    m->env.from = (free(m->env.from), mem_dup(end->from ? end->from : "a@us.test"));
    m->env.created_ms = clock_ms();
    buf_adds(&m->prefix, "Received: by relay.test\r\n");
    buf_addf(&m->header, "From: <a@us.test>\r\nSubject: %s\r\n\r\n", end->word);
    buf_adds(&m->body, "RSET\r\n.\r\n250 2.0.0 ok\r\n");
    m->in_memory = true;
    size_t n = 0;
    for (; n < 2 && end->to[n]; n++)
        message_add_recipient(m, end->to[n], "example.test");
    struct delivery *d = delivery_new(m, which, n);
    d->worker = &f->story->worker;
    d->route = route_ref(f->story->route);
    d->content = content_take(&f->story->relay, m);
    message_unref(m);
    return d;
}

static void flight_sent(void *arg)
{
    ((struct seat *)arg)->sent = true;
}

static bool nobody_knows(const struct why *why)
{
    return strstr(why->text, "is not known") || strstr(why->text, "before its answer") ||
           strstr(why->text, "closed") || strstr(why->text, "not answer");
}

static void flight_done(struct list *deliveries, const struct deliver_met *met, void *arg)
{
    struct seat *seat = arg;
    struct flight_letter *end = seat->end;
    struct delivery *d = list_of(deliveries->next, struct delivery, list);
    const struct delivery_rcpt *r = &d->rcpts[0];
    seat->back = !met->attempted;
    end->backs += seat->back;
    if (met->attempted) {
        end->attempts++;
        end->standing = r->standing;
        why_clear(&end->why);
        if (r->why)
            end->why = *r->why;
        end->doubts += r->standing == STANDING_REFUSED && nobody_knows(&end->why);
        snprintf(end->reply, sizeof end->reply, "%s", r->attempt ? r->attempt->reply : "");
    }
    delivery_free(d);
    list_remove(&seat->list);
    seat->deliver = NULL;
}

static void flight_start(struct seat *seat, struct deliver *behind)
{
    struct story *s = seat->flight->story;
    struct delivery *d = flight_delivery(seat->flight, seat->end);
    struct list deliveries;
    struct deliver_order order = {.worker = &s->worker,
                                  .pool = s->pool,
                                  .refusals = s->refusals,
                                  .behind = behind,
                                  .sent = flight_sent,
                                  .idle = &s->idle,
                                  .nidle = &s->nidle,
                                  .opening = (void (*)(void *))s->opening,
                                  .done = flight_done,
                                  .arg = seat};
    list_init(&deliveries);
    list_append(&deliveries, &d->list);
    seat->sent = seat->back = false;
    list_append(&air, &seat->list);
    seat->deliver = deliver_new(&order, &deliveries);
    deliver_run(seat->deliver);
}

// One after the other, each as soon as it may.
static bool flight_next(struct seat *seats, size_t n, size_t *next)
{
    if (*next == n)
        return false;
    struct seat *last = list_empty(&air) ? NULL : list_of(air.prev, struct seat, list);
    if (last && (!last->sent || !deliver_takes_rider(last->deliver, last->flight->story->route)))
        return false;
    flight_start(&seats[(*next)++], last ? last->deliver : NULL);
    return true;
}

static void flight_ignore(void *arg)
{
    (void)arg;
}

void flight_run(struct flight *f)
{
    struct seat seats[16 * FLIGHT_MAX] = {0};
    size_t n = 0, next = 0;
    if (!f->story->opening)
        f->story->opening = (void (*)(struct story *))flight_ignore;
    for (size_t i = 0; i < f->n; i++)
        if (f->ends[i].standing != STANDING_DELIVERED)
            seats[n++] = (struct seat){.flight = f, .end = &f->ends[i]};
    for (size_t i = 0; i < n; i++)
        list_init(&seats[i].list);
    while (next < n || !list_empty(&air)) {
        while (flight_next(seats, n, &next)) {
        }
        if (!list_empty(&air))
            uv_run(&f->story->worker.loop, UV_RUN_ONCE);
        for (size_t i = 0; i < next; i++) {
            if (!seats[i].back)
                continue;
            seats[i].back = false;
            assert(n < sizeof seats / sizeof *seats);
            seats[n] = (struct seat){.flight = f, .end = seats[i].end};
            list_init(&seats[n++].list);
        }
    }
}

size_t flight_run_all(struct flight *f, unsigned times)
{
    size_t left = f->n;
    while (times-- && left) {
        flight_run(f);
        left = 0;
        for (size_t i = 0; i < f->n; i++)
            left += f->ends[i].standing != STANDING_DELIVERED;
    }
    return left;
}

#define TAKE_MS 20000 // what a host was sent it may read when its thread has its turn

unsigned flight_taken(struct mx *mx, const struct flight_letter *end)
{
    unsigned n = flight_accepted(mx, end);
    for (unsigned ms = 0; ms < TAKE_MS && !n && end->standing == STANDING_DELIVERED; ms += 10) {
        usleep(10000);
        n = flight_accepted(mx, end);
    }
    return n;
}

unsigned flight_accepted(struct mx *mx, const struct flight_letter *end)
{
    char subject[64];
    unsigned n = 0;
    snprintf(subject, sizeof subject, "Subject: %s\r\n", end->word);
    for (size_t i = 0; i < mx_count(mx); i++) {
        const struct mx_message *m = mx_message(mx, i);
        n += m->data && memmem(m->data, m->n, subject, strlen(subject));
    }
    return n;
}
