// SPDX-License-Identifier: ISC
// Texts of what mail to a domain hangs on. The order in which the DNS gives records says nothing: lists are sorted.
#include "relay/recent/traits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/json.h"
#include "tls/dane.h"
#include "tls/sts.h"

#define TRAITS_LINE 131072 // bytes of one record in words

const char *trait_word(enum recent_what what)
{
    static const char *const words[] = {"mx", "policy", "tlsa", "certificate", "cipher"};
    return words[what];
}

const char *trait_sentence(enum recent_what what)
{
    static const char *const words[] = {"the MX records", "the MTA-STS policy", "the TLSA records",
                                        "the certificate", "protocol and cipher"};
    return words[what];
}

// ---- lists

struct line {
    char *text;
    size_t rank;   // sorted by this first
    size_t number; // where it stood
};

static int traits_by_text(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return strcmp(x->text, y->text);
}

// Sorted and joined; frees the texts.
static void traits_join(struct line *lines, size_t n, const char *between, struct buf *out)
{
    if (n)
        qsort(lines, n, sizeof *lines, traits_by_text);
    for (size_t i = 0; i < n; i++) {
        buf_addf(out, "%s%s", i ? between : "", lines[i].text);
        free(lines[i].text);
    }
}

static char *mx_line(const char *host, unsigned preference, unsigned hop)
{
    return hop ? mem_printf("%s", host) : mem_printf("%u %s", preference, host);
}

bool trait_mx(const struct route *route, struct buf *out)
{
    struct line *lines = mem_new((route->nhosts + 1) * sizeof *lines);
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct route_host *h = &route->hosts[i];
        unsigned hop = h->hop ? h->rank + 1 : 0;
        lines[i] =
            (struct line){mx_line(h->host, h->preference, hop), hop ? hop : h->preference, i};
    }
    traits_join(lines, route->nhosts, ", ", out);
    free(lines);
    return route->nhosts > 0;
}

static void policy_text(const char *mode, const char *id, struct buf *out)
{
    if (mode[0])
        buf_addf(out, "%s, id %s", mode, id);
    else
        buf_adds(out, "none");
}

bool trait_policy(const struct route *route, const struct route_host *host, struct buf *out)
{
    const struct sts_view *sts = route_sts(route, host);
    bool known = sts && sts->mode >= 0;
    policy_text(known ? sts_mode_word((enum sts_mode)sts->mode) : "", known ? sts->id : "", out);
    return true;
}

static bool is_usable(const struct route_host *host)
{
    return host && !host->demand.refuse && !why_is_set(&host->unusable);
}

// In the order of their text; how many.
static size_t tlsa_lines(const struct route_host *host, struct line lines[static TRAITS_TLSA])
{
    const struct demand *d = &host->demand;
    size_t n = d->ntlsa < TRAITS_TLSA ? d->ntlsa : TRAITS_TLSA;
    for (size_t i = 0; i < n; i++) {
        const struct dns_tlsa *t = &d->tlsa[i];
        struct buf text;
        buf_init(&text, TRAITS_LINE);
        buf_addf(&text, "%u %u %u ", t->usage, t->selector, t->matching);
        for (size_t b = 0; b < t->data.n; b++)
            buf_addf(&text, "%02x", t->data.p[b]);
        lines[i] = (struct line){buf_take(&text), 0, i};
    }
    if (n)
        qsort(lines, n, sizeof *lines, traits_by_text);
    return n;
}

bool trait_tlsa(const struct route_host *host, struct buf *out)
{
    struct line lines[TRAITS_TLSA];
    if (!is_usable(host))
        return false;
    traits_join(lines, tlsa_lines(host, lines), "\n", out);
    return true;
}

void trait_certificate(const struct shown_certificate *leaf, struct buf *out)
{
    char hex[SHOWN_HEX], until[40] = "?";
    if (leaf->not_after_s)
        clock_rfc3339(leaf->not_after_s * 1000, until);
    buf_addf(out, "%s, issuer %s, until %.10s, sha256 %s",
             leaf->name[0] ? leaf->name : leaf->subject, leaf->issuer, until,
             shown_hex(leaf->fingerprint, hex));
}

void trait_cipher(const struct shown *shown, struct buf *out)
{
    if (!shown)
        buf_adds(out, "no TLS");
    else
        buf_addf(out, "%s %s%s%s", shown->protocol, shown->cipher, shown->group[0] ? " " : "",
                 shown->group);
}

// ---- of an explanation

static bool explained_mx(const json_t *mx, struct buf *out)
{
    size_t n = json_array_size(mx), i;
    const json_t *host;
    struct line *lines = mem_new((n + 1) * sizeof *lines);
    json_array_foreach (mx, i, host) {
        unsigned hop = (unsigned)json_integer_value(json_object_get(host, "next_hop"));
        unsigned preference = (unsigned)json_integer_value(json_object_get(host, "preference"));
        lines[i] = (struct line){mx_line(json_word(host, "host"), preference, hop),
                                 hop ? hop : preference, i};
    }
    traits_join(lines, n, ", ", out);
    free(lines);
    return n > 0;
}

static bool explained_tlsa(const json_t *host, struct buf *out)
{
    struct line lines[TRAITS_TLSA];
    const json_t *list = json_object_get(host, "tlsa");
    size_t n = 0;
    if (strcmp(json_word(host, "demand"), "refuse") == 0)
        return false;
    for (; n < json_array_size(list) && n < TRAITS_TLSA; n++) {
        const char *record = json_string_value(json_array_get(list, n));
        lines[n] = (struct line){mem_dup(record ? record : ""), 0, n};
    }
    traits_join(lines, n, "\n", out);
    return true;
}

// What a look at the host has just shown.
static bool explained_session(const json_t *explanation, const json_t *host, const char *key,
                              struct buf *out)
{
    size_t i;
    const json_t *c;
    json_array_foreach (json_object_get(explanation, "connect"), i, c) {
        if (!host || strcmp(json_word(c, "host"), json_word(host, "host")) != 0 ||
            !json_word(c, key)[0])
            continue;
        buf_adds(out, json_word(c, key));
        return true;
    }
    return false;
}

bool trait_explained(const json_t *explanation, const json_t *host, enum recent_what what,
                     struct buf *out)
{
    const json_t *mx = json_object_get(explanation, "mx");
    const json_t *sts = json_object_get(explanation, "sts");
    switch (what) {
    case RECENT_MX:
        return explained_mx(mx, out);
    case RECENT_POLICY:
        if (sts && json_array_size(mx))
            policy_text(json_word(sts, "mode"), json_word(sts, "id"), out);
        return sts && json_array_size(mx);
    case RECENT_TLSA:
        return host && explained_tlsa(host, out);
    case RECENT_CERTIFICATE:
        return explained_session(explanation, host, "leaf", out);
    case RECENT_CIPHER:
        return explained_session(explanation, host, "session", out);
    default:
        return false;
    }
}

// ---- what matched

// The first certificate that the record is about, -1: none. DANE-EE is about the leaf alone.
static int matched_at(const struct dns_tlsa *tlsa, const struct shown *shown)
{
    size_t n = tlsa->usage == 3 && shown->nchain ? 1 : shown->nchain;
    for (size_t i = 0; i < n && dane_usable(tlsa); i++)
        if (dane_matches(tlsa, shown->chain[i]))
            return (int)i;
    return -1;
}

int64_t trait_matched(const struct route_host *host, const struct shown *shown,
                      int64_t *anchor_ends_s)
{
    struct line lines[TRAITS_TLSA];
    size_t n = is_usable(host) ? tlsa_lines(host, lines) : 0;
    int64_t matched = 0;
    *anchor_ends_s = 0;
    for (size_t i = 0; i < n; i++) {
        const struct dns_tlsa *t = &host->demand.tlsa[lines[i].number];
        int at = matched_at(t, shown);
        free(lines[i].text);
        if (at < 0)
            continue;
        matched |= INT64_C(1) << i;
        if (t->usage == 2) {
            struct shown_certificate anchor;
            shown_certificate(shown, (size_t)at, &anchor);
            *anchor_ends_s = anchor.not_after_s;
        }
    }
    return matched;
}

// Of the records of a host, in whatever order.
static uint64_t tlsa_digest(const struct route_host *host)
{
    uint64_t sum = is_usable(host);
    for (size_t i = 0; i < host->demand.ntlsa; i++) {
        const struct dns_tlsa *t = &host->demand.tlsa[i];
        unsigned kind = (unsigned)t->usage << 16 | (unsigned)t->selector << 8 | t->matching;
        sum += XXH3_64bits_withSeed(t->data.p, t->data.n, kind);
    }
    return sum;
}

uint64_t trait_digest(const struct route *route, const struct route_host *host)
{
    uint64_t sum = route->nhosts;
    for (size_t i = 0; i < route->nhosts; i++) {
        const struct route_host *h = &route->hosts[i];
        sum += XXH3_64bits_withSeed(h->host, strlen(h->host), h->preference);
    }
    const struct sts_view *sts = route_sts(route, host);
    if (sts && sts->mode >= 0)
        sum += XXH3_64bits_withSeed(sts->id, strlen(sts->id), (uint64_t)sts->mode + 1);
    return host ? XXH3_64bits_withSeed(&sum, sizeof sum, tlsa_digest(host)) : sum;
}
