// SPDX-License-Identifier: ISC
// The DKIM signatures of one message, each decided by itself (RFC 6376 section 6.1).
#include "sign/dkim_verify.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

struct dkim_checks {
    const struct header *header;
    unsigned min_rsa_bits;
    size_t n;
    struct signature at[]; // DKIM_MAX_LISTED at most
};

// i= is in the domain of d= or below it; comparing whole labels, so that notexample.com is not below
// example.com (RFC 6376 section 3.5).
static bool read_identity(struct signature *s)
{
    const struct tag *tag = tags_find(&s->tags, "i");
    if (!tag)
        return true;
    struct span domain = tag->value;
    ptrdiff_t at = -1;
    for (size_t i = 0; i < domain.n; i++)
        if (domain.p[i] == '@')
            at = (ptrdiff_t)i;
    if (at < 0 || !signature_domain(span_from(domain, (size_t)at + 1), s->identity))
        return signature_decide(s, AUTH_PERMERROR, "i= has no domain");
    size_t i = strlen(s->identity);
    size_t d = strlen(s->domain);
    bool within = i >= d && strcmp(s->identity + i - d, s->domain) == 0 &&
                  (i == d || s->identity[i - d - 1] == '.');
    return within || signature_decide(s, AUTH_PERMERROR, "i= is outside of d=");
}

static bool read_expiry(struct signature *s, int64_t now_s)
{
    const struct tag *x = tags_find(&s->tags, "x");
    uint64_t value;
    if (!x)
        return true;
    if (!span_number(x->value, INT64_C(999999999999), &value))
        return signature_decide(s, AUTH_PERMERROR, "x= is no time");
    if (s->time >= 0 && (int64_t)value <= s->time)
        return signature_decide(s, AUTH_PERMERROR, "x= is not after t=");
    return (int64_t)value >= now_s || signature_decide(s, AUTH_FAIL, "the signature has expired");
}

static void read_one(struct signature *s, const struct field *field, int64_t now_s)
{
    if (!signature_read(s, field))
        return;
    const struct tag *q = tags_find(&s->tags, "q");
    if (!tags_is(&s->tags, "v", "1"))
        signature_decide(s, AUTH_PERMERROR, "v= is not 1");
    else if (q && !tag_lists(q->value, ':', "dns/txt"))
        signature_decide(s, AUTH_PERMERROR, "q= knows no way that we know");
    else if (signature_read_message(s) && read_identity(s))
        read_expiry(s, now_s);
}

struct dkim_checks *dkim_checks_new(const struct header *header, unsigned min_rsa_bits,
                                    int64_t now_s)
{
    size_t listed = header_count(header, "DKIM-Signature");
    if (listed > DKIM_MAX_LISTED)
        listed = DKIM_MAX_LISTED;
    struct dkim_checks *c = mem_new(sizeof *c + listed * sizeof c->at[0]);
    c->header = header;
    c->min_rsa_bits = min_rsa_bits;
    for (size_t i = 0; i < header->n && c->n < listed; i++) {
        if (!span_is_nocase(header->fields[i].name, "DKIM-Signature"))
            continue;
        struct signature *s = &c->at[c->n++];
        read_one(s, &header->fields[i], now_s);
        if (c->n > DKIM_MAX_SIGNATURES)
            signature_decide(s, AUTH_POLICY, "more than %d signatures", DKIM_MAX_SIGNATURES);
    }
    return c;
}

void dkim_checks_free(struct dkim_checks *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        signature_free(&c->at[i]);
    free(c);
}

void dkim_checks_want(struct dkim_checks *c, struct body_hashes *hashes)
{
    for (size_t i = 0; i < c->n; i++)
        if (!signature_decided(&c->at[i]))
            signature_want(&c->at[i], hashes);
}

bool dkim_checks_evaluate(struct dkim_checks *c, const struct body_hashes *hashes,
                          struct facts *facts)
{
    bool waiting = false;
    for (size_t i = 0; i < c->n; i++) {
        struct signature *s = &c->at[i];
        signature_check_body(s, hashes);
        if (signature_decided(s))
            continue;
        const struct dns_answer *key = signature_key(s, facts);
        if (!key) {
            waiting = true;
            continue;
        }
        signature_check_message(s, c->header, key, c->min_rsa_bits);
        // What l= leaves open anybody may have added (RFC 6376 section 8.2).
        if (s->result == AUTH_PASS && s->limit != CANON_NO_LIMIT) {
            s->result = AUTH_NONE;
            signature_decide(s, AUTH_POLICY, "l= leaves a part of the body unsigned");
        }
    }
    return waiting;
}

void dkim_checks_give_up(struct dkim_checks *c)
{
    for (size_t i = 0; i < c->n; i++)
        signature_decide(&c->at[i], AUTH_TEMPERROR, "the key could not be looked up in time");
}

size_t dkim_checks_count(const struct dkim_checks *c)
{
    return c->n;
}

const struct signature *dkim_checks_at(const struct dkim_checks *c, size_t i)
{
    return &c->at[i];
}
