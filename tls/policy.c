// SPDX-License-Identifier: ISC
// The one place where rules, DANE, MTA-STS, memory, REQUIRETLS and the default become a demand.
// Order of strength: opportunistic < encrypt < webpki < dane; the strongest wins, except that an
// exception of the operator replaces all but REQUIRETLS (RFC 8689 section 4.2.1 lets nothing lower it).
#include "tls/policy.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "tls/dane.h"
#include "tls/sts.h"

#define TLSA_BYTES 65536 // of all rdata of one set

static const char *const source_words[] = {"default", "rule",          "memory",    "mta-sts",
                                           "dane",    "dane-unusable", "exception", "requiretls"};
static const char *const level_words[] = {"opportunistic", "encrypt", "webpki", "dane"};

const char *demand_source_word(enum demand_source s)
{
    return source_words[s];
}

const char *demand_asker(const struct demand *d)
{
    static const char *const askers[] = {
        [SOURCE_DEFAULT] = "this relay for all mail (delivery.tls)",
        [SOURCE_RULE] = "this relay's rule for the domain (delivery.destinations)",
        [SOURCE_MEMORY] = "this relay, since the domain had TLS before (delivery.memory)",
        [SOURCE_STS] = "the receiving domain (MTA-STS)",
        [SOURCE_DANE] = "the receiving domain (DANE)",
        [SOURCE_DANE_UNUSABLE] = "the receiving domain (DANE)",
        [SOURCE_EXCEPTION] = "this relay's exception for the domain (delivery.destinations)",
        [SOURCE_REQUIRETLS] = "the message (REQUIRETLS)",
    };
    if (d->npins && d->level == TLS_OPPORTUNISTIC)
        return askers[SOURCE_RULE];
    return askers[d->source];
}

const char *tls_level_word(enum tls_level level)
{
    return level_words[level];
}

// What one source asks for; the strongest of all is kept.
struct wish {
    enum tls_level level;
    enum demand_source source;
};

static void raise(struct wish *w, enum tls_level level, enum demand_source source)
{
    if (level > w->level)
        *w = (struct wish){level, source};
}

static void policy_refuse(struct demand *d, const struct why *why)
{
    d->refuse = true;
    d->why = *why;
}

static bool is_exception(const struct policy_input *in)
{
    return in->rule && in->rule->has_tls && in->rule->until != 0 && in->rule->until >= in->now_s;
}

// A rule whose exception has run out no longer counts at all.
static bool is_raise(const struct policy_input *in)
{
    return in->rule && in->rule->has_tls && in->rule->until == 0;
}

// What rules ask for, whatever else may be lifted.
static enum tls_level raised(const struct policy_input *in)
{
    enum tls_level level = is_raise(in) ? in->rule->tls : TLS_OPPORTUNISTIC;
    return in->least > level ? in->least : level;
}

static void policy_add_name(struct demand *d, const char *name)
{
    if (!name || !name[0] || d->nnames == MAX_NAMES)
        return;
    for (size_t i = 0; i < d->nnames; i++)
        if (strcmp(d->names[i], name) == 0)
            return;
    d->names[d->nnames++] = mem_dup(name);
}

// RFC 7672 section 3.2.2: TLSA base, MX name as published, next-hop domain and its secure expansion. For
// WebPKI the MX host (RFC 8461 section 4.1), or the names that the operator's rule gives.
static void choose_names(const struct policy_input *in, struct demand *d)
{
    if (d->level == TLS_DANE || d->observe == TLS_DANE) {
        policy_add_name(d, in->tlsa_base);
        policy_add_name(d, in->host);
        policy_add_name(d, in->next_hop_domain);
        policy_add_name(d, in->next_hop_canonical);
        return;
    }
    for (size_t i = 0; in->rule && i < in->rule->names.n; i++)
        policy_add_name(d, in->rule->names.at[i]);
    if (!d->nnames || d->source == SOURCE_STS || d->observe_source == SOURCE_STS)
        policy_add_name(d, in->host);
}

// All records are kept for explain and the ledger, the usable ones first.
static void copy_tlsa(const struct policy_input *in, struct demand *d)
{
    buf_init(&d->tlsa_data, TLSA_BYTES);
    size_t n = in->ntlsa < MAX_TLSA ? in->ntlsa : MAX_TLSA, total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += in->tlsa[i].n;
    unsigned char *room;
    if (!n || buf_reserve(&d->tlsa_data, total, &room) < 0)
        return;
    d->tlsa = mem_new(n * sizeof *d->tlsa);
    for (int usable = 1; usable >= 0; usable--)
        for (size_t i = 0; i < n; i++) {
            struct dns_tlsa t;
            if (!rdata_tlsa(in->tlsa[i], &t) || dane_usable(&t) != (usable == 1))
                continue;
            memcpy(room + at, in->tlsa[i].p, in->tlsa[i].n);
            rdata_tlsa(span_of(room + at, in->tlsa[i].n), &d->tlsa[d->ntlsa++]);
            d->ntlsa_usable += (size_t)usable;
            at += in->tlsa[i].n;
        }
    d->tlsa_data.len = at;
}

// MTA-STS speaks of a host unless usable TLSA records do (RFC 8461 section 2: DANE is not overridden).
bool sts_view_covers(const struct sts_view *view, const char *host)
{
    for (size_t i = 0; i < view->nmx; i++)
        if (sts_match(view->mx[i], host))
            return true;
    return false;
}

static void ask_sts(const struct policy_input *in, struct wish *must, struct wish *watch,
                    struct demand *d)
{
    const struct sts_view *sts = in->sts;
    bool dane = in->tlsa_state == TLSA_USABLE || in->tlsa_state == TLSA_FAILED;
    if (!sts || sts->mode <= STS_NONE || dane || !in->host)
        return;
    bool match = sts_view_covers(sts, in->host);
    if (match && sts->mode == STS_ENFORCE && must->level <= TLS_WEBPKI)
        *must = (struct wish){TLS_WEBPKI, SOURCE_STS}; // what the domain says, before our default
    if (match && sts->mode == STS_TESTING)
        raise(watch, TLS_WEBPKI, SOURCE_STS);
    if (match)
        return;
    struct why why;
    why_say(&why, STS_MX_NOT_LISTED, in->host, in->next_hop_domain);
    why_host(&why, in->host);
    if (sts->mode == STS_ENFORCE) {
        if (must->level < TLS_WEBPKI) // what it demands of every host, this one too
            must->level = TLS_WEBPKI;
        must->source = SOURCE_STS;
        policy_refuse(d, &why);
    } else { // testing: recorded by whoever delivers
        watch->source = SOURCE_STS;
        d->why = why;
    }
}

static void ask_dane(const struct policy_input *in, struct wish *must, struct demand *d)
{
    if (in->tlsa_state == TLSA_USABLE)
        raise(must, TLS_DANE, SOURCE_DANE);
    if (in->tlsa_state == TLSA_UNUSABLE && must->level <= TLS_ENCRYPT)
        *must = (struct wish){TLS_ENCRYPT, SOURCE_DANE_UNUSABLE};
    if (in->tlsa_state == TLSA_FAILED) {
        *must = (struct wish){TLS_DANE, SOURCE_DANE};
        policy_refuse(d, &in->tlsa_why);
    }
}

static void ask_memory(const struct policy_input *in, struct wish *must)
{
    if (in->owes == OWES_TLS)
        raise(must, TLS_ENCRYPT, SOURCE_MEMORY);
    if (in->owes == OWES_CERTIFICATE)
        raise(must, TLS_WEBPKI, SOURCE_MEMORY);
}

static bool can_be_dane(const struct policy_input *in)
{
    return in->tlsa_state == TLSA_USABLE;
}

// A demand for DANE where there is nothing to check against cannot be met.
static void need_tlsa(const struct policy_input *in, struct demand *d)
{
    if (d->level != TLS_DANE || can_be_dane(in) || d->refuse)
        return;
    struct why why;
    why_say(&why, DANE_MISSING, demand_asker(d), in->host ? in->host : "an address",
            in->tlsa_state == TLSA_UNUSABLE ? "only TLSA records that cannot be used"
                                            : "no TLSA record that DNSSEC vouches for");
    why_host(&why, in->host);
    policy_refuse(d, &why);
}

// RFC 8689 section 4.2.1: the name must be authentic and the certificate proved.
static void apply_requiretls(const struct policy_input *in, struct demand *d)
{
    struct wish w = {d->level, d->source};
    raise(&w, TLS_WEBPKI, SOURCE_REQUIRETLS);
    d->level = w.level;
    d->source = SOURCE_REQUIRETLS;
    if (in->tlsa_state == TLSA_USABLE)
        d->level = TLS_DANE;
    if (in->authentic || d->refuse)
        return;
    struct why why;
    why_say(&why, REQUIRETLS_NO_NAME, in->host ? in->host : "of an address literal");
    why_host(&why, in->host);
    policy_refuse(d, &why);
}

static void digest_key(struct demand *d)
{
    struct buf all;
    buf_init(&all, 1 << 20);
    buf_addf(&all, "%d %d %s|", (int)d->level, (int)d->observe, d->sni ? d->sni : "");
    for (size_t i = 0; i < d->nnames; i++)
        buf_addf(&all, "%s,", d->names[i]);
    for (size_t i = 0; i < d->npins; i++)
        buf_addf(&all, "%s;", d->pins[i]);
    buf_addf(&all, "%p|", (void *)d->trust);
    buf_addspan(&all, buf_span(&d->tlsa_data));
    unsigned char sum[32];
    gnutls_hash_fast(GNUTLS_DIG_SHA256, all.data, all.len, sum);
    for (size_t i = 0; i < 16; i++)
        snprintf(d->key + 2 * i, 3, "%02x", sum[i]);
    buf_free(&all);
}

// Everything that binds in the ordinary case: the strongest of default, rule, DANE, MTA-STS and memory.
static void decide_enforced(const struct policy_input *in, struct demand *d)
{
    struct wish rule = {TLS_OPPORTUNISTIC, SOURCE_RULE}; // what holds even in shadow mode
    struct wish must = {in->delivery->tls, SOURCE_DEFAULT};
    rule.level = raised(in);
    struct wish watch = {TLS_OPPORTUNISTIC, SOURCE_DEFAULT};
    ask_dane(in, &must, d);
    ask_sts(in, &must, &watch, d);
    ask_memory(in, &must);
    raise(&must, rule.level, SOURCE_RULE);
    if (rule.level == TLS_WEBPKI && must.level == TLS_DANE && in->tlsa_state == TLSA_USABLE)
        must.source = SOURCE_DANE;
    if (watch.level > must.level) {
        d->observe = watch.level;
        d->observe_source = SOURCE_STS;
    }
    d->level = must.level;
    d->source = must.source;
    if (!in->shadow || in->requiretls)
        return;
    d->shadowed = rule.level < must.level || d->refuse;
    if (must.level > d->observe) {
        d->observe = must.level;
        d->observe_source = must.source;
    }
    d->must = must.level;
    d->refuse = false; // why stays: what would have been refused
    d->level = rule.level;
    d->source = rule.level > TLS_OPPORTUNISTIC ? SOURCE_RULE : SOURCE_DEFAULT;
}

static void decide_level(const struct policy_input *in, struct demand *d)
{
    if (is_exception(in) && !in->requiretls) {
        d->level = in->rule->tls;
        d->source = SOURCE_EXCEPTION;
    } else if (in->tls_optional && !in->requiretls) {
        bool rule = is_raise(in) || in->least > TLS_OPPORTUNISTIC;
        d->level = raised(in);
        d->source = rule ? SOURCE_RULE : SOURCE_DEFAULT;
    } else {
        decide_enforced(in, d);
    }
    if (in->requiretls)
        apply_requiretls(in, d);
    if (d->observe < d->level) {
        d->observe = d->level;
        d->observe_source = d->source;
    }
}

void policy_decide(const struct policy_input *in, struct demand *out)
{
    *out = (struct demand){.trust = in->trust};
    decide_level(in, out);
    if (!out->shadowed)
        out->must = out->level;
    need_tlsa(in, out);
    if (out->observe == TLS_DANE && !can_be_dane(in))
        out->observe = out->level; // nothing to watch it against; why tells
    copy_tlsa(in, out);
    if (in->tlsa_base && in->tlsa_state != TLSA_NONE)
        out->tlsa_base = mem_dup(in->tlsa_base);
    out->why.asker = demand_source_word(out->shadowed ? out->observe_source : out->source);
    choose_names(in, out);
    bool dane = out->level == TLS_DANE || out->observe == TLS_DANE;
    const char *sni = dane ? in->tlsa_base : in->host; // RFC 7672 section 8.1
    if (!dane && in->rule && in->rule->names.n && out->source == SOURCE_RULE)
        sni = in->rule->names.at[0];
    out->sni = mem_dup(sni);
    if (in->rule && in->rule->pins.n) {
        out->pins = in->rule->pins.at;
        out->npins = in->rule->pins.n;
    }
    digest_key(out);
}

void demand_free(struct demand *d)
{
    for (size_t i = 0; i < d->nnames; i++)
        free(d->names[i]);
    free(d->sni);
    free(d->tlsa_base);
    free(d->tlsa);
    buf_free(&d->tlsa_data);
    *d = (struct demand){0};
}

void sts_view_free(struct sts_view *view)
{
    for (size_t i = 0; i < view->nmx; i++)
        free(view->mx[i]);
    free(view->mx);
    free(view->text);
    *view = (struct sts_view){.mode = -1};
}

int sts_view_copy(struct sts_view *to, const struct sts_view *from)
{
    *to = *from;
    to->text = mem_dup(from->text);
    to->mx = mem_new((from->nmx + 1) * sizeof *to->mx);
    for (size_t i = 0; i < from->nmx; i++)
        to->mx[i] = mem_dup(from->mx[i]);
    return 0;
}
