// SPDX-License-Identifier: ISC
// What is kept of it stands with the address, in the pool's table.
#include "relay/deliver/pool_speech.h"

#include <string.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/deliver/pool_inside.h"
#include "relay/deliver/strays.h"

bool connection_unasked(const struct connection *c)
{
    static const char leave[] = "421";
    const struct buf *in = stream_input(c->stream);
    size_t n = in->len < sizeof leave - 1 ? in->len : sizeof leave - 1;
    return n && memcmp(in->data, leave, n) != 0;
}

static bool in_time(uint64_t *until_ms)
{
    if (*until_ms && clock_mono_ms() >= *until_ms)
        *until_ms = 0;
    return *until_ms;
}

void pool_note_out_of_step(struct connection *c)
{
    c->to->out_of_step_ms = clock_mono_ms() + POOL_HABIT_MS;
    pool_note_astray(c);
}

bool pool_out_of_step(const struct connection *c)
{
    return in_time(&c->to->out_of_step_ms);
}

void pool_note_no_chunking(struct connection *c)
{
    c->to->no_chunking_ms = clock_mono_ms() + POOL_HABIT_MS;
    c->to->nchunks = 0;
}

bool pool_no_chunking(const struct connection *c)
{
    return in_time(&c->to->no_chunking_ms);
}

bool pool_takes_chunks(const struct connection *c)
{
    for (unsigned i = 0; i < c->to->nchunks; i++)
        if (memcmp(&c->to->chunks[i], &c->key, sizeof c->key) == 0)
            return true;
    return false;
}

void pool_note_chunks(struct connection *c)
{
    struct pool_host *host = c->to;
    if (pool_takes_chunks(c))
        return;
    if (host->nchunks < POOL_PROVEN)
        host->nchunks++;
    memmove(host->chunks + 1, host->chunks, (host->nchunks - 1) * sizeof *host->chunks);
    host->chunks[0] = c->key;
}

// Overlap

static void stray_name(const struct connection *c, char out[static STRAY_NAME])
{
    // Of the address alone: what the host offers on one port it says on another.
    snprintf(out, STRAY_NAME, "%s", c->ip);
}

void pool_note_clean(struct connection *c, size_t recipients)
{
    struct pool_host *host = c->to;
    host->clean += host->clean < POOL_CLEAN;
    if (recipients > host->several)
        host->several = (unsigned)recipients;
}

void pool_unearn(struct connection *c)
{
    c->to->clean = 0;
}

void pool_note_astray(struct connection *c)
{
    char name[STRAY_NAME];
    pool_unearn(c);
    if (in_time(&c->to->astray_ms)) // it is told already
        return;
    c->to->astray_ms = clock_mono_ms() + POOL_HABIT_MS;
    stray_name(c, name);
    strays_add(c->pool->worker->relay->strays, name, clock_ms() + (int64_t)POOL_HABIT_MS);
}

// What another worker, or this relay before its restart, has met counts as well.
static bool astray(struct connection *c)
{
    char name[STRAY_NAME];
    if (in_time(&c->to->astray_ms))
        return true;
    stray_name(c, name);
    int64_t left = strays_until(c->pool->worker->relay->strays, name) - clock_ms();
    if (left <= 0)
        return false;
    c->to->astray_ms = clock_mono_ms() + (uint64_t)left;
    return true;
}

bool pool_clean(struct connection *c)
{
    return c->to->clean >= POOL_CLEAN && !pool_out_of_step(c) && !astray(c);
}

bool pool_overlaps(struct connection *c)
{
    return c->ext.pipelining && c->to->several > 1 && pool_clean(c);
}

size_t pool_several(const struct connection *c)
{
    return c->to->several;
}

void pool_note_reset(struct connection *c, uint64_t digest)
{
    struct pool_host *host = c->to;
    host->nresets = host->reset == digest ? host->nresets + 1 : 1;
    host->reset = digest;
}

bool pool_reset_known(const struct connection *c)
{
    return c->to->nresets > 1;
}

bool pool_is_reset(const struct connection *c, uint64_t digest)
{
    return c->to->nresets && c->to->reset == digest;
}

bool connection_spent(const struct connection *c)
{
    return c->ext.limit_mail && c->mails >= c->ext.limit_mail;
}
