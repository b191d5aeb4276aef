// SPDX-License-Identifier: ISC
// Which host, which address, which connection next (RFC 5321 section 5.1): in the route's order, passing over
// what policy refuses, what did not answer lately, and what has its full number of connections.
#include "relay/deliver/race_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/route/health.h"

static const struct sockaddr *address_of(const struct route_host *host, size_t i)
{
    return (const void *)&host->addresses[i];
}

static struct health *health_of(const struct deliver *d)
{
    return d->order.worker->relay->health;
}

// All addresses of a configured hop were tried, and none took as much as the beginning: it is the hop's failure.
static void judge_hop(struct deliver *d)
{
    if (d->host < d->route->nhosts && d->unfit)
        health_failed(health_of(d), deliver_host(d)->hop, &d->last.why, d->began_ms);
    deliver_probe_over(d);
    d->unfit = false;
}

void deliver_probe_over(struct deliver *d)
{
    if (d->probes)
        health_left(health_of(d), d->probes);
    d->probes = NULL;
}

void deliver_hop_works(struct deliver *d)
{
    health_worked(health_of(d), deliver_host(d)->hop);
    d->probes = NULL;
}

// Nobody is asked now: what the host failed with before is why.
static void host_left_alone(struct deliver *d, const struct why *why)
{
    struct attempt *attempt = deliver_attempt(d, NULL);
    attempt->left = true;
    d->troubles++;
    deliver_lesson_away(d, why);
    deliver_verdict(&d->last, why, attempt);
}

// False: the hop is down, and somebody else's turn to try it.
static bool hop_may_be_tried(struct deliver *d)
{
    struct why why;
    const struct route_host *host = deliver_host(d);
    if (d->address || !host->hop || d->probes == host->hop)
        return true;
    d->began_ms = clock_mono_ms();
    d->unfit = false;
    enum health_gate gate = health_gate(health_of(d), host->hop, &why);
    if (gate == HEALTH_PROBE)
        d->probes = host->hop;
    if (gate != HEALTH_DOWN || d->order.probe)
        return true;
    host_left_alone(d, &why);
    return false;
}

static struct pool_key key_of(const struct deliver *d, const struct route_host *host, size_t i)
{
    return deliver_key(d->order.pool, d->route, host, i);
}

// An idle connection to this host, at any of its addresses.
static struct connection *idle_at(struct deliver *d, size_t h)
{
    const struct route_host *host = &d->route->hosts[h];
    for (size_t a = 0; a < host->naddresses; a++) {
        struct pool_key key = key_of(d, host, a);
        struct connection *c = pool_take(d->order.pool, &key);
        if (!c)
            continue;
        deliver_flight_join(d, c, true);
        stream_rebind(c->stream, d->on_event, d);
        d->host = h;
        d->address = a;
        return c;
    }
    return NULL;
}

void deliver_ride(struct deliver *d, const struct deliver *behind)
{
    if (deliver_serves(d->order.pool, behind->link.c, d->route, &d->host, &d->address))
        deliver_flight_join(d, behind->link.c, true);
}

// Then the next one of the list serves, over what is open to it as well.
static bool hop_is_down(const struct deliver *d, const struct route_host *host)
{
    return !health_is_up(health_of(d), host->hop);
}

// An idle connection to any host of the best preference that can be used at all.
enum deliver_state deliver_from_pool(struct deliver *d)
{
    const struct route_host *best = NULL;
    for (size_t h = 0; h < d->route->nhosts; h++) {
        const struct route_host *host = &d->route->hosts[h];
        if (!deliver_usable(host) || (host->hop && hop_is_down(d, host)))
            continue;
        if (best && (host->rank != best->rank || host->preference != best->preference))
            break;
        best = host;
        struct connection *c = idle_at(d, h);
        if (c)
            return c->dirty ? DELIVER_RSET : DELIVER_MAIL;
    }
    return DELIVER_ADDRESS;
}

// False: the address, or the relay, has its full number after all.
static bool host_begin(struct deliver *d, const struct sockaddr *to)
{
    d->order.opening(d->order.arg);
    struct connection *c = connection_open(d->order.pool, to);
    if (!c)
        return false;
    deliver_name_connection(d, c, d->address);
    deliver_flight_join(d, c, false);
    // The attempt in TLS that failed before one in clear has the ledger's fact.
    d->link.counted = d->clear;
    // In clear, since TLS has failed at this address a moment ago.
    if (d->clear && deliver_host(d)->demand.shadowed)
        c->would = why_copy(&d->last.why);
    return true;
}

// Why this host cannot even be tried; a trouble, since DNS or policy may say otherwise tomorrow.
static void pass_over(struct deliver *d, const struct route_host *host)
{
    struct why why = host->demand.refuse ? host->demand.why : host->unusable;
    if (!why_is_set(&why))
        why_say(&why, HOST_NO_ADDRESS);
    if (!why.host[0])
        why_host(&why, host->host);
    // A REQUIRETLS host whose name nobody vouches for has answered; DNS trouble has not.
    if (why_permanent(&why))
        d->lacks++;
    else
        d->troubles++;
    // The first reason is the best host's: it says most.
    if (!why_is_set(&d->last.why))
        deliver_verdict(&d->last, &why, deliver_attempt(d, NULL));
    deliver_record_skipped(d, host, &why);
}

static bool next_address(struct deliver *d)
{
    for (; d->host < d->route->nhosts; deliver_next_host(d)) {
        struct route_host *host = deliver_host(d);
        if (!deliver_usable(host)) {
            pass_over(d, host);
            continue;
        }
        if (!hop_may_be_tried(d))
            continue;
        for (; d->address < host->naddresses; deliver_next_address(d)) {
            struct why why;
            const struct sockaddr *to = address_of(host, d->address);
            enum pool_gate gate = pool_gate(d->order.pool, to, &why);
            // The health of a configured hop decides for all its addresses.
            if (gate == POOL_BACKOFF && (d->order.probe || host->hop))
                gate = POOL_YES;
            // Idle connections there serve other names: they make room.
            if (gate == POOL_FULL && pool_evict_at(d->order.pool, to))
                gate = pool_gate(d->order.pool, to, &why);
            if (gate == POOL_YES && host_begin(d, to))
                return true;
            if (gate != POOL_BACKOFF) {
                d->busy++;
                continue;
            }
            host_left_alone(d, &why);
        }
        judge_hop(d);
    }
    return false;
}

// No host is left. What all of them lack is final; anything else may be better later.
static enum deliver_state give_up(struct deliver *d)
{
    struct why why = d->last.why;
    if (!why_is_set(&why))
        d->busy ? why_say(&why, HOSTS_BUSY) : why_say(&why, NO_HOST_LEFT);
    if (d->lacks && !d->troubles && !d->busy && why_permanent(&why))
        why.scope = WHY_DOMAIN;
    deliver_refuse_rest(d, &why, d->last.attempt);
    return DELIVER_END;
}

enum deliver_state deliver_choose(struct deliver *d)
{
    if (!deliver_somebody_open(d))
        return DELIVER_END;
    if (d->tries >= DELIVER_TRIES || !next_address(d))
        return give_up(d);
    return DELIVER_CONNECT;
}
