// SPDX-License-Identifier: ISC
// Sessions that share a connection (RFC 2920 section 3.1): the next message's commands go out behind the one
// whose answer is awaited. The answers come in the order of the commands, so the first session of the flight hears them
// until it is through, then the next one does. Says nothing to the host.
#include "relay/deliver/race_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/deliver/pool_speech.h"
#include "relay/log/log.h"

static struct deliver *flight_of(struct list *entry)
{
    return list_of(entry, struct deliver, flight);
}

void deliver_flight_join(struct deliver *d, struct connection *c, bool pooled)
{
    d->link = (struct deliver_link){.c = c, .key = c->key, .pooled = pooled};
    list_append(&c->flight, &d->flight);
}

bool deliver_hears(const struct deliver *d)
{
    return d->link.c->flight.next == &d->flight;
}

bool deliver_alone(const struct deliver *d)
{
    return deliver_hears(d) && d->link.c->flight.prev == &d->flight;
}

const struct deliver *deliver_behind(const struct deliver *d)
{
    struct list *next = d->flight.next;
    bool said = next != &d->link.c->flight && flight_of(next)->trans.nbatch;
    return said ? flight_of(next) : NULL;
}

bool deliver_shared(const struct deliver *d)
{
    return deliver_behind(d);
}

const struct deliver *deliver_before(const struct deliver *d)
{
    return deliver_hears(d) ? NULL : flight_of(d->flight.prev);
}

bool deliver_all_out(const struct deliver *d)
{
    return d->trans.way != WAY_PREFIX && d->trans.body_out &&
           d->trans.body_out == content_size(d->content);
}

// Whose connection it is

static const struct sockaddr *flight_source(const struct route *route, const struct sockaddr *to,
                                            const char **helo)
{
    const struct cfg_source *source = route_source(route, to->sa_family);
    *helo = source ? source->helo : NULL;
    return source ? (const void *)&source->address : NULL;
}

const struct sockaddr *deliver_source(const struct deliver *d, const struct sockaddr *to,
                                      const char **helo)
{
    return flight_source(d->route, to, helo);
}

struct pool_key deliver_key(const struct pool *pool, const struct route *route,
                            const struct route_host *host, size_t i)
{
    const char *helo;
    const struct sockaddr *to = (const void *)&host->addresses[i];
    return pool_key(pool, host, to, flight_source(route, to, &helo));
}

void deliver_name_connection(const struct deliver *d, struct connection *c, size_t i)
{
    const struct route_host *host = deliver_host(d);
    address_text((const struct sockaddr *)&host->addresses[i], c->ip);
    c->key = deliver_key(d->order.pool, d->route, host, i);
    snprintf(c->host, sizeof c->host, "%s", host->host);
}

bool deliver_usable(const struct route_host *host)
{
    return !host->demand.refuse && !why_is_set(&host->unusable) && host->naddresses > 0;
}

static bool leads_to(const struct pool *pool, const struct connection *c, const struct route *route,
                     const struct route_host *host, size_t *address)
{
    for (size_t i = 0; i < host->naddresses; i++) {
        struct pool_key key = deliver_key(pool, route, host, i);
        *address = i;
        if (memcmp(&key, &c->key, sizeof key) == 0)
            return true;
    }
    return false;
}

bool deliver_serves(const struct pool *pool, const struct connection *c, const struct route *route,
                    size_t *host, size_t *address)
{
    const struct route_host *best = NULL;
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct route_host *h = &route->hosts[i];
        if (!deliver_usable(h))
            continue;
        if (best && (h->rank != best->rank || h->preference != best->preference))
            return false;
        best = h;
        *host = i;
        if (leads_to(pool, c, route, h, address))
            return true;
    }
    return false;
}

// Who may be followed

// The whole message is out, and its answer will come in its turn. (Where RSET or NOOP was said to clear up a doubt,
// nobody joins.)
static bool awaits_answer(const struct deliver *d)
{
    switch (d->state) {
    case DELIVER_EARLY:
    case DELIVER_CLEAR:
    case DELIVER_SAID:
    case DELIVER_RCPT:
    case DELIVER_FINAL:
        return deliver_all_out(d);
    default:
        return false;
    }
}

// How many of the flight there are up to d.
static size_t flight_rank(const struct deliver *d)
{
    size_t n = 1;
    for (const struct list *it = d->link.c->flight.next; it != &d->flight; it = it->next)
        n++;
    return n;
}

// Behind DATA only an envelope can go, since the host is to say 354 before the message. Behind a BDAT that is its
// last a whole message can; what RSET is answered, between the two, must be known from before.
bool deliver_leads(const struct deliver *d)
{
    struct connection *c = d->link.c;
    if (!awaits_answer(d) || !pool_overlaps(c))
        return false;
    if (d->trans.way == WAY_DATA)
        return deliver_hears(d);
    return flight_rank(d) < d->config->delivery.in_flight && pool_reset_known(c) &&
           d->trans.nbatch <= pool_several(c);
}

static bool has_room(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    uint64_t age = clock_mono_ms() - c->opened_ms;
    return c->messages < d->config->delivery.messages && age < POOL_LIFE_MS &&
           !connection_spent(c) && d->route->setup == d->order.worker->setup;
}

// One that goes on with other recipients needs the connection itself.
bool deliver_takes_rider(const struct deliver *d, struct route *route)
{
    size_t host, address;
    return d->link.c && d->link.c->flight.prev == &d->flight && !d->link.c->gone &&
           d->trans.nbatch == d->nrcpts && !d->trans.again && deliver_leads(d) && has_room(d) &&
           deliver_serves(d->order.pool, d->link.c, route, &host, &address);
}

// How it ends

// The minutes that RFC 5321 section 4.5.3.2 gives a host; 0: it says nothing of this setting (delivery.timeouts).
static unsigned patience_of(const char *setting)
{
    static const struct {
        const char *setting;
        unsigned minutes;
    } asked[] = {{"greeting", 5}, {"command", 5}, {"data", 10}};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        if (strcmp(asked[i].setting, setting) == 0)
            return asked[i].minutes;
    return 0;
}

void deliver_say_silent(struct why *why, uint64_t ms, const char *setting)
{
    char below[60] = "";
    unsigned least = patience_of(setting);
    if (ms < least * 60000)
        snprintf(below, sizeof below, "; too short: RFC 5321 asks for %u minutes", least);
    why_say(why, HOST_SILENT, (unsigned long long)(ms + 999) / 1000, setting, below);
    if (below[0])
        why->act = ACT_US;
}

// The next one hears the answers from now on.
static void pass_on(struct connection *c)
{
    struct deliver *next = flight_of(c->flight.next);
    smtp_reply_reset(&c->reply);
    next->on_flight(next, FLIGHT_FIRST, NULL);
}

static bool in_doubt(const struct deliver *d)
{
    return deliver_all_out(d) && d->link.c->end != FLIGHT_CLOSED;
}

static void say_end(const struct connection *c, struct why *why)
{
    if (c->end == FLIGHT_ASTRAY)
        why_say(why, OUT_OF_STEP_UNKNOWN);
    else if (c->end == FLIGHT_SILENT)
        why_fill(why, REASON_HOST_SILENT, "%s", c->silent);
    else
        why_say(why, HOST_CLOSED);
    why_host(why, c->host);
}

// `leaver` is in the flight no more.
static void log_doubt(const struct deliver *leaver)
{
    const struct connection *c = leaver->link.c;
    int64_t doubts = in_doubt(leaver), back = 0;
    list_each (it, &c->flight) {
        bool doubt = in_doubt(flight_of(it));
        doubts += doubt;
        back += !doubt;
    }
    struct logline line;
    struct why why;
    say_end(c, &why);
    log_begin(&line, LOG_INFO, "in-doubt", leaver->message->env.id);
    log_text(&line, "host", c->host);
    log_text(&line, "ip", c->ip);
    log_number(&line, "messages", doubts);
    log_number(&line, "back", back);
    log_text(&line, "reason", c->end == FLIGHT_CLOSED ? "421" : why.text);
    log_end(&line);
}

// Nobody will hear the answers to what the others said.
static void scatter(struct deliver *leaver)
{
    struct connection *c = leaver->link.c;
    struct why why;
    if (list_empty(&c->flight))
        return;
    log_doubt(leaver);
    pool_unearn(c);
    say_end(c, &why);
    while (!list_empty(&c->flight)) {
        struct deliver *d = flight_of(c->flight.next);
        enum flight_news news = in_doubt(d) ? FLIGHT_DOUBT : FLIGHT_BACK;
        list_remove(&d->flight);
        d->on_flight(d, news, &why);
    }
}

void deliver_flight_leave(struct deliver *d, bool now)
{
    struct connection *c = d->link.c;
    if (!c || list_empty(&d->flight)) // its connection has ended before
        return;
    bool heard = deliver_hears(d), said = d->trans.nbatch;
    list_remove(&d->flight);
    if (!heard && !said)
        return;
    if (heard && !now && !list_empty(&c->flight)) {
        pass_on(c);
        return;
    }
    if (c->end == FLIGHT_GOOD)
        c->end = FLIGHT_LOST;
    scatter(d);
    connection_close(c, now);
}
