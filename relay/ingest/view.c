// SPDX-License-Identifier: ISC
// The header as it goes on: received fields that stay, and those that stand in front of them instead of others. No
// received byte changes; what is replaced or stripped is left out.
#include "relay/ingest/inside.h"

#include <stdlib.h>
#include <string.h>
#include "config/pattern.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/ingest/rewrite.h"
#include "relay/log/log.h"
#include "sign/dkim_sign.h"
#include "sign/selection.h"
#include "sign/tags.h"

#define VIEW_SIGNATURES 20 // of others that are looked at before nothing is stripped any more

bool ingest_was_received(const struct ingest *g, const struct field *field)
{
    const struct span all = g->header.bytes;
    return field->whole.p >= all.p && field->whole.p < all.p + all.n;
}

void ingest_leave_out_rest(struct ingest *g, const struct field *kept, size_t n)
{
    const unsigned char *start = g->header.bytes.p, *at = start;
    for (size_t i = 0; i < n; i++) {
        const struct span whole = kept[i].whole;
        if (whole.p > at)
            message_leave_out(g->m, (uint64_t)(at - start), (uint64_t)(whole.p - start));
        at = whole.p + whole.n;
    }
    if (g->last > at)
        message_leave_out(g->m, (uint64_t)(at - start), (uint64_t)(g->last - start));
}

static void log_rewritten(uint64_t id, const struct rewrite_change *change)
{
    struct logline line;
    log_begin(&line, LOG_INFO, "rewrite", id);
    log_text(&line, "field", change->field);
    log_address(&line, "from", change->from[0] ? change->from : NULL);
    log_address(&line, "to", change->to);
    log_end(&line);
}

void ingest_log_rewritten_sender(uint64_t id, const char *from, const char *to)
{
    struct rewrite_change change = {"MAIL", (char *)(uintptr_t)from, (char *)(uintptr_t)to};
    log_rewritten(id, &change);
}

// The header becomes the new fields and those that stay.
static int put_instead(struct ingest *g, struct rewritten *r, struct why *why)
{
    struct header made;
    size_t used;
    buf_move(&g->instead, &r->fields);
    if (header_parse(&made, buf_span(&g->instead), &used, why) < 0)
        return -1;
    made.fields = mem_grow(made.fields, made.n + g->header.n + 1, sizeof *made.fields);
    for (size_t i = 0; i < g->header.n; i++)
        if (!r->gone[i])
            made.fields[made.n++] = g->header.fields[i];
    made.bytes = g->header.bytes;
    header_free(&g->header);
    g->header = made;
    for (size_t i = 0; i < g->instead.len && !g->m->env.utf8_header; i++)
        g->m->env.utf8_header = g->instead.data[i] > 127;
    return 0;
}

// A forwarder's row was asked for nothing at MAIL: there a stranger may have been the sender.
static void rewrite_forwarded_sender(struct ingest *g)
{
    char *to = rewrite_sender(g->s.principal->row, g->m->env.from);
    if (!to)
        return;
    ingest_log_rewritten_sender(g->m->env.id, g->m->env.from, to);
    free(g->m->env.from);
    g->m->env.from = to;
}

void ingest_find_end(struct ingest *g)
{
    g->last = g->header.bytes.p;
    if (g->header.n) {
        const struct span whole = g->header.fields[g->header.n - 1].whole;
        g->last = whole.p + whole.n;
    }
}

int ingest_rewrite(struct ingest *g, struct why *why)
{
    const struct cfg_sender *row = g->s.principal->row;
    ingest_find_end(g);
    if (!rewrite_wanted(row) || (row->forward && !ingest_origin_shown(g)))
        return 0;
    if (row->forward)
        rewrite_forwarded_sender(g);
    struct rewritten r;
    int rc = 0;
    if (rewrite_header(row, &g->header, &r))
        rc = r.fields.full ? why_say(why, REWRITE_NO_ROOM) : put_instead(g, &r, why);
    for (size_t i = 0; i < r.nchanges && rc == 0; i++)
        log_rewritten(g->m->env.id, &r.changes[i]);
    rewritten_free(&r);
    return rc;
}

// The lists of what others' signatures cover, and what our seal does, one behind the other. `full`: more than is looked
// at, so everything.
static void view_read_covered(struct ingest *g)
{
    size_t signatures = 0;
    buf_addf(&g->covered, "%s:", dkim_default_headers(true));
    for (size_t i = 0; i < g->header.n && !g->covered.full; i++) {
        const struct field *f = &g->header.fields[i];
        struct tags tags;
        if (!span_is_nocase(f->name, "DKIM-Signature") &&
            !span_is_nocase(f->name, "ARC-Message-Signature"))
            continue;
        if (++signatures > VIEW_SIGNATURES)
            g->covered.full = true;
        const struct tag *h = tags_parse(f->value, &tags) ? tags_find(&tags, "h") : NULL;
        if (h) {
            buf_addspan(&g->covered, h->value);
            buf_addc(&g->covered, ':');
        }
    }
}

static bool is_covered(struct ingest *g, struct span name)
{
    if (!g->covered.len)
        view_read_covered(g);
    char *text = span_dup(name);
    bool covered = g->covered.full || selection_has(buf_span(&g->covered), text);
    free(text);
    return covered;
}

bool ingest_strips(struct ingest *g, const struct field *field)
{
    const struct strings *names = &g->s.principal->row->strip_headers;
    for (size_t i = 0; i < names->n; i++)
        if (pattern_field(names->at[i], field->name))
            return g->kind == INGEST_OWN || !is_covered(g, field->name);
    return false;
}
