// SPDX-License-Identifier: ISC
// The table of hosts and domains. Opens no connection and judges no certificate.
#include "relay/recent/recents.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/base/table.h"
#include "relay/log/log.h"

struct known {
    UT_hash_handle hh;
    struct recent_row row;
    uint64_t digest; // of the route whose texts it has
    bool changed;
    char key[];
};

struct recents {
    atomic_uint refs; // one of the owner, one of each batch on its way to the disk
    pthread_mutex_t lock;
    struct state *state;
    struct known *table; // those used longest ago first
    struct recent_row *gone;
    size_t ngone;
    int64_t turn;
};

// ---- the table, under the mutex

static struct known *recents_find(struct recents *r, const char *domain, const char *host)
{
    char *key = mem_printf("%s %s", domain, host);
    struct known *k;
    HASH_FIND_STR(r->table, key, k);
    free(key);
    return k;
}

static void recents_forget(struct recents *r, struct known *k)
{
    HASH_DEL(r->table, k);
    recent_row_free(&k->row);
    free(k);
}

// The row on disk goes with the next batch.
static void make_room(struct recents *r)
{
    struct known *oldest = r->table;
    if (HASH_COUNT(r->table) < RECENTS_ROWS)
        return;
    if (r->state) {
        if ((r->ngone & (r->ngone - 1)) == 0)
            r->gone = mem_grow(r->gone, r->ngone ? 2 * r->ngone : 1, sizeof *r->gone);
        r->gone[r->ngone++] = (struct recent_row){
            .domain = mem_dup(oldest->row.domain), .host = mem_dup(oldest->row.host), .gone = true};
    }
    recents_forget(r, oldest);
}

static struct known *recents_add(struct recents *r, const char *domain, const char *host)
{
    make_room(r);
    size_t n = strlen(domain) + 1 + strlen(host);
    struct known *k = mem_new(sizeof *k + n + 1);
    snprintf(k->key, n + 1, "%s %s", domain, host);
    k->row.domain = mem_dup(domain);
    k->row.host = mem_dup(host);
    HASH_ADD_KEYPTR(hh, r->table, k->key, n, k);
    return k;
}

// It becomes the one used last.
static struct known *recents_use(struct recents *r, const char *domain, const char *host)
{
    struct known *k = recents_find(r, domain, host);
    if (!k) {
        k = recents_add(r, domain, host);
    } else if (k->hh.next) {
        HASH_DEL(r->table, k);
        HASH_ADD_KEYPTR(hh, r->table, k->key, strlen(k->key), k);
    }
    k->row.used_ms = clock_ms();
    k->changed = true;
    return k;
}

// ---- what was seen

static void set_text(char **text, const char *value)
{
    if (*text && value && strcmp(*text, value) == 0)
        return;
    free(*text);
    *text = value && value[0] ? mem_dup(value) : NULL;
}

static void recents_saw(struct known *k, enum recent_what what, struct buf *text)
{
    struct recent_trait *t = &k->row.traits[what];
    buf_cut(text, text->len < STATE_RECENT_TEXT ? text->len : STATE_RECENT_TEXT);
    if (!t->now || strcmp(t->now, buf_text(text)) != 0) {
        free(t->now);
        t->now = mem_dup(buf_text(text));
        t->since_ms = clock_ms();
    }
    buf_reset(text);
}

static void saw_chain(struct known *k, const struct recents_attempt *a, bool tlsa, struct buf *text)
{
    char hex[SHOWN_HEX];
    if (!a->shown || !a->shown->nchain)
        return;
    bool same = k->row.chain && strcmp(k->row.chain, shown_hex(a->shown->digest, hex)) == 0;
    if (!same) {
        struct shown_certificate leaf;
        shown_certificate(a->shown, 0, &leaf);
        trait_certificate(&leaf, text);
        recents_saw(k, RECENT_CERTIFICATE, text);
        k->row.leaf_ends_s = leaf.not_after_s;
        set_text(&k->row.leaf_key, leaf.has_key ? shown_hex(leaf.key, hex) : NULL);
        set_text(&k->row.chain, shown_hex(a->shown->digest, hex));
    }
    if (!same || tlsa)
        k->row.matched = trait_matched(a->host, a->shown, &k->row.anchor_ends_s);
}

// A resumed session shows no certificate and may have been agreed on with another cipher before.
static void saw_host(struct known *k, const struct recents_attempt *a)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    uint64_t digest = trait_digest(a->route, a->host);
    bool news = digest != k->digest;
    k->digest = digest;
    if (news && trait_tlsa(a->host, &text))
        recents_saw(k, RECENT_TLSA, &text);
    saw_chain(k, a, news, &text);
    if (a->clear || (a->shown && !a->shown->resumed)) {
        trait_cipher(a->clear ? NULL : a->shown, &text);
        recents_saw(k, RECENT_CIPHER, &text);
    }
    set_text(&k->row.demand, tls_level_word(a->host->demand.level));
    set_text(&k->row.source, demand_source_word(a->host->demand.source));
    buf_free(&text);
}

static void saw_domain(struct known *k, const struct recents_attempt *a)
{
    struct buf text;
    uint64_t digest = trait_digest(a->route, NULL);
    if (digest == k->digest)
        return;
    k->digest = digest;
    buf_init(&text, 1 << 20);
    if (trait_mx(a->route, &text))
        recents_saw(k, RECENT_MX, &text);
    if (a->route->nhosts && trait_policy(a->route, NULL, &text))
        recents_saw(k, RECENT_POLICY, &text);
    buf_free(&text);
}

// The rows of an attempt, with what it saw; *host NULL: no host was chosen.
static struct known *recents_note(struct recents *r, const struct recents_attempt *a,
                                  struct known **host)
{
    struct known *domain = recents_use(r, a->domain, "");
    *host = a->route && a->host ? recents_use(r, a->domain, a->host->host) : NULL;
    if (a->route)
        saw_domain(domain, a);
    if (*host)
        saw_host(*host, a);
    return domain;
}

// ---- what came of it

static void is_good(struct recents *r, struct known *k)
{
    struct recent_row *row = &k->row;
    row->good_ms = clock_ms();
    row->good_turn = r->turn;
    row->failures = 0;
    for (int i = 0; i < RECENT_TRAITS; i++) {
        struct recent_trait *t = &row->traits[i];
        if (!t->now || (t->good && strcmp(t->good, t->now) == 0))
            continue;
        free(t->good);
        t->good = mem_dup(t->now); // "" is known too: there are no records
    }
}

void recents_took(struct recents *r, const struct recents_attempt *a)
{
    struct known *host;
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    struct known *domain = recents_note(r, a, &host);
    r->turn++;
    is_good(r, domain);
    if (host) {
        is_good(r, host);
        set_text(&host->row.good_ip, a->ip);
        set_text(&host->row.good_tls, a->tls);
        set_text(&host->row.good_proof, a->proof);
        host->row.good_resumed = a->shown && a->shown->resumed;
    }
    pthread_mutex_unlock(&r->lock);
}

static void set_why(struct recent_why *row, const struct recents_attempt *a, const struct why *why)
{
    row->ms = clock_ms();
    char masked[LOG_MASKED];
    set_text(&row->ip, a->ip);
    set_text(&row->local, a->local);
    set_text(&row->to, a->to ? log_masked(a->to, masked) : NULL);
    set_text(&row->sender, a->sender);
    set_text(&row->outcome, a->outcome);
    set_text(&row->why, reason_row(why->reason)->name);
    set_text(&row->act, act_word(why->act));
    set_text(&row->status, why->status);
    set_text(&row->text, why->text);
    set_text(&row->reply, why->reply);
}

void recents_failed(struct recents *r, const struct recents_attempt *a, const struct why *why)
{
    struct known *host;
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    struct known *domain = recents_note(r, a, &host);
    struct recent_row *row = host ? &host->row : &domain->row;
    row->bad_turn = ++r->turn;
    row->failures++;
    set_why(&row->bad, a, why);
    set_text(&row->type, why_tls_word(why->tls));
    pthread_mutex_unlock(&r->lock);
}

void recents_told(struct recents *r, const struct recents_attempt *a, const struct why *why)
{
    struct known *host;
    if (!r || !a->route || !a->host)
        return;
    pthread_mutex_lock(&r->lock);
    recents_note(r, a, &host);
    set_why(&host->row.told, a, why);
    pthread_mutex_unlock(&r->lock);
}

void recents_policy_host(struct recents *r, const char *domain, const char *host, int64_t ends_s)
{
    if (!r || !ends_s)
        return;
    pthread_mutex_lock(&r->lock);
    struct known *k = recents_use(r, domain, host);
    k->row.leaf_ends_s = ends_s;
    pthread_mutex_unlock(&r->lock);
}

void recents_each(struct recents *r, const char *domain,
                  void (*fn)(const struct recent_row *row, void *arg), void *arg)
{
    struct known *k, *next;
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    HASH_ITER (hh, r->table, k, next)
        if (!domain || strcmp(k->row.domain, domain) == 0)
            fn(&k->row, arg);
    pthread_mutex_unlock(&r->lock);
}

// ---- on disk

static void recents_drop(void *arg)
{
    struct recents *r = arg;
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    while (r->table)
        recents_forget(r, r->table);
    for (size_t i = 0; i < r->ngone; i++)
        recent_row_free(&r->gone[i]);
    free(r->gone);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

// Nothing of its batch was written: it goes with the next. A row that nobody has any more stays on disk until it is too
// old there.
static void recents_lost(void *arg, const struct recent_row *row)
{
    struct recents *r = arg;
    pthread_mutex_lock(&r->lock);
    struct known *k = recents_find(r, row->domain, row->host);
    if (k)
        k->changed = true;
    pthread_mutex_unlock(&r->lock);
}

// Under the mutex: copies of what changed, and what went.
static struct recent_row *recents_collect(struct recents *r, size_t most, size_t *n)
{
    size_t room = r->ngone;
    struct recent_row *rows = r->gone;
    struct known *k, *next;
    *n = r->ngone;
    r->gone = NULL;
    r->ngone = 0;
    HASH_ITER (hh, r->table, k, next) {
        if (!k->changed || *n >= most)
            continue;
        if (*n >= room)
            rows = mem_grow(rows, room = 2 * *n + 16, sizeof *rows);
        recent_row_copy(&rows[(*n)++], &k->row);
        k->changed = false;
    }
    return rows;
}

void recents_keep(struct recents *r, bool all)
{
    if (!r || !r->state)
        return;
    struct recent_keeping k = {.lost = recents_lost, .done = recents_drop, .arg = r};
    pthread_mutex_lock(&r->lock);
    k.rows = recents_collect(r, all ? SIZE_MAX : RECENTS_BATCH, &k.n);
    pthread_mutex_unlock(&r->lock);
    if (!k.n)
        return;
    atomic_fetch_add(&r->refs, 1);
    state_recent_keep(r->state, &k);
}

// The newest comes first, and the table has the oldest first: it is turned round at the end.
static void recents_on_row(const struct recent_row *row, void *arg)
{
    struct recents *r = arg;
    if (recents_find(r, row->domain, row->host) || HASH_COUNT(r->table) >= RECENTS_ROWS)
        return;
    struct known *k = recents_add(r, row->domain, row->host);
    recent_row_free(&k->row);
    recent_row_copy(&k->row, row);
    int64_t turn = row->good_turn > row->bad_turn ? row->good_turn : row->bad_turn;
    r->turn = turn > r->turn ? turn : r->turn;
}

static int recents_by_age(const struct known *a, const struct known *b)
{
    return a->row.used_ms < b->row.used_ms ? -1 : a->row.used_ms > b->row.used_ms;
}

struct recents *recents_new(struct state *state)
{
    struct recents *r = mem_new(sizeof *r);
    atomic_init(&r->refs, 1);
    pthread_mutex_init(&r->lock, NULL);
    r->state = state;
    if (state)
        state_recent_restore(state, recents_on_row, r);
    HASH_SORT(r->table, recents_by_age);
    return r;
}

void recents_free(struct recents *r)
{
    if (!r)
        return;
    recents_keep(r, true);
    recents_drop(r);
}
