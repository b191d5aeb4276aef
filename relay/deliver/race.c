// SPDX-License-Identifier: ISC
// Two addresses of a host at once (RFC 8305): where the first does not connect in time another is tried beside it, the
// first connection that is there serves, and the other is closed. All limits count both.
#include "relay/deliver/race_inside.h"

#include <stdlib.h>
#include "relay/base/mem.h"

#define RACE_STALL_MS 250 // RFC 8305 section 8, Connection Attempt Delay

struct race {
    uv_timer_t timer;
    struct deliver *deliver;
    struct connection *rival; // NULL: none yet, or no more
    size_t address;           // its
};

static const struct sockaddr *race_address(const struct deliver *d, size_t i)
{
    return (const void *)&deliver_host(d)->addresses[i];
}

// The next of another family, else the next (RFC 8305 section 4); false: there is none that may be tried.
static bool race_choose(const struct deliver *d, size_t *out)
{
    const struct route_host *host = deliver_host(d);
    int family = race_address(d, d->address)->sa_family;
    for (int other = 1; other >= 0; other--)
        for (size_t i = d->address + 1; i < host->naddresses; i++) {
            struct why why;
            const struct sockaddr *to = race_address(d, i);
            if (!(d->raced >> i & 1) && (to->sa_family != family) == other &&
                pool_gate(d->order.pool, to, &why) == POOL_YES) {
                *out = i;
                return true;
            }
        }
    return false;
}

static void race_drop_rival(struct race *race)
{
    if (!race->rival)
        return;
    connection_close(race->rival, true);
    race->rival = NULL;
    race->deliver->order.beside(race->deliver->order.arg, false);
}

// The rival takes the place of the session's connection, which is closed.
static void race_swap(struct race *race)
{
    struct deliver *d = race->deliver;
    struct connection *before = d->link.c, *c = race->rival;
    bool counted = d->link.counted;
    race->rival = NULL;
    d->order.beside(d->order.arg, false);
    deliver_trace_end(d);
    list_remove(&d->flight);
    connection_close(before, true);
    d->untried = d->address + 1;
    d->address = race->address;
    d->raced |= 1ULL << d->address;
    deliver_flight_join(d, c, false);
    d->link.counted = counted;
    stream_rebind(c->stream, d->on_event, d);
    deliver_trace_moved(d, DELIVER_CONNECT);
}

// The session's own address has not failed, but it is left.
static void race_tell_stalled(struct deliver *d)
{
    struct why why;
    why_fill(&why, REASON_HOST_SILENT,
             "no connection came about before another address of the host answered");
    why_host(&why, d->link.c->host);
    deliver_trace_failed(d, &why);
}

static void race_event(struct stream *s, enum stream_event what, void *arg)
{
    struct race *race = arg;
    struct deliver *d = race->deliver;
    if (what == STREAM_CONNECTED) {
        race_tell_stalled(d);
        deliver_race_take_over(d);
        connection_worked(d->link.c);
        d->resume(d, deliver_host(d)->implicit_tls ? DELIVER_SECURE : DELIVER_GREETING, NULL);
        return;
    }
    struct why why = *stream_why(s);
    if (what == STREAM_TIMEOUT)
        deliver_say_silent(&why, d->config->delivery.connect, "connect");
    why_host(&why, race->rival->host);
    connection_failed(race->rival, &why);
    race_drop_rival(race);
}

static void race_stalled(uv_timer_t *timer)
{
    struct race *race = timer->data;
    struct deliver *d = race->deliver;
    const char *helo;
    if (d->tries >= DELIVER_TRIES || !race_choose(d, &race->address) ||
        !d->order.beside(d->order.arg, true))
        return;
    const struct sockaddr *to = race_address(d, race->address);
    struct connection *c = race->rival = connection_open(d->order.pool, to);
    if (!c) {
        d->order.beside(d->order.arg, false);
        return;
    }
    d->tries++;
    deliver_name_connection(d, c, race->address);
    c->stream =
        stream_connect(&d->order.worker->loop, to, deliver_source(d, to, &helo), race_event, race);
    stream_deadline(c->stream, d->config->delivery.connect);
}

// What TLS did at one address, clear text or less care, is allowed at that one alone.
void deliver_race_begin(struct deliver *d)
{
    if (!d->order.beside || d->clear || d->lax || d->address + 1 >= deliver_host(d)->naddresses)
        return;
    struct race *race = d->race = mem_new(sizeof *race);
    race->deliver = d;
    uv_timer_init(&d->order.worker->loop, &race->timer);
    race->timer.data = race;
    uv_timer_start(&race->timer, race_stalled, RACE_STALL_MS, 0);
}

static void race_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void deliver_race_end(struct deliver *d)
{
    struct race *race = d->race;
    if (!race)
        return;
    d->race = NULL;
    race_drop_rival(race);
    uv_close((uv_handle_t *)&race->timer, race_closed);
}

bool deliver_race_on(const struct deliver *d)
{
    return d->race && d->race->rival;
}

void deliver_race_take_over(struct deliver *d)
{
    race_swap(d->race);
    deliver_race_end(d);
}
