// SPDX-License-Identifier: ISC
// Return paths of what goes out, and what came back to them: SRS and keyed VERP, an archive's copy, reports that are read
// and go no further.
#include "relay/ingest/inside.h"

#include <stdlib.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/returns/notice.h"
#include "relay/returns/parts.h"
#include "relay/setup/return_keys.h"

// ---- what goes out

static void put_return_path(struct recipient *r, const char *path)
{
    free(r->return_path);
    r->return_path = mem_dup(path);
}

static void no_room(struct ingest *g, const char *what)
{
    buf_addf(&g->warning, "%s%s: the address has no room for it", g->warning.len ? ", " : "", what);
}

static bool is_own_sender(const struct ingest *g)
{
    char domain[IDN_NAME];
    const char *from = g->m->env.from;
    idn_domain(address_domain(from), domain);
    return principal_owns(g->s.principal->row, from, domain);
}

static void put_srs(struct ingest *g, const struct srs *srs)
{
    struct envelope *env = &g->m->env;
    struct buf path;
    buf_init(&path, 1024);
    if (srs_forward(srs, env->from, clock_s(), &path) < 0) {
        no_room(g, "SRS");
    } else {
        for (size_t i = 0; i < env->nrcpts; i++)
            put_return_path(&env->rcpts[i], buf_text(&path));
    }
    buf_free(&path);
}

static void put_verp(struct ingest *g, const struct verp *verp)
{
    struct envelope *env = &g->m->env;
    struct buf path;
    bool full = false;
    buf_init(&path, 1024);
    for (size_t i = 0; i < env->nrcpts; i++) {
        buf_reset(&path);
        if (verp_make(verp, env->id, env->rcpts[i].address, &path) < 0)
            full = true;
        else
            put_return_path(&env->rcpts[i], buf_text(&path));
    }
    if (full)
        no_room(g, "VERP");
    buf_free(&path);
}

// The sender of nobody's mail stays nobody. What the row may send as is its own: its bounces need no way back.
static void put_return_paths(struct ingest *g)
{
    const struct cfg_sender *row = g->s.principal->row;
    const char *from = g->m->env.from;
    struct srs srs;
    struct verp verp;
    if (!from[0] || (!row->srs.domain[0] && !row->verp.domain[0]))
        return;
    bool own = is_own_sender(g);
    if (own && g->kind == INGEST_OWN && return_keys_verp(g->s.setup, row, &verp))
        put_verp(g, &verp);
    else if (!own && row->forward && !parts_domain_is(from, row->srs.domain) &&
             return_keys_srs(g->s.setup, row, &srs))
        put_srs(g, &srs);
}

// A recipient of ours beside those that were named: held with them, and nobody hears of it when it fails.
static struct recipient *add_quietly(struct ingest *g, const char *address)
{
    char domain[IDN_NAME];
    idn_domain(address_domain(address), domain);
    struct recipient *r = message_add_recipient(g->m, address, domain);
    r->notify = NOTIFY_NEVER;
    if (g->m->env.held_for[0])
        r->next_ms = INT64_MAX;
    return r;
}

// Where it fails the sender hears nothing, neither from us nor from another host: it is from nobody.
static void add_archive(struct ingest *g)
{
    const char *address = g->s.principal->row->archive;
    struct envelope *env = &g->m->env;
    if (!address[0] || !env->nrcpts)
        return;
    for (size_t i = 0; i < env->nrcpts; i++)
        if (strcmp(env->rcpts[i].address, address) == 0)
            return;
    struct recipient *r = add_quietly(g, address);
    r->copy = true;
    put_return_path(r, "<>");
}

// ---- what came back

bool ingest_is_return(const struct ingest *g)
{
    const struct envelope *env = &g->m->env;
    for (size_t i = 0; i < env->nrcpts; i++)
        if (!env->rcpts[i].returned)
            return false;
    return env->nrcpts && !env->from[0];
}

void ingest_body_leaves(struct ingest *g)
{
    const struct span body = buf_span(&g->m->body);
    g->body_left = true;
    if (!g->s.principal->row->returns || g->start.len)
        return;
    buf_init(&g->start, NOTICE_BYTES);
    buf_addspan(&g->start, span_slice(body, 0, body.n < NOTICE_BYTES ? body.n : NOTICE_BYTES));
}

static struct ingest_returned *add_returned(struct ingest *g)
{
    g->returned = mem_grow(g->returned, g->nreturned + 1, sizeof *g->returned);
    g->returned[g->nreturned] = (struct ingest_returned){0};
    return &g->returned[g->nreturned++];
}

// True: the recipient is a keyed return path, and goes.
static bool read_returned(struct ingest *g, const struct recipient *r)
{
    struct buf recipient;
    const struct cfg_sender *row;
    uint64_t id;
    bool ours;
    struct why why;
    buf_init(&recipient, 1024);
    bool is = r->returned && return_keys_read(g->s.setup, r->address, r->domain, clock_s(), &row,
                                              &id, &recipient, &ours, &why) == 0;
    if (is) {
        struct ingest_returned *one = add_returned(g);
        struct span body = g->start.len ? buf_span(&g->start) : buf_span(&g->m->body);
        one->id = id;
        one->row = row;
        one->recipient = mem_dup(buf_text(&recipient));
        one->read = notice_read(&g->header, body, one->recipient, &one->notice);
    }
    buf_free(&recipient);
    return is;
}

// What no program can read goes to whom the row names.
static void add_reader(struct ingest *g, const struct ingest_returned *one)
{
    if (!one->read && one->row->verp.to[0])
        add_quietly(g, one->row->verp.to);
}

static void take_returned(struct ingest *g)
{
    struct envelope *env = &g->m->env;
    for (size_t i = env->nrcpts; i-- > 0;)
        if (read_returned(g, &env->rcpts[i]))
            message_drop_recipient(g->m, i);
    for (size_t i = 0; i < g->nreturned; i++)
        add_reader(g, &g->returned[i]);
}

void ingest_finish_envelope(struct ingest *g)
{
    if (g->s.principal->row->returns)
        take_returned(g);
    put_return_paths(g);
    add_archive(g);
}

const struct ingest_returned *ingest_returned(const struct ingest *g, size_t *n)
{
    *n = g->nreturned;
    return g->returned;
}
