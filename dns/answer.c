// SPDX-License-Identifier: ISC
// One DNS answer, immutable once shared, counted across threads.
#include "dns/answer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dns/name.h"
#include "relay/base/mem.h"

// The count stands behind the public part, so that the header shows only what callers may read.
struct counted {
    struct dns_answer answer;
    atomic_uint references;
};

struct dns_answer *dns_answer_new(const char *name, uint16_t type)
{
    struct counted *c = mem_new(sizeof *c);
    atomic_init(&c->references, 1);
    c->answer.name = name_lower(name);
    c->answer.canonical = mem_dup(c->answer.name);
    c->answer.type = type;
    c->answer.outcome = DNS_FAILED;
    c->answer.proof = DNS_UNPROVEN;
    return &c->answer;
}

void dns_answer_add(struct dns_answer *a, const void *rdata, size_t n)
{
    unsigned char *copy = mem_new(n);
    if (n > 0)
        memcpy(copy, rdata, n);
    a->records = mem_grow(a->records, a->nrecords + 1, sizeof *a->records);
    a->records[a->nrecords++].rdata = span_of(copy, n);
}

struct dns_answer *dns_answer_ref(struct dns_answer *a)
{
    unsigned before = atomic_fetch_add(&((struct counted *)a)->references, 1);
    assert(before > 0);
    return a;
}

void dns_answer_unref(struct dns_answer *a)
{
    if (!a)
        return;
    unsigned before = atomic_fetch_sub(&((struct counted *)a)->references, 1);
    assert(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < a->nrecords; i++)
        free((void *)a->records[i].rdata.p);
    free(a->records);
    free(a->name);
    free(a->canonical);
    free(a->server);
    free(a);
}

static const struct {
    uint16_t type;
    const char *word;
} types[] = {{DNS_A, "A"},       {DNS_NS, "NS"},        {DNS_CNAME, "CNAME"}, {DNS_SOA, "SOA"},
             {DNS_PTR, "PTR"},   {DNS_MX, "MX"},        {DNS_TXT, "TXT"},     {DNS_AAAA, "AAAA"},
             {DNS_TLSA, "TLSA"}, {DNS_DNSKEY, "DNSKEY"}};

const char *dns_type_word(uint16_t type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].word;
    static _Thread_local char number[16]; // RFC 3597 section 5
    snprintf(number, sizeof number, "TYPE%u", type);
    return number;
}

uint16_t dns_type_parse(const char *word)
{
    struct span s = span_text(word);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_is_nocase(s, types[i].word))
            return types[i].type;
    uint64_t number;
    if (span_starts_nocase(s, "TYPE") && span_number(span_from(s, 4), UINT16_MAX, &number))
        return (uint16_t)number;
    return 0;
}

const char *dns_proof_word(enum dns_proof proof)
{
    switch (proof) {
    case DNS_SECURE:
        return "secure";
    case DNS_INSECURE:
        return "insecure";
    case DNS_BOGUS:
        return "bogus";
    case DNS_UNPROVEN:
        break;
    }
    return "failed";
}
