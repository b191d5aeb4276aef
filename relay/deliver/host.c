// SPDX-License-Identifier: ISC
// Which host, which address, which connection next (RFC 5321 section 5.1): in the route's order, passing over
// what policy refuses, what did not answer lately, and what has its full number of connections.
#include "relay/deliver/inside.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"

const struct sockaddr *deliver_source(const struct deliver *d, const struct sockaddr *to,
                                      const char **helo)
{
    const struct cfg_delivery *c = &d->config->delivery;
    for (size_t i = 0; i < c->nsources; i++)
        if (c->sources[i].address.ss_family == to->sa_family) {
            *helo = c->sources[i].helo;
            return (const void *)&c->sources[i].address;
        }
    *helo = NULL;
    return NULL;
}

static void deliver_host_address_text(const struct sockaddr *a, char *out, size_t n)
{
    const void *bytes =
        a->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
    if (!inet_ntop(a->sa_family, bytes, out, (socklen_t)n))
        out[0] = '\0';
}

static const struct sockaddr *address_of(const struct route_host *host, size_t i)
{
    return (const void *)&host->addresses[i];
}

static bool usable(const struct route_host *host)
{
    return !host->demand.refuse && !why_is_set(&host->unusable) && host->naddresses > 0;
}

static struct pool_key key_of(const struct deliver *d, const struct route_host *host, size_t i)
{
    const char *helo;
    const struct sockaddr *to = address_of(host, i);
    return pool_key(d->order.pool, d->route, host, to, deliver_source(d, to, &helo));
}

// An idle connection to any host of the best preference that can be used at all.
static bool from_pool(struct deliver *d)
{
    const struct route_host *best = NULL;
    for (size_t h = 0; h < d->route->nhosts; h++) {
        const struct route_host *host = &d->route->hosts[h];
        if (!usable(host))
            continue;
        if (best && host->preference != best->preference)
            break;
        best = host;
        for (size_t a = 0; a < host->naddresses; a++) {
            struct pool_key key = key_of(d, host, a);
            struct connection *c = pool_take(d->order.pool, &key);
            if (!c)
                continue;
            d->c = c;
            d->key = key;
            d->host = h;
            d->address = a;
            d->reused = true;
            return true;
        }
    }
    return false;
}

static void begin(struct deliver *d, const struct sockaddr *to)
{
    d->order.opening(d->order.arg);
    struct route_host *host = deliver_host(d);
    d->key = key_of(d, host, d->address);
    d->c = connection_open(d->order.pool, to);
    d->c->key = d->key;
    snprintf(d->c->host, sizeof d->c->host, "%s", host->host);
    deliver_host_address_text(to, d->c->ip, sizeof d->c->ip);
    d->reused = d->spoke = false;
    d->counted = d->clear; // the attempt that failed before it has the fact
}

// Why this host cannot even be tried; a trouble, since DNS or policy may say otherwise tomorrow.
static void pass_over(struct deliver *d, const struct route_host *host)
{
    struct why why = host->demand.refuse ? host->demand.why : host->unusable;
    if (!why_is_set(&why))
        why_set(&why, WHY_HOST, "4.4.3", "the host has no address that may be used");
    if (!why.host[0])
        why_host(&why, host->host);
    // A REQUIRETLS host whose name nobody vouches for has answered; DNS trouble has not.
    if (why_permanent(&why))
        d->lacks++;
    else
        d->troubles++;
    // The first reason is the best host's: it says most.
    if (!why_is_set(&d->why))
        d->why = why;
    deliver_record_skipped(d, host, &why);
}

static bool next_address(struct deliver *d)
{
    for (; d->host < d->route->nhosts; d->host++, d->address = 0) {
        struct route_host *host = deliver_host(d);
        if (!usable(host)) {
            pass_over(d, host);
            continue;
        }
        // Clear text was allowed for the address that was left, not for the next one.
        for (; d->address < host->naddresses; d->address++, d->clear = false) {
            struct why why;
            const struct sockaddr *to = address_of(host, d->address);
            enum pool_gate gate = pool_gate(d->order.pool, to, &why);
            if (gate == POOL_YES) {
                begin(d, to);
                return true;
            }
            if (gate == POOL_FULL) {
                d->full = true;
                continue;
            }
            d->troubles++;
            d->why = why;
        }
    }
    return false;
}

// No host is left. What all of them lack is final; anything else may be better later.
static enum moment give_up(struct deliver *d)
{
    struct why why = d->why;
    if (!why_is_set(&why))
        why_set(&why, WHY_HOST, "4.4.1", d->full ? "all hosts are busy" : "no host is left to try");
    if (d->lacks && !d->troubles && !d->full && why_permanent(&why))
        why.scope = WHY_DOMAIN;
    deliver_refuse_rest(d, &why);
    return AT_END;
}

enum moment deliver_choose(struct deliver *d)
{
    bool fresh = !d->tries && !d->no_pool;
    if (fresh && from_pool(d)) {
        deliver_rebind(d);
        d->spoke = false;
        return AT_MAIL;
    }
    if (d->tries >= DELIVER_TRIES || !next_address(d))
        return give_up(d);
    return AT_CONNECT;
}

void deliver_describe(struct deliver *d)
{
    struct attempt *a = &d->attempt;
    const struct connection *c = d->c;
    const struct demand *demand = &deliver_host(d)->demand;
    memcpy(a->host, c->host, sizeof a->host);
    memcpy(a->ip, c->ip, sizeof a->ip);
    snprintf(a->tls, sizeof a->tls, "%s", c->protocol[0] ? c->protocol : "none");
    a->demand = tls_level_word(demand->level);
    a->source = demand_source_word(demand->source);
    a->proof = tls_proof_word(c->proof);
    a->dsn = c->ext.dsn;
}
