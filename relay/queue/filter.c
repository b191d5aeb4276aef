// SPDX-License-Identifier: ISC
// Which recipients of the queue an operator means.
#include "relay/queue/filter.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "relay/base/clock.h"

static int queue_filter_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void queue_filter_sort(uint64_t *ids, size_t n)
{
    if (n)
        qsort(ids, n, sizeof *ids, queue_filter_order);
}

static bool filter_has_id(const struct queue_filter *f, uint64_t id)
{
    return !f->ids || bsearch(&id, f->ids, f->nids, sizeof id, queue_filter_order);
}

static bool same(const char *wanted, const char *is)
{
    return !wanted || strcasecmp(wanted, is) == 0;
}

static bool is_sender(const char *wanted, const char *from)
{
    const char *at = wanted && wanted[0] == '@' ? strrchr(from, '@') : NULL;
    return same(wanted, at ? at : from);
}

// Against the moment that a message was accepted. Most filters do not ask, and most rows need no clock.
static bool in_time(const struct queue_filter *f, int64_t created_ms)
{
    if (!f->older_ms && !f->newer_ms)
        return true;
    int64_t now = clock_ms();
    return (!f->older_ms || created_ms < now - f->older_ms) &&
           (!f->newer_ms || created_ms >= now - f->newer_ms);
}

bool queue_site_is(const char *site, const char *name)
{
    if (strcasecmp(site, name) == 0)
        return true;
    size_t n = strlen(name);
    for (const char *at = site; n && *at; at += strspn(at, " ")) {
        size_t host = strcspn(at, " ");
        bool begins = host >= n && strncasecmp(at, name, n) == 0;
        if (begins && (host == n || (at[n] == ':' && !memchr(at + n + 1, ':', host - n - 1))))
            return true;
        at += host;
    }
    return false;
}

enum queue_match queue_match(const struct queue_filter *f, const struct queue_row *row)
{
    if (!filter_has_id(f, row->id) || (f->newest && row->id > f->newest) ||
        (f->state >= 0 && f->state != (int)row->state) || row->size < f->larger ||
        (f->smaller && row->size > f->smaller) || !same(f->domain, row->domain) ||
        !is_sender(f->sender, row->from) || !same(f->login, row->login) ||
        !in_time(f, row->created_ms))
        return QUEUE_OTHER;
    if ((f->site && row->site && !queue_site_is(row->site, f->site)) ||
        (row->class && !same(f->class, row->class)))
        return QUEUE_OTHER;
    return (f->site && !row->site) || (f->class && !row->class) ? QUEUE_UNKNOWN : QUEUE_MATCH;
}

bool queue_filter_chooses(const struct queue_filter *f)
{
    return f->ids || f->domain || f->sender || f->login || f->site || f->class || f->state >= 0 ||
           f->older_ms || f->newer_ms || f->larger || f->smaller;
}
