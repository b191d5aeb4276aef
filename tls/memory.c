// SPDX-License-Identifier: ISC
// TLS memory as a table of domains, each with its few hosts. Pure but for its own memory; time is given.
//
// `seen_s` says when a host last proved all that its row claims. What it proves less than that is kept
// beside the row, and takes its place when the row has grown too old: a host that offers less for good is
// believed after `days`, without a moment in between where nothing is owed.
#include "tls/memory.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/span.h"
#include "relay/base/table.h"

#define MEMORY_HOSTS 64 // of one domain: a zone that names new hosts each day forgets its own alone
#define DAY_S        86400

struct host {
    struct memory_row row;
    // The best of what was proved since without reaching the row. OWES_NOTHING and no dane: none.
    struct memory_row lesser;
};

struct domain {
    UT_hash_handle hh;
    char *name;
    struct host *hosts;
    size_t n;
};

struct tls_memory {
    struct domain *domains;
};

struct tls_memory *tls_memory_new(void)
{
    return mem_new(sizeof(struct tls_memory));
}

static void free_domain(struct tls_memory *memory, struct domain *d)
{
    HASH_DEL(memory->domains, d);
    for (size_t i = 0; i < d->n; i++)
        free(d->hosts[i].row.host);
    free(d->hosts);
    free(d->name);
    free(d);
}

void tls_memory_free(struct tls_memory *memory)
{
    if (!memory)
        return;
    struct domain *d, *next;
    HASH_ITER (hh, memory->domains, d, next)
        free_domain(memory, d);
    free(memory);
}

static struct domain *memory_find(const struct tls_memory *memory, const char *name)
{
    char *lower = span_dup_lower(span_text(name));
    struct domain *d;
    HASH_FIND_STR(memory->domains, lower, d);
    free(lower);
    return d;
}

static struct domain *memory_find_or_add(struct tls_memory *memory, const char *name)
{
    struct domain *d = memory_find(memory, name);
    if (d)
        return d;
    d = mem_new(sizeof *d);
    d->name = span_dup_lower(span_text(name));
    HASH_ADD_KEYPTR(hh, memory->domains, d->name, strlen(d->name), d);
    return d;
}

static bool is_old(const struct memory_row *row, int64_t now_s, uint64_t days)
{
    return now_s - row->seen_s >= (int64_t)days * DAY_S;
}

static bool reaches(enum memory_owes owes, bool dane, const struct memory_row *row)
{
    return owes >= row->owes && dane >= row->dane;
}

static bool is_nothing(const struct memory_row *row)
{
    return row->owes == OWES_NOTHING && !row->dane;
}

static struct host *find_host(struct domain *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (span_is_nocase(span_text(d->hosts[i].row.host), name))
            return &d->hosts[i];
    return NULL;
}

// A new row; at the bound the host seen longest ago makes room.
static struct host *add_host(struct domain *d, const char *name)
{
    struct host *h;
    if (d->n < MEMORY_HOSTS) {
        d->hosts = mem_grow(d->hosts, d->n + 1, sizeof *d->hosts);
        h = &d->hosts[d->n++];
    } else {
        h = &d->hosts[0];
        for (size_t i = 1; i < d->n; i++)
            if (d->hosts[i].row.seen_s < h->row.seen_s)
                h = &d->hosts[i];
        free(h->row.host);
    }
    *h = (struct host){.row.host = span_dup_lower(span_text(name))};
    return h;
}

// What counts of a host now: its row, or what stands behind it; NULL when both are too old.
static const struct memory_row *current(const struct host *h, int64_t now_s, uint64_t days)
{
    if (!is_old(&h->row, now_s, days))
        return &h->row;
    return is_nothing(&h->lesser) || is_old(&h->lesser, now_s, days) ? NULL : &h->lesser;
}

static void keep_lesser(struct host *h, enum memory_owes owes, bool dane, int64_t now_s,
                        uint64_t days)
{
    struct memory_row *l = &h->lesser;
    if (is_nothing(l) || is_old(l, now_s, days) || reaches(owes, dane, l))
        *l = (struct memory_row){.seen_s = now_s, .owes = owes, .dane = dane};
}

bool tls_memory_learn(struct tls_memory *memory, const char *domain, const char *host,
                      enum memory_owes owes, bool dane, int64_t now_s, uint64_t days)
{
    if (owes == OWES_NOTHING && !dane)
        return false;
    struct domain *d = memory_find_or_add(memory, domain);
    struct host *h = find_host(d, host);
    if (!h)
        h = add_host(d, host);
    const struct memory_row was = h->row, *now = current(h, now_s, days);
    if (is_nothing(&was) || !now) {
        h->row.owes = owes;
        h->row.dane = dane;
    } else {
        if (now == &h->lesser) { // the row has grown too old: what stands behind it counts
            h->row.owes = now->owes;
            h->row.dane = now->dane;
            h->row.seen_s = now->seen_s;
            h->lesser = (struct memory_row){0};
        }
        bool raises = owes > h->row.owes || dane > h->row.dane;
        if (!raises && !reaches(owes, dane, &h->row)) {
            keep_lesser(h, owes, dane, now_s, days);
            return h->row.owes != was.owes || h->row.dane != was.dane;
        }
        h->row.owes = owes > h->row.owes ? owes : h->row.owes;
        h->row.dane = h->row.dane || dane;
    }
    h->row.seen_s = now_s;
    return h->row.owes != was.owes || h->row.dane != was.dane ||
           was.seen_s / DAY_S != now_s / DAY_S;
}

const struct memory_row *tls_memory_row(const struct tls_memory *memory, const char *domain,
                                        const char *host)
{
    struct domain *d = memory_find(memory, domain);
    const struct host *h = d ? find_host(d, host) : NULL;
    return h ? &h->row : NULL;
}

void tls_memory_get(const struct tls_memory *memory, const char *domain, int64_t now_s,
                    uint64_t days, struct memory_view *out)
{
    *out = (struct memory_view){0};
    const struct domain *d = memory_find(memory, domain);
    if (!d)
        return;
    out->rows = mem_new(d->n * sizeof *out->rows);
    for (size_t i = 0; i < d->n; i++) {
        const struct memory_row *row = current(&d->hosts[i], now_s, days);
        if (!row)
            continue;
        out->rows[out->n] = *row;
        out->rows[out->n++].host = mem_dup(d->hosts[i].row.host);
    }
}

void memory_view_free(struct memory_view *view)
{
    for (size_t i = 0; i < view->n; i++)
        free(view->rows[i].host);
    free(view->rows);
    *view = (struct memory_view){0};
}

size_t tls_memory_forget(struct tls_memory *memory, const char *domain, const char *host)
{
    struct domain *d = memory_find(memory, domain);
    if (!d)
        return 0;
    size_t n = d->n;
    struct host *h = host ? find_host(d, host) : NULL;
    if (host && !h)
        return 0;
    if (!host || n == 1) {
        free_domain(memory, d);
        return n;
    }
    free(h->row.host);
    *h = d->hosts[--d->n];
    return 1;
}

void tls_memory_each(const struct tls_memory *memory,
                     void (*fn)(const char *domain, const struct memory_row *row, void *arg),
                     void *arg)
{
    struct domain *d, *next;
    HASH_ITER (hh, memory->domains, d, next)
        for (size_t i = 0; i < d->n; i++)
            fn(d->name, &d->hosts[i].row, arg);
}
