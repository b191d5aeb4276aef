// SPDX-License-Identifier: ISC
// The MTA-STS cache. One entry a domain; at any time it is doing at most one thing (enum work): looking TXT
// up, fetching, or storing. Waiters are answered as soon as what is known is enough.
//
//   asked → TXT → id unknown here, or forced → fetch → store → answer
//                 id as cached               → answer
//                 no usable TXT              → answer (the cached policy stays in force, or none)
//   A cached policy answers at once and the rest goes on behind it (RFC 8461 section 5.1).
#include "tls/sts_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dns/rdata.h"
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "tls/sts.h"

#define FETCH_AGAIN_S 300   // after a fetch that failed
#define LOOK_AGAIN_S  60    // TXT is looked up at most this often for a refresh
#define REFRESH_S     86400 // a policy is fetched anew when it is older than this
#define JITTER_S      7200  // spread of the daily refresh
#define LEAST_AGE_S   60  // a policy counts for the delivery that fetched it, whatever its max_age
#define LEAST_EARLY_S 300 // one that lives shorter is fetched when mail needs it, not ahead
#define TICK_MS       30000  // how often the daily refresh looks for what is due
#define CACHE_DOMAINS 100000 // domains remembered, policies and failures
#define WELL_KNOWN    "/.well-known/mta-sts.txt"

enum work { IDLE, LOOKING, FETCHING, STORING };

// A store under way; the entry may be gone when it ends.
struct storing {
    struct entry *entry; // NULL: the cache was closed
};

struct entry {
    UT_hash_handle hh;
    struct sts_cache *cache;
    char *domain;
    enum work work;
    uint64_t since_ms;    // clock_mono_ms(): when that began
    struct sts_view view; // mode -1: no policy
    int64_t looked_s;     // when TXT was last looked up past the DNS cache, 0: never
    int64_t failed_s;     // when a fetch last failed, 0: the last one did not
    int64_t refresh_s;    // when it is fetched anew in the background
    bool forced;          // fetch whatever the id says
    bool doubted; // a delivery failed under it: nobody is answered before it was looked at again
    bool gone_told, expired_told; // each once: for `changed`
    char new_id[STS_ID_MAX + 1];
    struct dns_request *lookup;
    struct https_request *fetch;
    struct storing *storing;
    struct list waiters;
};

struct sts_cache {
    struct sts_cache_options options;
    struct entry *table;
    uv_timer_t tick;
};

struct sts_request {
    struct item item; // answers are posted, never given inside the call
    struct list list;
    struct entry *entry;
    bool impatient; // content with a cached policy
    bool posted;
    bool cancelled;
    struct sts_view view;
    sts_fn *fn;
    void *arg;
};

static bool in_force(const struct entry *e)
{
    return e->view.mode >= 0 && e->view.expires_s > clock_s();
}

// Wall time, since entries outlive nothing but are compared with what is on disk. A clock that was set back
// must not make us wait for the time it showed before.
static bool waited(int64_t since_s, int64_t seconds)
{
    int64_t now = clock_s();
    return since_s == 0 || now < since_s || now - since_s >= seconds;
}

static bool may_fetch(const struct entry *e)
{
    return waited(e->failed_s, FETCH_AGAIN_S);
}

static bool is_due(const struct entry *e)
{
    int64_t now = clock_s();
    return now >= e->refresh_s || now + REFRESH_S < e->view.fetched_s;
}

// ---- answering

static void sts_cache_run_answer(struct item *item)
{
    struct sts_request *r = list_of(item, struct sts_request, item);
    if (!r->cancelled)
        r->fn(&r->view, r->arg);
    sts_view_free(&r->view);
    free(r);
}

static void sts_cache_answer(struct sts_request *r)
{
    struct entry *e = r->entry;
    list_remove(&r->list);
    sts_view_copy(&r->view, &e->view);
    if (!in_force(e)) { // an expired policy says nothing any more
        struct why error = e->view.error;
        sts_view_free(&r->view);
        r->view.error = error;
    }
    r->posted = true;
    r->item.run = sts_cache_run_answer;
    inbox_post(e->cache->options.mail, &r->item);
}

static void answer_all(struct entry *e)
{
    list_each_safe (it, &e->waiters)
        sts_cache_answer(list_of(it, struct sts_request, list));
}

// Those who wait only for something usable need not wait for news.
static void answer_impatient(struct entry *e)
{
    list_each_safe (it, &e->waiters) {
        struct sts_request *r = list_of(it, struct sts_request, list);
        if (r->impatient)
            sts_cache_answer(r);
    }
}

static void sts_cache_tell(struct entry *e, const char *what)
{
    if (e->cache->options.changed)
        e->cache->options.changed(e->cache->options.arg, e->domain, what);
}

static void begin_work(struct entry *e, enum work work)
{
    e->work = work;
    e->since_ms = clock_mono_ms();
}

static void rest(struct entry *e)
{
    e->work = IDLE;
    e->forced = e->doubted = false;
    answer_all(e);
}

// ---- fetching and storing

static void sts_cache_stored(void *arg)
{
    struct storing *storing = arg;
    if (storing->entry) {
        storing->entry->storing = NULL;
        rest(storing->entry);
    }
    free(storing);
}

static void keep(struct entry *e)
{
    struct sts_row row = {e->domain, e->view.id, e->view.text, e->view.fetched_s,
                          e->view.expires_s};
    begin_work(e, STORING);
    if (!e->cache->options.keep) {
        rest(e);
        return;
    }
    e->storing = mem_new(sizeof *e->storing);
    e->storing->entry = e;
    e->cache->options.keep(e->cache->options.arg, &row, sts_cache_stored, e->storing);
}

static void adopt(struct entry *e, const char *id, const struct sts_policy *policy,
                  int64_t fetched_s)
{
    int64_t age = policy->max_age < LEAST_AGE_S ? LEAST_AGE_S : (int64_t)policy->max_age;
    sts_view_free(&e->view);
    e->view = (struct sts_view){
        .mode = (int)policy->mode, .fetched_s = fetched_s, .expires_s = fetched_s + age};
    snprintf(e->view.id, sizeof e->view.id, "%s", id);
    e->view.text = mem_dup(policy->text);
    e->view.mx = mem_new((policy->mx.n + 1) * sizeof *e->view.mx);
    for (size_t i = 0; i < policy->mx.n; i++)
        e->view.mx[e->view.nmx++] = mem_dup(policy->mx.at[i]);
    int64_t early = REFRESH_S - (int64_t)random_below(JITTER_S);
    if (early > age / 2)
        early = age / 2 < LEAST_EARLY_S ? age : age / 2;
    e->refresh_s = fetched_s + early;
}

static void sts_cache_fetch_failed(struct entry *e, const struct why *why)
{
    bool had = in_force(e);
    e->failed_s = clock_s();
    if (e->cache->options.failed)
        e->cache->options.failed(e->cache->options.arg, e->domain, &e->view, why);
    if (had && e->view.error.tls == WHY_TLS_NONE)
        sts_cache_tell(e, "a new policy cannot be fetched; the cached one stays in force");
    e->view.error = *why;
    rest(e);
}

static void sts_cache_fetched(struct span body, const struct why *failure, void *arg)
{
    struct entry *e = arg;
    struct sts_policy policy;
    struct why why;
    int64_t ends = https_certificate_ends(e->fetch);
    e->fetch = NULL;
    if (failure) {
        sts_cache_fetch_failed(e, failure);
        return;
    }
    if (ends && e->cache->options.showed)
        e->cache->options.showed(e->cache->options.arg, e->domain, ends);
    if (sts_policy_parse(body, &policy, &why) < 0) {
        sts_cache_fetch_failed(e, &why);
        return;
    }
    int before = in_force(e) ? e->view.mode : -1;
    adopt(e, e->new_id, &policy, clock_s());
    e->view.source = STS_FROM_FETCH;
    e->view.certificate_ends_s = ends;
    e->failed_s = 0;
    e->expired_told = false;
    if (before == STS_ENFORCE && policy.mode != STS_ENFORCE)
        sts_cache_tell(e, policy.mode == STS_NONE ? "from enforce to none"
                                                  : "from enforce to testing");
    sts_policy_free(&policy);
    keep(e);
}

static void start_fetch(struct entry *e)
{
    char host[300];
    snprintf(host, sizeof host, "mta-sts.%s", e->domain);
    begin_work(e, FETCHING);
    e->fetch = https_get(e->cache->options.https, host, WELL_KNOWN, sts_cache_fetched, e);
    if (in_force(e))
        answer_impatient(e);
}

// ---- the TXT record

// All strings of all records; the spans point into `texts`.
static size_t read_txt(const struct dns_answer *answer, struct buf *texts, struct span *out,
                       size_t max)
{
    size_t n = 0, start[64];
    for (size_t i = 0; i < answer->nrecords && n < max; i++) {
        size_t before = texts->len;
        if (rdata_txt(answer->records[i].rdata, texts))
            start[n++] = before;
        else
            buf_cut(texts, before);
    }
    for (size_t i = 0; i < n; i++)
        out[i] = span_slice(buf_span(texts), start[i], i + 1 < n ? start[i + 1] : texts->len);
    return n;
}

// What TXT says: an id, or nothing usable (why says what, if it is worth saying).
static bool read_id(const struct dns_answer *answer, char id[static STS_ID_MAX + 1],
                    struct why *why)
{
    struct buf texts;
    struct span spans[64];
    bool found = false;
    why_clear(why);
    buf_init(&texts, 262144);
    size_t n = answer->outcome == DNS_FOUND ? read_txt(answer, &texts, spans, 64) : 0;
    if (answer->outcome == DNS_FAILED)
        why_say(why, STS_TXT_FAILED, answer->name, answer->why.text);
    else if (sts_record_parse(spans, n, id, &found, why) < 0)
        found = false;
    buf_free(&texts);
    return found;
}

static void sts_cache_looked_up(const struct dns_answer *txt, void *arg)
{
    struct entry *e = arg;
    struct why why;
    e->lookup = NULL;
    if (!read_id(txt, e->new_id, &why)) {
        if (in_force(e) && !e->gone_told && txt->outcome == DNS_ABSENT) {
            e->gone_told = true;
            sts_cache_tell(e, "the TXT record is gone; the cached policy stays in force");
        }
        e->view.error = why;
        rest(e);
        return;
    }
    e->gone_told = false;
    bool same = in_force(e) && strcmp(e->view.id, e->new_id) == 0;
    bool due = e->cache->options.refresh && is_due(e);
    if (same && !e->forced && !due) {
        why_clear(&e->view.error); // TXT is back, or the id that could not be fetched is withdrawn
        rest(e);
    } else if (!e->forced && !may_fetch(e)) {
        rest(e);
    } else {
        start_fetch(e);
    }
}

static void sts_cache_look(struct entry *e)
{
    char name[300];
    snprintf(name, sizeof name, "_mta-sts.%s", e->domain);
    begin_work(e, LOOKING);
    e->lookup = dns_ask(e->cache->options.dns, e->cache->options.mail, name, DNS_TXT,
                        sts_cache_looked_up, e);
}

// ---- entries

static void forget_entry(struct sts_cache *cache, struct entry *e)
{
    HASH_DEL(cache->table, e);
    sts_view_free(&e->view);
    free(e->domain);
    free(e);
}

// The newest entry is about to be used and stays.
static void sts_cache_make_room(struct sts_cache *cache, const struct entry *newest)
{
    struct entry *e, *next;
    HASH_ITER (hh, cache->table, e, next) {
        if (HASH_COUNT(cache->table) <= CACHE_DOMAINS)
            return;
        if (e != newest && e->work == IDLE && list_empty(&e->waiters) && !in_force(e))
            forget_entry(cache, e);
    }
}

static struct entry *sts_cache_find(struct sts_cache *cache, const char *domain)
{
    struct entry *e;
    HASH_FIND_STR(cache->table, domain, e);
    if (e)
        return e;
    e = mem_new(sizeof *e);
    e->cache = cache;
    e->domain = mem_dup(domain);
    e->view.mode = -1;
    list_init(&e->waiters);
    HASH_ADD_KEYPTR(hh, cache->table, e->domain, strlen(e->domain), e);
    sts_cache_make_room(cache, e);
    return e;
}

static struct sts_request *new_request(struct entry *e, bool impatient, sts_fn *fn, void *arg)
{
    struct sts_request *r = mem_new(sizeof *r);
    r->entry = e;
    r->impatient = impatient;
    r->fn = fn;
    r->arg = arg;
    list_init(&r->list);
    list_append(&e->waiters, &r->list);
    return r;
}

struct sts_request *sts_cache_get(struct sts_cache *cache, const char *domain, sts_fn *fn,
                                  void *arg)
{
    struct entry *e = sts_cache_find(cache, domain);
    struct sts_request *r = new_request(e, !e->doubted, fn, arg);
    if (in_force(e))
        e->view.source = STS_FROM_CACHE;
    if (e->work == IDLE)
        sts_cache_look(e);
    if (in_force(e) && !e->doubted)
        sts_cache_answer(r);
    return r;
}

struct sts_request *sts_cache_refresh(struct sts_cache *cache, const char *domain, bool force,
                                      sts_fn *fn, void *arg)
{
    struct entry *e = sts_cache_find(cache, domain);
    struct sts_request *r = new_request(e, false, fn, arg);
    e->forced = e->forced || force;
    if (!force && e->work == IDLE && !waited(e->looked_s, LOOK_AGAIN_S)) {
        sts_cache_answer(r);
        return r;
    }
    e->doubted = true; // who asks meanwhile waits too: a route planned now is made from the answer
    if (e->work != IDLE)
        return r;
    e->looked_s = clock_s();
    char name[300];
    snprintf(name, sizeof name, "_mta-sts.%s", domain);
    dns_forget(cache->options.dns, name);
    sts_cache_look(e);
    return r;
}

void sts_cache_cancel(struct sts_request *r)
{
    if (!r)
        return;
    if (r->posted) {
        r->cancelled = true;
        return;
    }
    list_remove(&r->list);
    free(r);
}

void sts_cache_restore(struct sts_cache *cache, const struct sts_row *row)
{
    struct sts_policy policy;
    struct why why;
    if (row->expires_s <= clock_s() || sts_policy_parse(span_text(row->text), &policy, &why) < 0)
        return;
    struct entry *e = sts_cache_find(cache, row->domain);
    adopt(e, row->id, &policy, row->fetched_s);
    e->view.expires_s = row->expires_s;
    e->view.source = STS_FROM_CACHE;
    sts_policy_free(&policy);
}

enum sts_wait sts_cache_waits(struct sts_cache *cache, const char *domain, uint64_t *since_ms)
{
    static const enum sts_wait waits[] = {[IDLE] = STS_RESTS,
                                          [LOOKING] = STS_LOOKS,
                                          [FETCHING] = STS_FETCHES,
                                          [STORING] = STS_STORES};
    struct entry *e;
    HASH_FIND_STR(cache->table, domain, e);
    *since_ms = e ? e->since_ms : 0;
    return e ? waits[e->work] : STS_RESTS;
}

// At most once a minute a domain: what others say is no reason to ask a stranger's server more often.
static void look_oneself(struct entry *e)
{
    if (e->work != IDLE || !waited(e->looked_s, LOOK_AGAIN_S))
        return;
    char name[300];
    snprintf(name, sizeof name, "_mta-sts.%s", e->domain);
    e->looked_s = clock_s();
    e->forced = true;
    dns_forget(e->cache->options.dns, name);
    sts_cache_look(e);
}

static void hear_policy(struct entry *e, const struct sts_row *row, const struct sts_policy *policy)
{
    bool held = in_force(e), enforced = held && e->view.mode == STS_ENFORCE;
    bool same = held && strcmp(e->view.id, row->id) == 0 && e->view.text &&
                strcmp(e->view.text, policy->text) == 0;
    if (held && row->fetched_s <= e->view.fetched_s)
        return;
    if (enforced && !same) {
        look_oneself(e);
        return;
    }
    if (e->work != IDLE || policy->mode != STS_ENFORCE)
        return; // what is being asked here will say; and nothing is no demand
    if (same && e->view.expires_s > row->expires_s)
        return;
    adopt(e, row->id, policy, row->fetched_s);
    e->view.expires_s = row->expires_s;
    e->view.source = STS_FROM_CACHE;
    keep(e);
}

void sts_cache_hear(struct sts_cache *cache, const struct sts_row *row)
{
    struct sts_policy policy;
    struct why why;
    if (row->expires_s <= clock_s() || row->fetched_s > clock_s() ||
        sts_policy_parse(span_text(row->text), &policy, &why) < 0)
        return;
    hear_policy(sts_cache_find(cache, row->domain), row, &policy);
    sts_policy_free(&policy);
}

void sts_cache_each(struct sts_cache *cache,
                    void (*fn)(const char *domain, const struct sts_view *view, void *arg),
                    void *arg)
{
    struct entry *e, *next;
    HASH_ITER (hh, cache->table, e, next)
        if (in_force(e) || e->view.error.tls != WHY_TLS_NONE)
            fn(e->domain, &e->view, arg);
}

// ---- the daily refresh

static void sts_cache_on_tick(uv_timer_t *timer)
{
    struct sts_cache *cache = timer->data;
    struct entry *e, *next;
    HASH_ITER (hh, cache->table, e, next) {
        if (e->view.mode == STS_ENFORCE && !in_force(e) && !e->expired_told) {
            e->expired_told = true;
            sts_cache_tell(e, "the policy has expired, and no new one could be had");
        }
        if (in_force(e) && is_due(e) && may_fetch(e) && e->work == IDLE)
            sts_cache_look(e);
    }
}

struct sts_cache *sts_cache_open(const struct sts_cache_options *options)
{
    struct sts_cache *cache = mem_new(sizeof *cache);
    cache->options = *options;
    uint64_t tick_ms = options->tick_ms ? options->tick_ms : TICK_MS;
    uv_timer_init(options->loop, &cache->tick);
    cache->tick.data = cache;
    if (options->refresh)
        uv_timer_start(&cache->tick, sts_cache_on_tick, tick_ms, tick_ms);
    return cache;
}

static void sts_cache_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void sts_cache_close(struct sts_cache *cache)
{
    struct entry *e, *next;
    HASH_ITER (hh, cache->table, e, next) {
        dns_cancel(e->lookup);
        https_cancel(e->fetch);
        if (e->storing)
            e->storing->entry = NULL;
        list_each_safe (it, &e->waiters)
            free(list_of(it, struct sts_request, list));
        forget_entry(cache, e);
    }
    uv_close((uv_handle_t *)&cache->tick, sts_cache_tick_closed);
}
