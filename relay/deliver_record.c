// SPDX-License-Identifier: ISC
// What a session leaves behind besides mail: log lines, one ledger fact per connection attempt (RFC 8460
// section 4), and what a finished handshake teaches about a host.
#include "relay/deliver_part.h"

#include <netdb.h>
#include "relay/log.h"
#include "relay/state.h"
#include "tls/ledger.h"

static struct relay *relay(const struct deliver *d)
{
    return d->order.worker->relay;
}

void deliver_record_session(struct deliver *d)
{
    struct logline line;
    const struct connection *c = d->c;
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
    atomic_fetch_add_explicit(&relay(d)->counters.sessions, 1, memory_order_relaxed);
}

static void tlsa_lines(const struct demand *demand, struct buf *out)
{
    for (size_t i = 0; i < demand->ntlsa; i++) {
        const struct dns_tlsa *t = &demand->tlsa[i];
        buf_addf(out, "%s%u %u %u ", i ? "\n" : "", t->usage, t->selector, t->matching);
        for (size_t b = 0; b < t->data.n; b++)
            buf_addf(out, "%02x", t->data.p[b]);
    }
}

// RFC 8460 section 4.2: which policy the attempt was made under.
static void policy_of(const struct route *route, const struct route_host *host,
                      struct ledger_fact *fact)
{
    const struct demand *demand = &host->demand;
    bool watched = demand->observe > demand->level;
    enum demand_source source = watched ? demand->observe_source : demand->source;
    struct buf text;
    buf_init(&text, 65536);
    const char *domain = route->next_hop_domain ? route->next_hop_domain : route->domain;
    ledger_fact_set(&fact->policy_domain, domain);
    if (source == SOURCE_DANE || source == SOURCE_DANE_UNUSABLE) {
        fact->policy_type = POLICY_TLSA;
        if (demand->tlsa_base)
            ledger_fact_set(&fact->policy_domain, demand->tlsa_base);
        tlsa_lines(demand, &text);
        ledger_fact_set(&fact->policy_string, buf_text(&text));
    } else if (route->sts.mode >= 0 && route->sts.text) {
        fact->policy_type = POLICY_STS;
        ledger_fact_set(&fact->policy_string, route->sts.text);
        for (size_t i = 0; i < route->sts.nmx; i++)
            buf_addf(&text, "%s%s", i ? "\n" : "", route->sts.mx[i]);
        ledger_fact_set(&fact->mx_patterns, buf_text(&text));
    } else {
        fact->policy_type = POLICY_NONE_FOUND;
    }
    buf_free(&text);
}

static void address_text(const struct sockaddr *a, char *out, size_t n)
{
    if (!a || getnameinfo(a,
                          a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                   : sizeof(struct sockaddr_in),
                          out, (socklen_t)n, NULL, 0, NI_NUMERICHOST) != 0)
        out[0] = '\0';
}

static struct ledger_fact *fact_of(const struct deliver *d, const struct route_host *host)
{
    struct ledger_fact *fact = ledger_fact_new();
    fact->id = d->message->env.id;
    const struct route *route = d->route;
    ledger_fact_set(&fact->domain, route->next_hop_domain ? route->next_hop_domain : route->domain);
    ledger_fact_set(&fact->mx_host, host->host);
    ledger_fact_set(&fact->demand, tls_level_word(host->demand.level));
    ledger_fact_set(&fact->source, demand_source_word(host->demand.source));
    policy_of(route, host, fact);
    if (!d->c)
        return fact;
    char local[64];
    address_text(d->c->stream ? stream_local(d->c->stream) : NULL, local, sizeof local);
    ledger_fact_set(&fact->mx_ip, d->c->ip);
    ledger_fact_set(&fact->local_ip, local);
    ledger_fact_set(&fact->mx_helo, d->c->ext.name);
    ledger_fact_set(&fact->protocol, d->c->protocol);
    ledger_fact_set(&fact->cipher, d->c->cipher);
    ledger_fact_set(&fact->proof, tls_proof_word(d->c->proof));
    return fact;
}

static bool counts(const struct deliver *d)
{
    return relay(d)->state && !d->message->env.uncounted;
}

// The handshake is done and proved: one success.
void deliver_record_success(struct deliver *d)
{
    if (d->counted || !counts(d))
        return;
    d->counted = true;
    struct ledger_fact *fact = fact_of(d, deliver_host(d));
    fact->shadow = deliver_host(d)->demand.shadowed;
    state_fact(relay(d)->state, fact);
}

static void tls_line(const struct deliver *d, const struct route_host *host, const struct why *why,
                     bool refused)
{
    struct logline line;
    log_begin(&line, LOG_WARNING, refused ? "tls-refused" : "tls-failure", d->message->env.id);
    log_text(&line, "domain", d->route->domain);
    log_text(&line, "host", host->host);
    log_text(&line, "ip", d->c ? d->c->ip : NULL);
    log_text(&line, "demand", tls_level_word(host->demand.level));
    log_text(&line, "source", demand_source_word(host->demand.source));
    log_text(&line, "type", why_tls_word(why->tls));
    log_text(&line, "reason", why->text);
    log_end(&line);
    struct counters *c = &relay(d)->counters;
    atomic_fetch_add_explicit(refused ? &c->tls_refused : &c->tls_failure, 1, memory_order_relaxed);
}

void deliver_record_tls(struct deliver *d, const struct why *why, bool refused)
{
    const struct route_host *host = deliver_host(d);
    tls_line(d, host, why, refused);
    if (d->counted || !counts(d))
        return;
    d->counted = true;
    struct ledger_fact *fact = fact_of(d, host);
    fact->result = why->tls;
    fact->refused = refused;
    fact->shadow = host->demand.shadowed;
    ledger_fact_set(&fact->reason, why->text);
    state_fact(relay(d)->state, fact);
}

// Refused before a connection: the log says so for each message; the ledger has it once per route
// decision, from where the decision is made.
void deliver_record_skipped(struct deliver *d, const struct route_host *host, const struct why *why)
{
    if (host->demand.refuse || why->tls != WHY_TLS_NONE)
        tls_line(d, host, why, true);
}

void deliver_record_learn(struct deliver *d)
{
    const struct connection *c = d->c;
    if (!relay(d)->state || c->resumed)
        return;
    // A DANE-EE key says nothing of names and dates (RFC 7671 section 5.1): it teaches TLS alone.
    bool certificate = c->proof == PROOF_WEBPKI || c->proof == PROOF_DANE_TA;
    bool dane = c->proof == PROOF_DANE_EE || c->proof == PROOF_DANE_TA;
    const char *last = "";
    list_each(it, &d->deliveries)
    {
        const struct delivery *one = list_of(it, struct delivery, list);
        const char *domain =
            one->route->next_hop_domain ? one->route->next_hop_domain : one->domain;
        if (domain != last)
            state_learn(relay(d)->state, domain, c->host,
                        certificate ? PROVED_CERTIFICATE : PROVED_TLS, dane);
        last = domain;
    }
}
