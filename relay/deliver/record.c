// SPDX-License-Identifier: ISC
// What a session leaves behind besides mail: log lines, one ledger entry per connection attempt (RFC 8460
// section 4), and what a finished handshake teaches about a host.
#include "relay/base/address.h"
#include "relay/deliver/notes_inside.h"

#include <stdlib.h>
#include <string.h>
#include "relay/log/log.h"
#include "relay/recent/recents.h"
#include "relay/route/routes.h"
#include "relay/state/state.h"
#include "tls/ledger.h"

static struct relay *record_relay(const struct deliver *d)
{
    return d->order.worker->relay;
}

void deliver_record_session(struct deliver *d)
{
    struct logline line;
    const struct connection *c = d->link.c;
    const struct demand *demand = &deliver_host(d)->demand;
    log_begin(&line, LOG_INFO, "session", d->message->env.id);
    log_text(&line, "host", c->host);
    log_text(&line, "ip", c->ip);
    log_text(&line, "tls", c->protocol[0] ? c->protocol : "none");
    log_text(&line, "cipher", c->cipher[0] ? c->cipher : NULL);
    log_text(&line, "demand", tls_level_word(demand->level));
    log_text(&line, "source", demand_source_word(demand->source));
    log_text(&line, "proof", tls_proof_word(c->proof));
    log_number(&line, "resumed", c->resumed);
    log_end(&line);
    struct counters *n = &record_relay(d)->counters;
    atomic_fetch_add_explicit(&n->sessions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&n->sessions_by[demand->source][c->proof], 1, memory_order_relaxed);
}

static struct ledger_entry *entry_of(const struct deliver *d, const struct route_host *host)
{
    struct ledger_entry *entry = refusal_entry(d->route, host);
    entry->id = d->message->env.id;
    entry->shadow = host->demand.shadowed && !d->link.testing;
    if (!d->link.c)
        return entry;
    char local[ADDRESS_TEXT] = "";
    const struct sockaddr *from = d->link.c->stream ? stream_local(d->link.c->stream) : NULL;
    if (from)
        address_text(from, local);
    ledger_entry_set(&entry->mx_ip, d->link.c->ip);
    ledger_entry_set(&entry->local_ip, local);
    ledger_entry_set(&entry->mx_helo, d->link.c->ext.name);
    ledger_entry_set(&entry->protocol, d->link.c->protocol);
    ledger_entry_set(&entry->cipher, d->link.c->cipher);
    ledger_entry_set(&entry->proof, tls_proof_word(d->link.c->proof));
    return entry;
}

static bool record_counts(const struct deliver *d)
{
    return record_relay(d)->state && !d->message->env.uncounted;
}

// The handshake is done and proved: one success.
void deliver_record_success(struct deliver *d)
{
    if (d->link.counted || !record_counts(d))
        return;
    d->link.counted = true;
    state_ledger_add(record_relay(d)->state, entry_of(d, deliver_host(d)));
}

static void deliver_record_let_pass(const struct deliver *d, const struct shadow_row *counts,
                                    const struct why *why)
{
    list_each (it, &d->deliveries) {
        const struct delivery *one = list_of(it, struct delivery, list);
        if (record_counts(d))
            refusal_let_pass(record_relay(d), one->route, one->domain, why, counts);
    }
}

// What enforcing would have refused is remembered with the connection, whatever mail goes over it.
static void record_would(struct deliver *d, const struct why *why)
{
    struct connection *c = d->link.c;
    if (!c || !deliver_host(d)->demand.shadowed || d->link.testing)
        return;
    free(c->would);
    c->would = why_copy(why);
    deliver_record_let_pass(d, &(struct shadow_row){.sessions = 1}, why);
}

void deliver_record_tls(struct deliver *d, const struct why *why, bool refused)
{
    const struct route_host *host = deliver_host(d);
    if (!refused)
        record_would(d, why);
    refusal_line(record_relay(d), d->message, d->route, host, d->link.c ? d->link.c->ip : NULL, why,
                 refused);
    if (d->link.counted || !record_counts(d))
        return;
    d->link.counted = true;
    struct ledger_entry *entry = entry_of(d, host);
    entry->result = why->tls;
    entry->refused = refused;
    ledger_entry_set(&entry->reason, why->text);
    state_ledger_add(record_relay(d)->state, entry);
}

void deliver_record_left(const struct deliver *d, const struct why *why, struct attempt *attempt)
{
    list_each (it, &d->deliveries) {
        const struct delivery *one = list_of(it, struct delivery, list);
        const struct recents_attempt failed = {
            .domain = one->domain,
            .route = one->route,
            .host = route_host_named(one->route, attempt->host, deliver_host(d)->port),
            .ip = attempt->ip,
            .local = attempt->local,
            .to = one->nrcpts ? one->rcpts[0].recipient->address : NULL,
            .sender = message_sender_domain(one->message),
            .tls = attempt->tls,
            .proof = attempt->proof,
            .shown = attempt->shown,
        };
        recents_failed(record_relay(d)->recents, &failed, why);
    }
    attempt->noted = true;
    if (d->trans.refused.attempt)
        d->trans.refused.attempt->noted = true;
    // What its recipients were told there is the same failure.
    for (size_t i = 0; i < d->nrcpts; i++) {
        struct attempt *told = d->rcpts[i]->attempt;
        if (told && strcmp(told->ip, attempt->ip) == 0 && strcmp(told->host, attempt->host) == 0)
            told->noted = true;
    }
}

void deliver_record_skipped(struct deliver *d, const struct route_host *host, const struct why *why)
{
    if (host->demand.refuse || why->tls != WHY_TLS_NONE)
        refusal_record(d->order.refusals, d->message, d->route, host, why);
}

void deliver_record_learn(struct deliver *d)
{
    const struct connection *c = d->link.c;
    if (!record_relay(d)->routes || c->resumed)
        return;
    // A DANE-EE key says nothing of names and dates (RFC 7671 section 5.1): it teaches TLS alone.
    bool certificate = c->proof == PROOF_WEBPKI || c->proof == PROOF_DANE_TA;
    bool dane = deliver_host(d)->demand.ntlsa_usable > 0;
    list_each (it, &d->deliveries) {
        const struct delivery *one = list_of(it, struct delivery, list);
        const struct route_host *host =
            route_host_named(one->route, c->host, deliver_host(d)->port);
        if (host)
            routes_learn(record_relay(d)->routes, route_policy_domain(one->route, host), c->host,
                         certificate ? OWES_CERTIFICATE : OWES_TLS, dane);
    }
}
