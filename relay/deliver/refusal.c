// SPDX-License-Identifier: ISC
// TLS refusals as the log and the ledger tell them (RFC 8460 section 4): the line and the entry. Refuses
// nothing itself.
#include "relay/deliver/refusal.h"

#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/log/log.h"
#include "relay/state/state.h"

struct refusals {
    struct relay *relay;
};

struct refusals *refusals_new(struct relay *relay)
{
    struct refusals *book = mem_new(sizeof *book);
    book->relay = relay;
    return book;
}

void refusals_free(struct refusals *book)
{
    free(book);
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
                      struct ledger_entry *entry)
{
    const struct demand *demand = &host->demand;
    const struct sts_view *sts = route_sts(route, host);
    bool watched = demand->observe > demand->level;
    enum demand_source source = watched ? demand->observe_source : demand->source;
    struct buf text;
    buf_init(&text, 65536);
    if (source == SOURCE_DANE || source == SOURCE_DANE_UNUSABLE) {
        entry->policy_type = POLICY_TLSA;
        if (demand->tlsa_base)
            ledger_entry_set(&entry->policy_domain, demand->tlsa_base);
        tlsa_lines(demand, &text);
        ledger_entry_set(&entry->policy_string, buf_text(&text));
    } else if (sts && sts->mode >= 0 && sts->text) {
        entry->policy_type = POLICY_STS;
        ledger_entry_set(&entry->policy_string, sts->text);
        for (size_t i = 0; i < sts->nmx; i++)
            buf_addf(&text, "%s%s", i ? "\n" : "", sts->mx[i]);
        ledger_entry_set(&entry->mx_patterns, buf_text(&text));
    } else {
        entry->policy_type = POLICY_NONE_FOUND;
    }
    buf_free(&text);
}

struct ledger_entry *refusal_entry(const struct route *route, const struct route_host *host)
{
    struct ledger_entry *entry = ledger_entry_new();
    const char *domain = route_policy_domain(route, host);
    if (!domain[0])
        domain = route->next_hop_domain ? route->next_hop_domain : route->domain;
    ledger_entry_set(&entry->domain, domain);
    ledger_entry_set(&entry->policy_domain, domain);
    if (!host)
        return entry;
    ledger_entry_set(&entry->mx_host, host->host);
    ledger_entry_set(&entry->demand, tls_level_word(host->demand.level));
    ledger_entry_set(&entry->source, demand_source_word(host->demand.source));
    policy_of(route, host, entry);
    return entry;
}

void refusal_line(struct relay *relay, const struct message *m, const struct route *route,
                  const struct route_host *host, const char *ip, const struct why *why,
                  bool refused)
{
    struct logline line;
    log_begin(&line, LOG_WARNING, refused ? "tls-refused" : "tls-failure", m->env.id);
    log_text(&line, "domain", route->domain);
    log_text(&line, "host", host ? host->host : NULL);
    log_text(&line, "ip", ip);
    if (!ip)
        log_text(&line, "connected", "no");
    log_text(&line, "demand", host ? tls_level_word(host->demand.level) : NULL);
    log_text(&line, "source", host ? demand_source_word(host->demand.source) : NULL);
    log_text(&line, "type", why_tls_word(why->tls));
    log_text(&line, "reason", why->text);
    log_reason(&line, why);
    log_end(&line);
    struct counters *c = &relay->counters;
    atomic_fetch_add_explicit(&c->tls_by_type[why->tls][refused], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(refused ? &c->tls_refused : &c->tls_failure, 1, memory_order_relaxed);
}

void refusal_record(struct refusals *book, const struct message *m, struct route *route,
                    const struct route_host *host, const struct why *why)
{
    refusal_line(book->relay, m, route, host, NULL, why, true);
    if (!book->relay->state || m->env.uncounted || !route_count_refusal(route, host))
        return;
    struct ledger_entry *entry = refusal_entry(route, host);
    entry->id = m->env.id;
    entry->result = why->tls;
    entry->refused = true;
    entry->shadow = host && host->demand.shadowed;
    ledger_entry_set(&entry->reason, why->text);
    state_ledger_add(book->relay->state, entry);
}

void refusal_let_pass(struct relay *relay, const struct route *route, const char *domain,
                      const struct why *why, const struct shadow_row *counts)
{
    // The rule of a hop that a sender or an operator chose is the hop's own (relay/route/way.h).
    bool chosen = route->word == WORD_SENDER || route->word == WORD_OPERATOR;
    struct shadow_row row = *counts;
    if (!relay->state)
        return;
    row.day = ledger_day(clock_ms());
    row.last_ms = clock_ms();
    row.domain = mem_dup(chosen && route->next_hop_domain ? route->next_hop_domain : domain);
    row.host = mem_dup(why->host);
    row.why = mem_dup(reason_row(why->reason)->name);
    row.type = mem_dup(why_tls_word(why->tls));
    row.text = mem_dup(why->text);
    state_shadow_add(relay->state, &row);
}
