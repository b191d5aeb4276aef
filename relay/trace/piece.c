// SPDX-License-Identifier: ISC
// Shared pieces of traces, and chains put into words (on the thread that stores them).
#include "relay/trace/piece.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/trace/text.h"

#define PIECE_TEXT 131072 // bytes of one as it is stored

// Peers choose the texts: without a secret they could make one that passes for another.
static unsigned char piece_secret[192];
static pthread_once_t piece_once = PTHREAD_ONCE_INIT;

static void piece_choose_secret(void)
{
    random_bytes(piece_secret, sizeof piece_secret);
}

static void digest_bytes(const void *bytes, size_t n, unsigned char out[static PIECE_DIGEST])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical,
                             XXH3_128bits_withSecret(bytes, n, piece_secret, sizeof piece_secret));
    memcpy(out, canonical.digest, PIECE_DIGEST);
}

static void digest_of(struct trace_piece *p)
{
    unsigned char both[2 * PIECE_DIGEST];
    pthread_once(&piece_once, piece_choose_secret);
    digest_bytes(p->text, p->n, p->digest);
    if (!p->inner)
        return;
    memcpy(both, p->digest, PIECE_DIGEST);
    memcpy(both + PIECE_DIGEST, p->inner->digest, PIECE_DIGEST);
    digest_bytes(both, sizeof both, p->digest);
}

struct trace_piece *piece_new(struct span text, const char *inner_key, struct trace_piece *inner)
{
    struct trace_piece *p = mem_new(sizeof *p + text.n + 1);
    atomic_init(&p->refs, 1);
    p->inner = inner;
    p->inner_key = inner_key;
    p->n = text.n;
    if (text.n)
        memcpy(p->text, text.p, text.n);
    digest_of(p);
    return p;
}

struct trace_piece *piece_of_reply(struct span text)
{
    struct buf out;
    buf_init(&out, PIECE_TEXT);
    text_bytes(&out, "text", text);
    struct trace_piece *p = piece_new(buf_span(&out), NULL, NULL);
    buf_free(&out);
    return p;
}

struct trace_piece *piece_of_chain(struct shown *shown)
{
    if (!shown || !shown->nchain)
        return NULL;
    struct trace_piece *p = mem_new(sizeof *p);
    atomic_init(&p->refs, 1);
    p->shown = shown_ref(shown);
    memcpy(p->digest, shown->digest, PIECE_DIGEST); // of SHA-256: nobody can aim at that either
    return p;
}

struct trace_piece *piece_ref(struct trace_piece *p)
{
    if (p)
        atomic_fetch_add(&p->refs, 1);
    return p;
}

void piece_unref(struct trace_piece *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    piece_unref(p->inner);
    shown_unref(p->shown);
    free(p);
}

static void put_certificate(struct buf *out, const struct shown *shown, size_t i)
{
    struct shown_certificate c;
    char hex[SHOWN_HEX];
    shown_certificate(shown, i, &c);
    text_open(out, NULL, '{');
    text_string(out, "subject", c.subject);
    text_string(out, "issuer", c.issuer);
    text_string(out, "name", c.name);
    if (c.nnames)
        text_number(out, "names", (int64_t)c.nnames);
    if (c.readable) {
        text_number(out, "not_before", c.not_before_s);
        text_number(out, "not_after", c.not_after_s);
    }
    text_string(out, "fingerprint", shown_hex(c.fingerprint, hex));
    if (c.has_key)
        text_string(out, "key", shown_hex(c.key, hex));
    text_true(out, "unreadable", !c.readable);
    text_close(out, '}');
}

void piece_text(const struct trace_piece *p, struct buf *out)
{
    buf_init(out, PIECE_TEXT);
    if (!p->shown) {
        buf_add(out, p->text, p->n);
        return;
    }
    text_open(out, "certificates", '[');
    for (size_t i = 0; i < p->shown->nchain; i++)
        put_certificate(out, p->shown, i);
    text_close(out, ']');
    if (p->shown->ncut)
        text_number(out, "cut", (int64_t)p->shown->ncut);
}
