// SPDX-License-Identifier: ISC
// Canonicalisation of bodies and fields (RFC 6376 section 3.4). A body goes through in three layers: bytes
// become lines, lines become canonical bytes (once for simple, once for relaxed), those go into every hash
// that wants them. Nothing here grows with the body.
#include "sign/canon.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

#define STAGE 4096 // bytes collected before they are hashed

struct body_hash {
    enum canon canon;
    uint64_t limit;
    uint64_t left; // canonical bytes still to hash
    gnutls_hash_hd_t state;
    unsigned char digest[32];
};

// One canonical form on its way.
struct form {
    bool text_seen;       // something but empty lines has come
    bool space;           // relaxed: a run of blanks waits for what follows
    uint64_t empty_lines; // line ends held back: at the end of the body they do not count
    uint64_t total;       // canonical bytes so far
    size_t staged;
    unsigned char *stage; // STAGE bytes; NULL while not wanted
};

struct body_hashes {
    struct body_hash at[MAX_BODY_HASHES];
    size_t n;
    struct form forms[2]; // by enum canon
    bool cr;              // a CR waits: line end or text?
    bool line_open;       // text since the last line end
    bool finished;
};

struct body_hashes *body_hashes_new(void)
{
    return mem_new(sizeof(struct body_hashes));
}

void body_hashes_free(struct body_hashes *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        if (h->at[i].state)
            gnutls_hash_deinit(h->at[i].state, NULL);
    free(h->forms[CANON_SIMPLE].stage);
    free(h->forms[CANON_RELAXED].stage);
    free(h);
}

static const struct body_hash *canon_find(const struct body_hashes *h, enum canon canon,
                                          uint64_t limit)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->at[i].canon == canon && h->at[i].limit == limit)
            return &h->at[i];
    return NULL;
}

int body_hashes_want(struct body_hashes *h, enum canon canon, uint64_t limit)
{
    if (canon_find(h, canon, limit))
        return 0;
    if (h->n == MAX_BODY_HASHES)
        return -1;
    struct body_hash *b = &h->at[h->n++];
    *b = (struct body_hash){.canon = canon, .limit = limit, .left = limit};
    int rc = gnutls_hash_init(&b->state, GNUTLS_DIG_SHA256);
    assert(rc == 0);
    if (!h->forms[canon].stage)
        h->forms[canon].stage = mem_grow(NULL, STAGE, 1);
    return 0;
}

static void hash_bytes(struct body_hashes *h, enum canon canon, const void *bytes, size_t n)
{
    h->forms[canon].total += n;
    for (size_t i = 0; i < h->n; i++) {
        struct body_hash *b = &h->at[i];
        if (b->canon != canon)
            continue;
        size_t part = n < b->left ? n : (size_t)b->left;
        if (part)
            gnutls_hash(b->state, bytes, part);
        if (b->limit != CANON_NO_LIMIT)
            b->left -= part;
    }
}

static void canon_flush(struct body_hashes *h, enum canon canon)
{
    struct form *f = &h->forms[canon];
    if (f->staged)
        hash_bytes(h, canon, f->stage, f->staged);
    f->staged = 0;
}

static void emit(struct body_hashes *h, enum canon canon, const void *bytes, size_t n)
{
    struct form *f = &h->forms[canon];
    if (n > STAGE - f->staged)
        canon_flush(h, canon);
    if (n > STAGE / 2) {
        canon_flush(h, canon);
        hash_bytes(h, canon, bytes, n);
        return;
    }
    memcpy(f->stage + f->staged, bytes, n);
    f->staged += n;
}

// Text comes: what was held back counts after all.
static void release_lines(struct body_hashes *h, enum canon canon)
{
    struct form *f = &h->forms[canon];
    for (; f->empty_lines; f->empty_lines--)
        emit(h, canon, "\r\n", 2);
    f->text_seen = true;
}

static bool is_space_at(const unsigned char *p, size_t n, size_t i)
{
    return i >= n || p[i] == ' ' || p[i] == '\t';
}

#define LANES 16
typedef unsigned char lanes __attribute__((vector_size(LANES)));

// A tab is among them, or a blank with another behind it.
static bool has_run(const unsigned char *p)
{
    lanes here, next;
    uint64_t halves[2];
    memcpy(&here, p, LANES);
    memcpy(&next, p + 1, LANES);
    lanes found = (lanes)(here == '\t') | ((lanes)(here == ' ') & (lanes)(next == ' '));
    memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

// How many bytes go out as they are: up to a tab, or a blank with another or the end behind it. Sixteen at a time where
// nothing of that kind is among them.
static size_t plain_run(const unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i + LANES < n && !has_run(p + i))
        i += LANES;
    while (i < n && p[i] != '\t' && !(p[i] == ' ' && is_space_at(p, n, i + 1)))
        i++;
    while (i && p[i - 1] == ' ') // before a tab at the start of the next sixteen
        i--;
    return i;
}

// Runs of blanks become one space, and none at the end of a line.
static void relaxed_text(struct body_hashes *h, const unsigned char *p, size_t n)
{
    struct form *f = &h->forms[CANON_RELAXED];
    for (size_t i = 0, run; i < n; i += run) {
        if (is_space_at(p, n, i)) {
            f->space = true;
            run = 1;
            continue;
        }
        release_lines(h, CANON_RELAXED);
        if (f->space)
            emit(h, CANON_RELAXED, " ", 1);
        f->space = false;
        run = plain_run(p + i, n - i);
        emit(h, CANON_RELAXED, p + i, run);
    }
}

static void canon_text(struct body_hashes *h, const unsigned char *p, size_t n)
{
    h->line_open = true;
    if (h->forms[CANON_SIMPLE].stage) {
        release_lines(h, CANON_SIMPLE);
        emit(h, CANON_SIMPLE, p, n);
    }
    if (h->forms[CANON_RELAXED].stage)
        relaxed_text(h, p, n);
}

static void line_end(struct body_hashes *h)
{
    h->line_open = false;
    for (int canon = CANON_SIMPLE; canon <= CANON_RELAXED; canon++) {
        h->forms[canon].empty_lines++;
        h->forms[canon].space = false;
    }
}

void body_hashes_feed(struct body_hashes *h, const void *bytes, size_t n)
{
    assert(!h->finished);
    const unsigned char *p = bytes;
    while (n) {
        const unsigned char *lf = memchr(p, '\n', n);
        size_t line = lf ? (size_t)(lf - p) : n;
        if (line) {
            if (h->cr)
                canon_text(h, (const unsigned char *)"\r", 1);
            h->cr = p[line - 1] == '\r';
            if (line - h->cr)
                canon_text(h, p, line - h->cr);
        }
        if (!lf)
            return;
        h->cr = false;
        line_end(h);
        p = lf + 1;
        n -= line + 1;
    }
}

// Empty lines at the end are ignored. A simple body always ends in one CRLF, even an empty one; a relaxed
// body does unless nothing is left of it (RFC 6376 sections 3.4.3 and 3.4.4).
void body_hashes_finish(struct body_hashes *h)
{
    assert(!h->finished);
    if (h->cr)
        canon_text(h, (const unsigned char *)"\r", 1);
    if (h->line_open)
        line_end(h);
    h->finished = true;
    for (int canon = CANON_SIMPLE; canon <= CANON_RELAXED; canon++) {
        if (!h->forms[canon].stage)
            continue;
        if (canon == CANON_SIMPLE || h->forms[canon].text_seen)
            emit(h, canon, "\r\n", 2);
        canon_flush(h, canon);
    }
    for (size_t i = 0; i < h->n; i++) {
        gnutls_hash_deinit(h->at[i].state, h->at[i].digest);
        h->at[i].state = NULL;
    }
}

bool body_hashes_get(const struct body_hashes *h, enum canon canon, uint64_t limit,
                     unsigned char digest[static 32], uint64_t *canonical)
{
    assert(h->finished);
    const struct body_hash *b = canon_find(h, canon, limit);
    if (!b)
        return false;
    memcpy(digest, b->digest, sizeof b->digest);
    *canonical = h->forms[canon].total;
    return true;
}

static int simple_field(struct span whole, struct buf *out)
{
    while (whole.n) {
        ptrdiff_t lf = span_find(whole, '\n');
        size_t line = lf < 0 ? whole.n : (size_t)lf;
        struct span content = span_of(whole.p, line);
        if (lf >= 0 && line && content.p[line - 1] == '\r')
            content.n--;
        buf_addspan(out, content);
        buf_adds(out, "\r\n");
        whole = span_from(whole, lf < 0 ? line : line + 1);
    }
    return out->full ? -1 : 0;
}

// Line ends inside a field are folds, since the next line begins with a blank; a CR elsewhere is text. Nothing grows:
// what is written is no longer than the field with its colon and line end.
static int relaxed_field(const struct field *field, struct buf *out)
{
    unsigned char *start, *to;
    if (buf_reserve(out, field->name.n + field->value.n + 3, &start) < 0)
        return -1;
    to = start;
    for (size_t i = 0; i < field->name.n; i++)
        *to++ = (unsigned char)ascii_lower(field->name.p[i]);
    *to++ = ':';
    const unsigned char *begin = to;
    struct span v = field->value;
    bool space = false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '\n' || (v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n'))
            continue;
        if (v.p[i] == ' ' || v.p[i] == '\t') {
            space = true;
            continue;
        }
        if (space && to > begin)
            *to++ = ' ';
        space = false;
        *to++ = v.p[i];
    }
    *to++ = '\r';
    *to++ = '\n';
    out->len += (size_t)(to - start);
    return 0;
}

int canon_field(enum canon canon, const struct field *field, struct buf *out)
{
    return canon == CANON_SIMPLE ? simple_field(field->whole, out) : relaxed_field(field, out);
}
