// SPDX-License-Identifier: ISC
// What filters see of a message, and what goes on where they changed it. The verdict on the message as it came
// stands: a filter makes nothing genuine that was not, and From is looked at again.
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/ingest/inside.h"

void ingest_shown(const struct ingest *g, struct buf *out)
{
    size_t n = 2;
    for (size_t i = 0; i < g->header.n; i++)
        n += g->header.fields[i].whole.n + 2;
    buf_init(out, n);
    for (size_t i = 0; i < g->header.n; i++) {
        struct span whole = g->header.fields[i].whole;
        buf_addspan(out, whole);
        if (whole.p[whole.n - 1] != '\n')
            buf_adds(out, "\r\n");
    }
    buf_adds(out, "\r\n");
}

static bool same_field(const struct field *a, const struct field *b)
{
    return a && b && span_equal(a->value, b->value);
}

// The fields of the ARC chain stand as they did, so that a further set may go on top.
static bool change_keeps_chain(const struct header *before, const struct header *after)
{
    static const char *const names[] = {"ARC-Seal", "ARC-Message-Signature",
                                        "ARC-Authentication-Results"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t n = header_count(before, names[k]);
        if (header_count(after, names[k]) != n)
            return false;
        for (size_t i = 0; i < n; i++)
            if (!same_field(header_find(before, names[k], i), header_find(after, names[k], i)))
                return false;
    }
    return true;
}

// The message has the new header, and the old one stays for those whose findings point into it.
static int put_header(struct ingest *g, struct buf *header, struct header *before, struct why *why)
{
    struct message *m = g->m;
    size_t used;
    buf_move(&g->received, &m->header);
    buf_move(&m->header, header);
    *before = g->header;
    if (header_parse(&g->header, buf_span(&m->header), &used, why) < 0)
        return -1;
    ingest_find_end(g);
    m->header_bytes = m->header.len;
    m->env.utf8_header = false;
    for (size_t i = 0; i < m->header.len && !m->env.utf8_header; i++)
        m->env.utf8_header = m->header.data[i] > 127;
    m->env.eightbit |= m->env.utf8_header;
    return 0;
}

int ingest_change_header(struct ingest *g, struct buf *header, struct why *why)
{
    struct header before = {0};
    int rc = put_header(g, header, &before, why);
    if (rc == 0) {
        g->unsealable = !change_keeps_chain(&before, &g->header);
        bool same = header_count(&g->header, "From") == header_count(&before, "From") &&
                    same_field(header_find(&before, "From", 0), header_find(&g->header, "From", 0));
        if (!same)
            rc = ingest_check_changed(g, why);
    }
    header_free(&before);
    return rc;
}

void ingest_change_body(struct ingest *g, struct body_hashes *hashes)
{
    body_hashes_free(g->made);
    g->made = hashes;
}
