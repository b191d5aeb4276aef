// SPDX-License-Identifier: ISC
// Validating an ARC chain (RFC 8617 section 5.2): its structure first, then the newest
// ARC-Message-Signature, then every ARC-Seal. Older message signatures only tell how old the oldest
// unbroken one is.
#include "sign/arc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "sign/selection.h"
#include "sign/trusted.h"

struct set {
    const struct field *results, *message, *seal;
    struct signature message_signature, seal_signature;
};

struct arc_chain {
    const struct header *header;
    unsigned min_rsa_bits;
    size_t n; // highest instance
    bool complete, closed;
    bool decided, temporary;
    enum arc_cv cv;
    size_t oldest_pass;
    char reason[320];
    struct set *sets; // n of them, the i-th instance at i - 1
};

const char *arc_cv_word(enum arc_cv cv)
{
    return cv == ARC_NONE ? "none" : cv == ARC_PASS ? "pass" : "fail";
}

static void arc_fail(struct arc_chain *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void arc_fail(struct arc_chain *c, const char *format, ...)
{
    if (c->decided)
        return;
    c->decided = true;
    c->cv = ARC_FAIL;
    va_list args;
    va_start(args, format);
    vsnprintf(c->reason, sizeof c->reason, format, args);
    va_end(args);
}

static size_t instance_number(struct span text)
{
    uint64_t value = 0;
    return span_number(text, ARC_MAX_SETS, &value) ? (size_t)value : 0;
}

// The i= of a field; 0: none that counts. Results carry it in front of everything else (section 4.1.1).
static size_t arc_instance(const struct field *field, bool results)
{
    struct tags tags;
    if (!results) {
        const struct tag *i = tags_parse(field->value, &tags) ? tags_find(&tags, "i") : NULL;
        return i ? instance_number(i->value) : 0;
    }
    struct span first, rest, name, value;
    if (!span_cut(field->value, ';', &first, &rest) || !span_cut(first, '=', &name, &value))
        return 0;
    return span_is(span_trim(name), "i") ? instance_number(span_trim(value)) : 0;
}

static void arc_place(struct arc_chain *c, const struct field *field, size_t i,
                      const struct field **where)
{
    if (*where)
        arc_fail(c, "there are two %.*s fields of instance %zu", (int)field->name.n,
                 (const char *)field->name.p, i);
    *where = field;
}

static void arc_collect(struct arc_chain *c)
{
    for (size_t k = 0; k < c->header->n; k++) {
        const struct field *field = &c->header->fields[k];
        bool results = span_is_nocase(field->name, "ARC-Authentication-Results");
        bool message = span_is_nocase(field->name, "ARC-Message-Signature");
        if (!results && !message && !span_is_nocase(field->name, "ARC-Seal"))
            continue;
        size_t i = arc_instance(field, results);
        if (!i) {
            arc_fail(c, "there is an %.*s field without a valid instance", (int)field->name.n,
                     (const char *)field->name.p);
            continue;
        }
        if (i > c->n) {
            c->sets = mem_grow(c->sets, i, sizeof *c->sets);
            memset(&c->sets[c->n], 0, (i - c->n) * sizeof *c->sets);
            c->n = i;
        }
        struct set *set = &c->sets[i - 1];
        arc_place(c, field, i, results ? &set->results : message ? &set->message : &set->seal);
    }
}

static bool seal_says(const struct set *set, const char *cv)
{
    struct tags tags;
    return set->seal && tags_parse(set->seal->value, &tags) && tags_is(&tags, "cv", cv);
}

static void check_structure(struct arc_chain *c)
{
    c->closed = c->n && seal_says(&c->sets[c->n - 1], "fail");
    if (c->closed)
        arc_fail(c, "the chain was closed as failed");
    for (size_t i = 1; i <= c->n; i++) {
        const struct set *set = &c->sets[i - 1];
        if (!set->results || !set->message || !set->seal)
            arc_fail(c, "set %zu is incomplete", i);
    }
    c->complete = !c->decided;
}

static void read_seal(struct arc_chain *c, size_t i)
{
    struct set *set = &c->sets[i - 1];
    struct signature *s = &set->seal_signature;
    signature_read(s, set->seal);
    if (tags_find(&s->tags, "h"))
        signature_decide(s, AUTH_PERMERROR, "a seal has no h=");
    if (!tags_is(&s->tags, "cv", i == 1 ? "none" : "pass"))
        signature_decide(s, AUTH_PERMERROR, "cv= is not %s", i == 1 ? "none" : "pass");
    if (signature_decided(s))
        arc_fail(c, "ARC-Seal %zu: %s", i, s->reason);
}

static void read_message_signature(struct arc_chain *c, size_t i)
{
    struct set *set = &c->sets[i - 1];
    struct signature *s = &set->message_signature;
    if (signature_read(s, set->message) && signature_read_message(s) &&
        selection_has(s->signed_fields, "arc-seal"))
        signature_decide(s, AUTH_PERMERROR, "h= covers an ARC-Seal");
    if (s->limit != CANON_NO_LIMIT)
        signature_decide(s, AUTH_POLICY, "l= leaves a part of the body unsigned");
    if (i == c->n && signature_decided(s))
        arc_fail(c, "ARC-Message-Signature %zu: %s", i, s->reason);
}

struct arc_chain *arc_new(const struct header *header, unsigned min_rsa_bits)
{
    struct arc_chain *c = mem_new(sizeof *c);
    c->header = header;
    c->min_rsa_bits = min_rsa_bits;
    arc_collect(c);
    check_structure(c);
    for (size_t i = c->n; i > 0 && !c->decided; i--) {
        read_message_signature(c, i);
        read_seal(c, i);
    }
    if (!c->n)
        c->decided = true;
    return c;
}

void arc_free(struct arc_chain *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++) {
        signature_free(&c->sets[i].message_signature);
        signature_free(&c->sets[i].seal_signature);
    }
    free(c->sets);
    free(c);
}

// Without c= a signature is simple/simple (RFC 6376 section 3.5), yet sealers have been taken to mean
// relaxed, as in ARC-Seal. Both are heard: neither lets more than white space change.
static bool canon_open(const struct signature *s)
{
    return !signature_decided(s) && !tags_find(&s->tags, "c");
}

// The newest first: where there is no room for all, the oldest do without.
void arc_want(struct arc_chain *c, struct body_hashes *hashes)
{
    for (size_t i = c->n; i > 0 && !c->decided; i--)
        if (!signature_decided(&c->sets[i - 1].message_signature)) {
            signature_want(&c->sets[i - 1].message_signature, hashes);
            if (canon_open(&c->sets[i - 1].message_signature))
                body_hashes_want(hashes, CANON_RELAXED, CANON_NO_LIMIT);
        }
}

static void check_body(struct signature *s, const struct body_hashes *hashes)
{
    unsigned char digest[32];
    uint64_t canonical;
    if (canon_open(s) &&
        body_hashes_get(hashes, CANON_RELAXED, CANON_NO_LIMIT, digest, &canonical) &&
        memcmp(digest, s->bh, sizeof digest) == 0)
        s->body_canon = CANON_RELAXED;
    signature_check_body(s, hashes);
}

static bool ask_keys(struct arc_chain *c, struct facts *facts)
{
    bool all = true;
    for (size_t i = 0; i < c->n; i++) {
        const struct signature *pair[2] = {&c->sets[i].seal_signature,
                                           &c->sets[i].message_signature};
        for (int k = 0; k < 2; k++)
            if (!signature_decided(pair[k]) && !signature_key(pair[k], facts))
                all = false;
    }
    return all;
}

static void check_message(struct arc_chain *c, size_t i, struct facts *facts)
{
    struct signature *s = &c->sets[i - 1].message_signature;
    if (signature_decided(s))
        return;
    bool open = canon_open(s);
    const struct dns_answer *key = signature_key(s, facts);
    signature_check_message(s, c->header, key, c->min_rsa_bits);
    if (!open || s->result != AUTH_FAIL)
        return;
    s->result = AUTH_NONE;
    s->header_canon = CANON_RELAXED;
    signature_check_message(s, c->header, key, c->min_rsa_bits);
}

static int canon_set(const struct set *set, bool with_seal, struct buf *out)
{
    if (canon_field(CANON_RELAXED, set->results, out) < 0 ||
        canon_field(CANON_RELAXED, set->message, out) < 0)
        return -1;
    return with_seal ? canon_field(CANON_RELAXED, set->seal, out) : 0;
}

int arc_canon_sets(const struct arc_chain *c, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        if (canon_set(&c->sets[i], true, out) < 0)
            return -1;
    return 0;
}

// Each seal covers all sets up to its own (section 5.1.1), so the data grows from one to the next.
static void check_seals(struct arc_chain *c, struct facts *facts)
{
    struct buf data;
    buf_init(&data, selection_ceiling(c->header));
    for (size_t i = 1; i <= c->n && !c->decided; i++) {
        struct set *set = &c->sets[i - 1];
        struct signature *s = &set->seal_signature;
        canon_set(set, false, &data);
        size_t before = data.len;
        if (signature_own(s, CANON_RELAXED, &data) < 0)
            signature_decide(s, AUTH_PERMERROR, "the sets are too large");
        signature_check(s, signature_key(s, facts), buf_span(&data), c->min_rsa_bits);
        buf_cut(&data, before);
        canon_field(CANON_RELAXED, set->seal, &data);
        c->temporary = s->result == AUTH_TEMPERROR;
        if (s->result != AUTH_PASS)
            arc_fail(c, "ARC-Seal %zu: %s", i, s->reason);
    }
    buf_free(&data);
}

static size_t find_oldest_pass(struct arc_chain *c, struct facts *facts)
{
    for (size_t i = c->n; i > 0; i--) {
        check_message(c, i, facts);
        if (c->sets[i - 1].message_signature.result != AUTH_PASS)
            return i + 1;
    }
    return 0;
}

bool arc_evaluate(struct arc_chain *c, const struct body_hashes *hashes, struct facts *facts)
{
    if (c->decided)
        return false;
    for (size_t i = 0; i < c->n; i++)
        check_body(&c->sets[i].message_signature, hashes);
    struct signature *newest = &c->sets[c->n - 1].message_signature;
    if (!signature_decided(newest) && !ask_keys(c, facts))
        return true;
    check_message(c, c->n, facts);
    c->temporary = newest->result == AUTH_TEMPERROR;
    if (newest->result != AUTH_PASS)
        arc_fail(c, "ARC-Message-Signature %zu: %s", c->n, newest->reason);
    check_seals(c, facts);
    if (c->decided)
        return false;
    c->oldest_pass = find_oldest_pass(c, facts);
    c->cv = ARC_PASS;
    c->decided = true;
    return false;
}

void arc_give_up(struct arc_chain *c)
{
    c->temporary = c->temporary || !c->decided;
    arc_fail(c, "the keys could not be looked up in time");
}

enum arc_cv arc_result(const struct arc_chain *c)
{
    return c->cv;
}

const char *arc_reason(const struct arc_chain *c)
{
    return c->reason;
}

bool arc_temporary(const struct arc_chain *c)
{
    return c->temporary;
}

size_t arc_instances(const struct arc_chain *c)
{
    return c->n;
}

size_t arc_oldest_pass(const struct arc_chain *c)
{
    return c->oldest_pass;
}

bool arc_complete(const struct arc_chain *c)
{
    return c->complete;
}

bool arc_closed(const struct arc_chain *c)
{
    return c->closed || c->n >= ARC_MAX_SETS;
}

const char *arc_sealer(const struct arc_chain *c, size_t instance)
{
    return c->sets[instance - 1].seal_signature.domain;
}

bool arc_records_dmarc_pass(const struct arc_chain *c, size_t instance, const char *from_domain)
{
    struct span first, rest;
    struct authres results;
    const struct field *field = c->sets[instance - 1].results;
    if (!field || !span_cut(field->value, ';', &first, &rest) || authres_parse(rest, &results) < 0)
        return false;
    bool pass = false, decided = false; // the first word on it counts
    for (size_t i = 0; i < results.n && !decided; i++) {
        char domain[256];
        const struct authres_result *r = &results.results[i];
        decided = strcmp(r->method, "dmarc") == 0;
        pass = decided && strcmp(r->result, "pass") == 0 &&
               (!authres_get(r, "header", "from") ||
                (trusted_domain(r, "header", "from", domain) && trusted_same(domain, from_domain)));
    }
    authres_free(&results);
    return pass;
}

const struct header *arc_header(const struct arc_chain *c)
{
    return c->header;
}
