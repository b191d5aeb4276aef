// SPDX-License-Identifier: ISC
// Replies from wire format: header, question, the chain of aliases, its end. RFC 1035 section 4,
// RFC 2308 for what is absent and for how long, RFC 6604 for the rcode of a chain.
#include "dns/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dns/rdata.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

#define MAX_RECORDS    2000 // of one section; a message of 64 KiB holds about 5,400
#define NO_SOA_TTL     30   // seconds that absence counts when nobody says for how long
#define CLASS_IN       1
#define RCODE_NXDOMAIN 3

struct record {
    unsigned char owner[255]; // wire, lower case
    size_t nowner;
    uint16_t type;
    uint32_t ttl;
    size_t at, n; // rdata in the packet
};

struct section {
    struct record *records;
    size_t n;
};

static uint16_t get16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

// A name at *at, uncompressed into wire; *at moves behind it. Pointers lead only backwards, so it ends.
static bool take_name(struct span packet, size_t *at, unsigned char wire[static 255], size_t *nwire)
{
    size_t p = *at, n = 0, limit = *at;
    bool jumped = false;
    for (;;) {
        if (p >= packet.n)
            return false;
        size_t label = packet.p[p];
        if (label >= 0xc0) {
            if (p + 1 >= packet.n)
                return false;
            size_t to = (label & 0x3f) << 8 | packet.p[p + 1];
            if (!jumped)
                *at = p + 2;
            jumped = true;
            if (to >= limit)
                return false;
            p = limit = to;
            continue;
        }
        if (label > 63 || p + 1 + label > packet.n || n + 1 + label > 255)
            return false;
        wire[n++] = (unsigned char)label;
        for (size_t i = 1; i <= label; i++)
            wire[n++] = (unsigned char)ascii_lower(packet.p[p + i]);
        p += 1 + label;
        if (label == 0)
            break;
    }
    *nwire = n;
    if (!jumped)
        *at = p;
    return true;
}

static bool take_record(struct span packet, size_t *at, struct record *r, bool *usable)
{
    if (!take_name(packet, at, r->owner, &r->nowner) || packet.n - *at < 10)
        return false;
    const unsigned char *p = packet.p + *at;
    r->type = get16(p);
    r->ttl = get32(p + 4);
    if (r->ttl > INT32_MAX) // RFC 2181 section 8
        r->ttl = 0;
    *usable = get16(p + 2) == CLASS_IN;
    r->n = get16(p + 8);
    r->at = *at + 10;
    if (packet.n - r->at < r->n)
        return false;
    *at = r->at + r->n;
    return true;
}

static bool take_section(struct span packet, size_t *at, size_t count, struct section *section)
{
    if (count > MAX_RECORDS)
        return false;
    section->records = count ? mem_grow(NULL, count, sizeof *section->records) : NULL;
    for (size_t i = 0; i < count; i++) {
        bool usable;
        if (!take_record(packet, at, &section->records[section->n], &usable))
            return false;
        section->n += usable;
    }
    return true;
}

// The rdata of a record with the names in it uncompressed.
static bool expand(struct span packet, const struct record *r, struct buf *out)
{
    size_t before = 0, after = 0, names = 1;
    switch (r->type) {
    case DNS_MX:
        before = 2;
        break;
    case DNS_SOA:
        names = 2;
        after = 20;
        break;
    case DNS_CNAME:
    case DNS_NS:
    case DNS_PTR:
        break;
    default:
        return buf_add(out, packet.p + r->at, r->n) == 0;
    }
    if (r->n < before)
        return false;
    buf_add(out, packet.p + r->at, before);
    size_t at = r->at + before, end = r->at + r->n;
    struct span upto = span_slice(packet, 0, end);
    for (size_t i = 0; i < names; i++) {
        unsigned char wire[255];
        size_t n;
        if (!take_name(upto, &at, wire, &n))
            return false;
        buf_add(out, wire, n);
    }
    return end - at == after && buf_add(out, packet.p + at, after) == 0;
}

static bool owned_by(const struct record *r, struct span wire)
{
    return r->nowner == wire.n && memcmp(r->owner, wire.p, wire.n) == 0;
}

static void lower_ttl(struct dns_answer *a, uint32_t ttl)
{
    if (ttl > MAX_TTL)
        ttl = MAX_TTL;
    if (ttl < a->ttl)
        a->ttl = ttl;
}

static bool add_records(struct span packet, const struct section *s, struct span owner,
                        struct dns_answer *a)
{
    struct buf rdata;
    buf_init(&rdata, UINT16_MAX);
    bool ok = true;
    for (size_t i = 0; i < s->n && ok; i++) {
        const struct record *r = &s->records[i];
        if (r->type != a->type || !owned_by(r, owner))
            continue;
        buf_reset(&rdata);
        ok = expand(packet, r, &rdata);
        if (ok) {
            dns_answer_add(a, rdata.data, rdata.len);
            lower_ttl(a, r->ttl);
        }
    }
    buf_free(&rdata);
    return ok;
}

static const struct record *wire_find(const struct section *s, struct span owner, uint16_t type)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->records[i].type == type && owned_by(&s->records[i], owner))
            return &s->records[i];
    return NULL;
}

// For how long absence counts: the smaller of the SOA's TTL and its last field, RFC 2308 section 5.
// false: the authority section has no SOA.
static bool absence_ttl(struct span packet, const struct section *authority, uint32_t *ttl)
{
    for (size_t i = 0; i < authority->n; i++) {
        const struct record *r = &authority->records[i];
        if (r->type != DNS_SOA || r->n < 22)
            continue;
        uint32_t minimum = get32(packet.p + r->at + r->n - 4);
        *ttl = minimum < r->ttl ? minimum : r->ttl;
        return true;
    }
    *ttl = NO_SOA_TTL;
    return false;
}

// Walks the aliases from a->canonical; false when one of them cannot be followed.
static bool wire_walk(struct span packet, const struct section *answers, struct dns_answer *a,
                      struct buf *at)
{
    for (int hop = 0;; hop++) {
        if (wire_find(answers, buf_span(at), a->type) || a->type == DNS_CNAME)
            return true;
        const struct record *cname = wire_find(answers, buf_span(at), DNS_CNAME);
        if (!cname)
            return true;
        char target[256];
        buf_reset(at);
        if (hop == MAX_CNAME || !expand(packet, cname, at) || !rdata_name(buf_span(at), target))
            return false;
        for (size_t i = 0; i < at->len;
             i++) // owners are in lower case; a length never is a letter's
            at->data[i] = (unsigned char)ascii_lower(at->data[i]);
        lower_ttl(a, cname->ttl);
        free(a->canonical);
        a->canonical = mem_dup(target);
        a->alias = true;
    }
}

static enum wire_end wire_finish(struct span packet, uint8_t rcode, const struct section *answers,
                                 const struct section *authority, struct dns_answer *a)
{
    enum wire_end end = WIRE_BROKEN;
    bool had_alias = a->alias;
    uint32_t ttl;
    struct buf at;
    buf_init(&at, 512);
    rdata_name_wire(a->canonical, &at);
    for (size_t i = 0; i < at.len; i++)
        at.data[i] = (unsigned char)ascii_lower(at.data[i]);
    if (!wire_walk(packet, answers, a, &at) || !add_records(packet, answers, buf_span(&at), a))
        goto out;
    if (a->nrecords > 0) {
        a->outcome = DNS_FOUND;
        end = WIRE_FOUND;
        goto out;
    }
    bool soa = absence_ttl(packet, authority, &ttl);
    if (a->alias && !soa && rcode != RCODE_NXDOMAIN) {
        // An authoritative server stops where its knowledge ends. A chain that led nowhere new is
        // its way of saying so once more.
        end = had_alias && answers->n == 0 ? WIRE_ABSENT : WIRE_ALIAS;
    } else {
        end = WIRE_ABSENT;
    }
    if (end == WIRE_ABSENT) {
        lower_ttl(a, ttl);
        a->outcome = DNS_ABSENT;
        a->nxdomain = rcode == RCODE_NXDOMAIN;
    }
out:
    buf_free(&at);
    return end;
}

static bool is_reply_to(struct span packet, size_t *at, const struct dns_answer *a)
{
    unsigned char wire[255];
    char name[256];
    size_t n;
    *at = 12;
    return packet.n >= 12 && (packet.p[2] & 0xf8) == 0x80 && get16(packet.p + 4) == 1 &&
           take_name(packet, at, wire, &n) && rdata_name(span_of(wire, n), name) &&
           strcmp(name, a->canonical) == 0 && packet.n - *at >= 4 &&
           get16(packet.p + *at) == a->type && get16(packet.p + *at + 2) == CLASS_IN;
}

struct wire_reply wire_read(struct span packet, struct dns_answer *answer)
{
    struct wire_reply m = {.end = WIRE_BROKEN};
    struct section answers = {0}, authority = {0};
    size_t at;
    if (!is_reply_to(packet, &at, answer))
        return m;
    at += 4;
    m.rcode = packet.p[3] & 0x0f;
    if (packet.p[2] & 0x02) {
        m.end = WIRE_CUT;
        return m;
    }
    if (m.rcode != 0 && m.rcode != RCODE_NXDOMAIN) {
        m.end = WIRE_FAILED;
        return m;
    }
    struct dns_answer before = *answer;
    before.canonical = mem_dup(answer->canonical);
    if (take_section(packet, &at, get16(packet.p + 6), &answers) &&
        take_section(packet, &at, get16(packet.p + 8), &authority))
        m.end = wire_finish(packet, m.rcode, &answers, &authority, answer);
    if (m.end == WIRE_BROKEN) {
        for (size_t i = 0; i < answer->nrecords; i++)
            free((void *)answer->records[i].rdata.p);
        free(answer->records);
        free(answer->canonical);
        *answer = before;
        answer->records = NULL;
        answer->nrecords = 0;
    } else {
        free(before.canonical);
    }
    free(answers.records);
    free(authority.records);
    return m;
}

const char *wire_rcode_word(uint8_t rcode)
{
    static const char *const words[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    if (rcode < sizeof words / sizeof *words)
        return words[rcode];
    static _Thread_local char number[16];
    snprintf(number, sizeof number, "rcode %u", rcode);
    return number;
}
