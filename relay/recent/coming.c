// SPDX-License-Identifier: ISC
// What will break within days. Pure but for the clock and the counts.
#include "relay/recent/coming.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/json.h"
#include "relay/state/json.h"
#include "tls/policy.h"

#define COMING_DAY INT64_C(86400)

static _Atomic uint64_t counts[COMING_KINDS];

const char *coming_word(enum coming_kind kind)
{
    static const char *const words[] = {"certificate", "policy-certificate", "tlsa",
                                        "policy",      "exception",          "own-certificate"};
    return words[kind];
}

struct coming {
    const struct coming_input *in;
    json_t *list, *known; // known: by kind, what and host
    int64_t now, until;
};

// What a finding is about, before its words.
struct found {
    enum coming_kind kind;
    const char *what, *domain, *host, *sure, *act, *advice;
    int64_t ends_s; // 0: nobody knows when
};

static void coming_add(struct coming *c, const struct found *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void coming_add(struct coming *c, const struct found *f, const char *format, ...)
{
    char text[1024], *key = mem_printf("%s %s", f->what, f->host[0] ? f->host : f->domain);
    json_t *one = json_object_get(c->known, key);
    va_list args;
    if (one) { // the same host, of another domain
        json_object_set_new(one, "domains", json_integer(json_number_of(one, "domains") + 1));
        free(key);
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    one = json_pack("{s:s, s:s, s:o, s:i, s:o, s:s, s:s, s:o, s:s}", "kind", coming_word(f->kind),
                    "what", f->what, "domain", json_text(f->domain), "domains", 1, "host",
                    json_text(f->host), "sure", f->sure, "act", f->act, "text", json_text(text),
                    "advice", f->advice);
    int64_t left = (f->ends_s - c->now) / COMING_DAY;
    json_object_set_new(one, "ends", f->ends_s ? json_integer(f->ends_s) : json_null());
    json_object_set_new(one, "days", f->ends_s ? json_integer(left) : json_null());
    json_array_append_new(c->list, one);
    json_object_set(c->known, key, one);
    free(key);
}

static bool ends_soon(const struct coming *c, int64_t ends_s)
{
    return ends_s && ends_s < c->until;
}

static const char *coming_day(int64_t seconds, char out[static 40])
{
    clock_rfc3339(seconds * 1000, out);
    out[10] = 0;
    return out;
}

// ---- hosts

// The TLSA records that the host had at the last attempt, and which of them matched what it showed.
struct records {
    unsigned all, matched, keys, wholes, authorities; // keys, wholes: of those matched of usage 3
    unsigned unmatched;                               // of usage 3
};

static struct records records_of(const struct recent_row *row)
{
    struct records r = {0};
    const char *text = row->traits[RECENT_TLSA].now;
    for (unsigned i = 0; text && *text; i++) {
        bool hit = i < TRAITS_TLSA && (row->matched >> i & 1), ee = text[0] == '3';
        bool key = text[1] == ' ' && text[2] == '1';
        r.all++;
        r.matched += hit;
        r.keys += hit && ee && key;
        r.wholes += hit && ee && !key;
        r.authorities += hit && !ee;
        r.unmatched += !hit && ee;
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return r;
}

static void look_at_records(struct coming *c, const struct recent_row *row)
{
    const struct records r = records_of(row);
    char day[40];
    struct found f = {COMING_TLSA,
                      "tlsa-rollover",
                      row->domain,
                      row->host,
                      "guess",
                      "receiver-dns",
                      "ask its owner whether the records are the next key's, or left over",
                      0};
    if (!row->chain || !r.matched)
        return;
    if (r.unmatched)
        coming_add(c, &f,
                   "of %u TLSA records %u match nothing that the host showed: the next key is "
                   "announced, or they are left over; where the host changes to another key than "
                   "these, its mail waits",
                   r.all, r.unmatched);
    f.ends_s = row->leaf_ends_s;
    f.advice = "a second record of the next key or certificate, two TTLs before the change";
    if (ends_soon(c, row->leaf_ends_s) && r.wholes && !r.keys && !r.authorities && !r.unmatched) {
        f.what = "tlsa-whole-certificate";
        f.sure = "likely";
        coming_add(c, &f,
                   "the certificate ends on %s, and only its own hash (3 0 x) is published: the "
                   "next certificate will not match until the record is changed",
                   coming_day(row->leaf_ends_s, day));
    } else if (ends_soon(c, row->leaf_ends_s) && r.keys == 1 && r.all == 1) {
        f.what = "tlsa-single";
        coming_add(
            c, &f,
            "the certificate ends on %s, and the one TLSA record matches the next only where "
            "its key is kept",
            coming_day(row->leaf_ends_s, day));
    }
    if (r.authorities && ends_soon(c, row->anchor_ends_s)) {
        f.what = "tlsa-authority";
        f.sure = "likely";
        f.ends_s = row->anchor_ends_s;
        coming_add(c, &f, "the authority that its TLSA record (2 x x) names ends on %s",
                   coming_day(row->anchor_ends_s, day));
    }
}

static void look_at_certificate(struct coming *c, const struct recent_row *row)
{
    const char *demand = row->demand ? row->demand : "", *proof = row->good_proof;
    bool dane = strcmp(demand, "dane") == 0, webpki = strcmp(demand, "webpki") == 0;
    char day[40];
    struct found f = {COMING_CERTIFICATE,
                      "certificate-ends",
                      row->domain,
                      row->host,
                      "guess",
                      "receiver-host",
                      "most are renewed in time; the host's owner can be told",
                      row->leaf_ends_s};
    // DANE-EE asks for no date (RFC 7671 section 5.1).
    if (!ends_soon(c, row->leaf_ends_s) || (dane && !records_of(row).authorities))
        return;
    bool needed = dane || webpki;
    bool over = row->leaf_ends_s < c->now;
    coming_add(c, &f, "its certificate %s on %s; %s", over ? "ended" : "ends",
               coming_day(row->leaf_ends_s, day),
               needed ? "without another one mail to it waits from then on"
               : proof && strcmp(proof, "webpki") == 0
                   ? "nothing that holds now demands a valid one, and mail goes on without"
                   : "no valid one is demanded, and mail goes on");
}

static void look_at_policy_host(struct coming *c, const struct recent_row *row)
{
    char day[40];
    struct found f = {COMING_POLICY_CERTIFICATE,
                      "policy-certificate-ends",
                      row->domain,
                      row->host,
                      "guess",
                      "receiver",
                      "most are renewed in time; the domain's owner can be told",
                      row->leaf_ends_s};
    if (ends_soon(c, row->leaf_ends_s))
        coming_add(c, &f,
                   "the certificate of its policy host %s on %s: without another one the policy "
                   "cannot be refreshed",
                   row->leaf_ends_s < c->now ? "ended" : "ends", coming_day(row->leaf_ends_s, day));
}

static void look_at_row(struct coming *c, const struct recent_row *row)
{
    bool policy = !row->good_turn && !row->bad_turn;
    if (!row->host[0])
        return;
    if (policy) {
        look_at_policy_host(c, row);
        return;
    }
    look_at_certificate(c, row);
    if (row->demand && strcmp(row->demand, "dane") == 0)
        look_at_records(c, row);
}

// ---- policies, and what is ours

static void look_at_policy(struct coming *c, const json_t *policy)
{
    const char *domain = json_string_value(json_object_get(policy, "domain"));
    const char *mode = json_string_value(json_object_get(policy, "mode"));
    const char *error = json_string_value(json_object_get(policy, "error"));
    int64_t ends = json_number_of(policy, "expires"), fetched = json_number_of(policy, "fetched");
    bool failing = error && error[0], stale = c->now - fetched > 2 * COMING_DAY;
    char day[40];
    struct found f = {COMING_POLICY,
                      "policy-expires",
                      domain ? domain : "",
                      "",
                      "likely",
                      "receiver",
                      "waxwing tls refresh DOMAIN shows what stands in the way",
                      ends};
    if (!mode || !mode[0] || strcmp(mode, "none") == 0 || !ends_soon(c, ends))
        return;
    if (c->in->refreshes && failing)
        coming_add(c, &f, "its MTA-STS policy (%s) ends on %s, and the last refresh failed: %s",
                   mode, coming_day(ends, day), error);
    f.sure = "guess";
    if (!c->in->refreshes && stale)
        coming_add(c, &f,
                   "its MTA-STS policy (%s) ends on %s and was not fetched for %lld days; without "
                   "the running relay nobody knows why",
                   mode, coming_day(ends, day), (long long)((c->now - fetched) / COMING_DAY));
}

static void look_at_ours(struct coming *c)
{
    const struct cfg_delivery *d = &c->in->config->delivery;
    char day[40];
    for (size_t i = 0; i < d->ndestinations; i++) {
        const struct cfg_destination *rule = &d->destinations[i];
        struct found f = {COMING_EXCEPTION,
                          "exception-ends",
                          rule->domain,
                          "",
                          "certain",
                          "us",
                          "waxwing tls exceptions says whether it is still needed",
                          rule->until};
        if (rule->until && rule->until != INT64_MAX && rule->until > c->now &&
            ends_soon(c, rule->until))
            coming_add(c, &f, "our exception (tls: %s) ends on %s: %s", tls_level_word(rule->tls),
                       coming_day(rule->until, day), rule->reason);
    }
    struct found own = {
        COMING_OWN, "own-certificate-ends",         c->in->config->hostname, "", "certain",
        "us",       "waxwing check names its file", c->in->own_ends_s};
    if (ends_soon(c, c->in->own_ends_s))
        coming_add(c, &own, "a certificate of this relay %s on %s",
                   c->in->own_ends_s < c->now ? "ended" : "ends",
                   coming_day(c->in->own_ends_s, day));
}

// ---- all of it

static int coming_by_end(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int64_t p = json_number_of(x, "ends"), q = json_number_of(y, "ends");
    p = p ? p : INT64_MAX; // what has no day comes last
    q = q ? q : INT64_MAX;
    return p < q ? -1 : p > q;
}

static json_t *coming_sorted(json_t *list)
{
    size_t n = json_array_size(list);
    json_t **at = mem_new((n + 1) * sizeof(json_t *)), *sorted = json_array();
    for (size_t i = 0; i < n; i++)
        at[i] = json_array_get(list, i);
    if (n)
        qsort(at, n, sizeof(json_t *), coming_by_end);
    for (size_t i = 0; i < n; i++)
        json_array_append(sorted, at[i]);
    free(at);
    json_decref(list);
    return sorted;
}

json_t *coming_json(const struct coming_input *in)
{
    struct coming c = {.in = in, .list = json_array(), .known = json_object(), .now = clock_s()};
    size_t i;
    const json_t *policy;
    c.until = c.now + in->days * COMING_DAY;
    for (i = 0; i < in->rows->n; i++)
        look_at_row(&c, &in->rows->at[i]);
    json_array_foreach (in->policies, i, policy)
        look_at_policy(&c, policy);
    look_at_ours(&c);
    json_decref(c.known);
    json_t *j = json_object();
    json_object_set_new(j, "days", json_integer(in->days));
    json_object_set_new(j, "findings", coming_sorted(c.list));
    return j;
}

json_t *coming_file(const char *path, const struct config *config, int64_t days, struct why *why)
{
    struct recent_rows rows = {0};
    json_t *policies = tls_policies_json(path, why), *j = NULL;
    if (policies && state_recent_read(path, NULL, recent_rows_add, &rows, why) == 0)
        j = coming_json(&(struct coming_input){.rows = &rows,
                                               .policies = json_object_get(policies, "policies"),
                                               .config = config,
                                               .days = days});
    recent_rows_free(&rows);
    json_decref(policies);
    return j;
}

// ---- for metrics

void coming_note(const json_t *coming)
{
    uint64_t now[COMING_KINDS] = {0};
    size_t i;
    const json_t *one;
    json_array_foreach (json_object_get(coming, "findings"), i, one)
        for (int k = 0; k < COMING_KINDS; k++)
            if (strcmp(coming_word((enum coming_kind)k),
                       json_string_value(json_object_get(one, "kind"))) == 0)
                now[k]++;
    for (int k = 0; k < COMING_KINDS; k++)
        atomic_store_explicit(&counts[k], now[k], memory_order_relaxed);
}

void coming_counts(uint64_t out[static COMING_KINDS])
{
    for (int k = 0; k < COMING_KINDS; k++)
        out[k] = atomic_load_explicit(&counts[k], memory_order_relaxed);
}
