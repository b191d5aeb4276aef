// SPDX-License-Identifier: ISC
// A table of digests, oldest first. Never holds a certificate, a failure, or anything of another trust store.
#include "tls/verified.h"

#include "relay/base/table.h"

#include <gnutls/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"

// The times between which no certificate begins or ends: from <= now < until.
struct span_of_time {
    int64_t from_s, until_s;
};

struct chain {
    unsigned char digest[32];
    struct span_of_time holds;
    uint64_t expires_ms; // clock_mono_ms()
    struct list list;
    UT_hash_handle hh;
};

struct verified {
    pthread_mutex_t lock;
    struct chain *chains; // table by digest
    struct list oldest;   // the same, oldest first
    size_t n;
    int64_t *dates; // of the anchors, begin and end of each; never changes
    size_t ndates;
};

struct verified *verified_new(gnutls_x509_trust_list_t anchors)
{
    struct verified *v = mem_new(sizeof *v);
    gnutls_x509_trust_list_iter_t at = NULL;
    gnutls_x509_crt_t anchor;
    pthread_mutex_init(&v->lock, NULL);
    list_init(&v->oldest);
    while (gnutls_x509_trust_list_iter_get_ca(anchors, &at, &anchor) == 0) {
        v->dates = mem_grow(v->dates, v->ndates + 2, sizeof *v->dates);
        v->dates[v->ndates++] = gnutls_x509_crt_get_activation_time(anchor);
        v->dates[v->ndates++] = gnutls_x509_crt_get_expiration_time(anchor);
        gnutls_x509_crt_deinit(anchor);
    }
    return v;
}

static void forget_chain(struct verified *v, struct chain *chain)
{
    HASH_DEL(v->chains, chain);
    list_remove(&chain->list);
    free(chain);
    v->n--;
}

void verified_free(struct verified *v)
{
    if (!v)
        return;
    list_each_safe (it, &v->oldest)
        forget_chain(v, list_of(it, struct chain, list));
    pthread_mutex_destroy(&v->lock);
    free(v->dates);
    free(v);
}

// ---- the question

static bool hash_part(gnutls_hash_hd_t hash, const void *bytes, size_t n)
{
    uint64_t length = n; // before the bytes, so that two chains never read as another two
    return gnutls_hash(hash, &length, sizeof length) == 0 && gnutls_hash(hash, bytes, n) == 0;
}

struct verified_key verified_key(const struct span *chain, size_t n, const char *purpose)
{
    struct verified_key key = {.asked_s = clock_s()};
    gnutls_hash_hd_t hash;
    if (!n || gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return key;
    key.good = hash_part(hash, purpose, strlen(purpose));
    for (size_t i = 0; i < n; i++)
        key.good = key.good && hash_part(hash, chain[i].p, chain[i].n);
    gnutls_hash_deinit(hash, key.digest);
    return key;
}

// ---- the answers

static bool chain_counts(const struct chain *chain, int64_t now_s)
{
    return clock_mono_ms() < chain->expires_ms && now_s >= chain->holds.from_s &&
           now_s < chain->holds.until_s;
}

bool verified_knows(struct verified *v, const struct verified_key *key)
{
    struct chain *chain;
    if (!key->good)
        return false;
    pthread_mutex_lock(&v->lock);
    HASH_FIND(hh, v->chains, key->digest, sizeof key->digest, chain);
    bool known = chain && chain_counts(chain, key->asked_s);
    if (chain && !known)
        forget_chain(v, chain);
    pthread_mutex_unlock(&v->lock);
    return known;
}

// A certificate is good from its begin to its end, both included (RFC 5280 section 4.1.2.5).
static void narrow(struct span_of_time *holds, int64_t now_s, int64_t begins, int64_t ends)
{
    if (begins > now_s && begins < holds->until_s)
        holds->until_s = begins;
    if (begins <= now_s && begins > holds->from_s)
        holds->from_s = begins;
    if (ends >= now_s && ends < holds->until_s)
        holds->until_s = ends;
    if (ends < now_s && ends + 1 > holds->from_s)
        holds->from_s = ends + 1;
}

static struct span_of_time steady(const struct verified *v, int64_t now_s, gnutls_x509_crt_t *list,
                                  size_t n)
{
    struct span_of_time holds = {0, INT64_MAX};
    for (size_t i = 0; i + 1 < v->ndates; i += 2)
        narrow(&holds, now_s, v->dates[i], v->dates[i + 1]);
    for (size_t i = 0; i < n; i++)
        narrow(&holds, now_s, gnutls_x509_crt_get_activation_time(list[i]),
               gnutls_x509_crt_get_expiration_time(list[i]));
    return holds;
}

void verified_keep(struct verified *v, const struct verified_key *key, gnutls_x509_crt_t *list,
                   size_t n)
{
    struct chain *chain, *before;
    if (!key->good)
        return;
    struct span_of_time holds = steady(v, key->asked_s, list, n);
    int64_t now_s = clock_s(); // a date that came to pass meanwhile may have counted or not
    if (now_s < key->asked_s || now_s >= holds.until_s)
        return;
    chain = mem_new(sizeof *chain);
    memcpy(chain->digest, key->digest, sizeof chain->digest);
    chain->holds = holds;
    chain->expires_ms = clock_mono_ms() + VERIFIED_MS;
    list_init(&chain->list);
    pthread_mutex_lock(&v->lock);
    HASH_FIND(hh, v->chains, key->digest, sizeof key->digest, before);
    if (before)
        forget_chain(v, before);
    HASH_ADD(hh, v->chains, digest, sizeof chain->digest, chain);
    list_append(&v->oldest, &chain->list);
    if (++v->n > VERIFIED_CHAINS)
        forget_chain(v, list_of(v->oldest.next, struct chain, list));
    pthread_mutex_unlock(&v->lock);
}
