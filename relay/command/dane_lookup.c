// SPDX-License-Identifier: ISC
// `waxwing dane lookup`: which TLSA records a delivery to a host would go by, and how far DNSSEC vouches
// for them. The walk of RFC 7672 section 2.2, for people; routes have their own in relay/route/host.c.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/command/command.h"
#include "relay/command/dns.h"
#include "relay/command/dane.h"
#include "tls/dane.h"

struct lookup {
    const struct dane_options *o;
    struct facts *facts;
    const struct dns_answer *address; // the better of A and AAAA
    const struct dns_answer *tlsa;    // the set that counts; NULL: none was asked for or found
    const char *base;                 // "" without one
    struct why failure;
};

static const struct dns_answer *better(const struct dns_answer *a, const struct dns_answer *b)
{
    return a->outcome == DNS_FOUND || b->outcome != DNS_FOUND ? a : b;
}

static void note_failure(struct lookup *l, const char *what, const struct dns_answer *a)
{
    if (!why_is_set(&l->failure))
        why_set(&l->failure, WHY_HOST, "4.4.3", "%s: %s (%s)", what,
                a->why.text[0] ? a->why.text : "lookup failed", dns_proof_word(a->proof));
}

static bool dane_lookup_again(void *arg)
{
    struct lookup *l = arg;
    const char *host = l->o->names[0], *bases[2];
    const struct dns_answer *a = facts_ask(l->facts, host, DNS_A);
    const struct dns_answer *aaaa = facts_ask(l->facts, host, DNS_AAAA);
    if (!a || !aaaa)
        return true;
    size_t n = 0;
    l->address = better(a, aaaa);
    if (l->address->outcome == DNS_FAILED)
        note_failure(l, "the address cannot be had", l->address);
    if (l->address->outcome != DNS_FOUND)
        return false;
    if (l->address->alias && l->address->proof == DNS_SECURE)
        bases[n++] = l->address->canonical;
    if (l->address->proof == DNS_SECURE || (l->address->alias && l->address->alias_secure))
        bases[n++] = l->address->name;
    for (size_t i = 0; i < n; i++) {
        char name[300];
        snprintf(name, sizeof name, "_%u._tcp.%s", l->o->port, bases[i]);
        const struct dns_answer *tlsa = facts_ask(l->facts, name, DNS_TLSA);
        if (!tlsa)
            return true;
        if (tlsa->outcome == DNS_ABSENT || tlsa->proof == DNS_INSECURE)
            continue;
        if (tlsa->outcome == DNS_FAILED)
            note_failure(l, "the TLSA records cannot be had", tlsa);
        l->tlsa = tlsa;
        l->base = bases[i];
        return false;
    }
    return false;
}

static size_t count_usable(const struct lookup *l)
{
    size_t usable = 0;
    struct dns_tlsa t;
    for (size_t i = 0; l->tlsa && i < l->tlsa->nrecords; i++)
        usable += rdata_tlsa(l->tlsa->records[i].rdata, &t) && dane_usable(&t);
    return usable;
}

static const char *sentence(const struct lookup *l)
{
    if (why_is_set(&l->failure))
        return l->failure.text;
    if (l->address->outcome != DNS_FOUND)
        return "the host has no address";
    if (l->address->proof != DNS_SECURE && !(l->address->alias && l->address->alias_secure))
        return "the address is not secured by DNSSEC, so TLSA is not asked for";
    if (!l->tlsa)
        return "there are no secure TLSA records";
    return count_usable(l) ? "" : "no TLSA record is usable: TLS without authentication is owed";
}

// The record as a zone has it; true: it is usable.
static bool record_text(struct span rdata, struct buf *text)
{
    struct dns_tlsa t;
    buf_init(text, 262144);
    rdata_tlsa_print(rdata, text);
    return rdata_tlsa(rdata, &t) && dane_usable(&t);
}

static void dane_lookup_print_json(const struct lookup *l)
{
    json_t *records = json_array();
    for (size_t i = 0; l->tlsa && i < l->tlsa->nrecords; i++) {
        struct buf text;
        bool usable = record_text(l->tlsa->records[i].rdata, &text);
        json_array_append_new(records,
                              json_pack("{s:s, s:b}", "record", buf_text(&text), "usable", usable));
        buf_free(&text);
    }
    json_t *out = json_pack(
        "{s:s, s:i, s:s, s:s, s:s, s:s, s:o, s:s}", "host", l->o->names[0], "port", (int)l->o->port,
        "address_dnssec", dns_proof_word(l->address->proof), "canonical", l->address->canonical,
        "tlsa_base", l->base, "tlsa_dnssec", l->tlsa ? dns_proof_word(l->tlsa->proof) : "", "tlsa",
        records, "reason", sentence(l));
    if (out)
        json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(out);
}

static void dane_lookup_print_text(const struct lookup *l)
{
    printf("address    %s\n", dns_proof_word(l->address->proof));
    if (l->address->alias)
        printf("canonical  %s\n", l->address->canonical);
    if (l->tlsa) {
        printf("tlsa base  %s\n", l->base);
        printf("tlsa       %s\n", dns_proof_word(l->tlsa->proof));
    }
    for (size_t i = 0; l->tlsa && i < l->tlsa->nrecords; i++) {
        struct buf text;
        bool usable = record_text(l->tlsa->records[i].rdata, &text);
        printf("_%u._tcp.%s. IN TLSA %s%s\n", l->o->port, l->base, buf_text(&text),
               usable ? "" : " ; unusable");
        buf_free(&text);
    }
    if (*sentence(l))
        printf("%s\n", sentence(l));
}

static int dane_lookup_look_up(const struct dane_options *o, struct dns *dns)
{
    struct lookup l = {.o = o, .facts = facts_new(), .base = ""};
    why_clear(&l.failure);
    dns_evaluate_blocking(dns, l.facts, dane_lookup_again, &l);
    if (o->json)
        dane_lookup_print_json(&l);
    else
        dane_lookup_print_text(&l);
    int rc = why_is_set(&l.failure) ? EXIT_TEMP : count_usable(&l) ? EXIT_YES : EXIT_NO;
    facts_free(l.facts);
    return rc;
}

int dane_lookup(const struct dane_options *o)
{
    int status;
    struct dns *dns = command_dns("dane", o->dns_file, o->resolver, &status);
    if (!dns)
        return status;
    status = dane_lookup_look_up(o, dns);
    dns_close(dns);
    return status;
}
