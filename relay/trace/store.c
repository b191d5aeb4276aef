// SPDX-License-Identifier: ISC
// Records and pieces on their way into the ring: each piece once a file, each line once. Used by the trace thread
// alone.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"
#include "relay/trace/inside.h"

struct place {
    unsigned char digest[PIECE_DIGEST];
    uint64_t offset;
    UT_hash_handle hh;
};

struct store {
    struct ring *ring; // NULL: nothing is kept
    struct buf lines, keys, object;
    size_t waiting;       // records in them
    struct place *places; // of the present file
    uint64_t written, lost;
    uint64_t again_ms; // clock_mono_ms(): when a file may be begun again, after a failure
    struct why trouble;
};

static void forget_places(struct store *s)
{
    struct place *p, *next;
    HASH_ITER (hh, s->places, p, next) {
        HASH_DEL(s->places, p);
        free(p);
    }
}

struct store *store_new(void)
{
    struct store *s = mem_new(sizeof *s);
    buf_init(&s->lines, (size_t)1 << 28);
    buf_init(&s->keys, (size_t)1 << 26);
    buf_init(&s->object, TRACE_RECORD + 4096);
    why_clear(&s->trouble);
    return s;
}

void store_free(struct store *s)
{
    store_close(s);
    buf_free(&s->lines);
    buf_free(&s->keys);
    buf_free(&s->object);
    free(s);
}

int store_open(struct store *s, const struct ring_options *options, struct why *why)
{
    store_close(s);
    s->ring = ring_open(options, why);
    if (!s->ring)
        s->trouble = *why;
    return s->ring ? 0 : -1;
}

bool store_is_open(const struct store *s)
{
    return s->ring;
}

void store_close(struct store *s)
{
    if (s->ring)
        store_write(s);
    forget_places(s);
    ring_close(s->ring);
    s->ring = NULL;
}

void store_set(struct store *s, const struct ring_options *options)
{
    ring_set(s->ring, options);
}

// What waits has come to nothing, and so have the places of its pieces.
static void lose(struct store *s)
{
    s->lost += s->waiting;
    s->waiting = 0;
    buf_reset(&s->lines);
    buf_reset(&s->keys);
    forget_places(s);
}

void store_write(struct store *s)
{
    if (!s->waiting)
        return;
    if (ring_append(s->ring, buf_span(&s->lines), buf_span(&s->keys), &s->trouble) < 0) {
        lose(s);
        return;
    }
    s->written += s->waiting;
    s->waiting = 0;
    buf_reset(&s->lines);
    buf_reset(&s->keys);
}

static uint64_t next_place(const struct store *s)
{
    return ring_place(s->ring) + s->lines.len;
}

// Where the piece stands in this file; it is added where it is not there yet.
static uint64_t store_place(struct store *s, struct trace_piece *piece)
{
    struct place *place;
    HASH_FIND(hh, s->places, piece->digest, PIECE_DIGEST, place);
    if (place)
        return place->offset;
    uint64_t inner = piece->inner ? store_place(s, piece->inner) : 0;
    struct buf text;
    piece_text(piece, &text);
    if (piece->inner)
        text_number(&text, piece->inner_key, (int64_t)inner);
    if (HASH_COUNT(s->places) >= STORE_PIECES)
        forget_places(s);
    place = mem_new(sizeof *place);
    memcpy(place->digest, piece->digest, PIECE_DIGEST);
    place->offset = next_place(s);
    HASH_ADD(hh, s->places, digest, PIECE_DIGEST, place);
    ring_line(&s->lines, buf_span(&text));
    buf_free(&text);
    return place->offset;
}

static bool is_listed(const struct trace_ref *ref)
{
    return strcmp(ref->key, "replies") == 0;
}

// The record's members, and the places of its pieces behind them.
static void store_compose(struct store *s, const struct trace_frame *frame, struct span text)
{
    bool listed = false;
    buf_reset(&s->object);
    buf_addspan(&s->object, text);
    for (size_t i = 0; i < frame->nrefs; i++) {
        const struct trace_ref *ref = &frame->refs[i];
        uint64_t place = store_place(s, ref->piece);
        if (is_listed(ref) && !listed)
            text_open(&s->object, ref->key, '[');
        listed = is_listed(ref);
        text_number(&s->object, listed ? NULL : ref->key, (int64_t)place);
        if (listed && (i + 1 == frame->nrefs || !is_listed(&frame->refs[i + 1])))
            text_close(&s->object, ']');
    }
}

// A record and its pieces stand in one file. A disk that takes none is left alone for a moment.
static bool store_ready(struct store *s, size_t n)
{
    if (ring_fits(s->ring, s->lines.len, n))
        return true;
    store_write(s);
    forget_places(s);
    if (clock_mono_ms() < s->again_ms)
        return false;
    bool turned = ring_turn(s->ring, &s->trouble) == 0;
    s->again_ms = turned ? 0 : clock_mono_ms() + STORE_AGAIN_MS;
    return turned;
}

// What the record and those of its pieces that are not there yet may take.
static size_t estimate(const struct trace_frame *frame, struct span text)
{
    size_t n = text.n + 64;
    for (size_t i = 0; i < frame->nrefs; i++)
        n += frame->refs[i].piece->n + (frame->refs[i].piece->inner ? 4096 : 64);
    return n;
}

void store_add(struct store *s, const struct trace_frame *frame, const unsigned char *keys,
               struct span text)
{
    if (!s->ring || !store_ready(s, estimate(frame, text))) {
        s->lost++;
        return;
    }
    store_compose(s, frame, text);
    uint64_t place = next_place(s);
    ring_line(&s->lines, buf_span(&s->object));
    s->waiting++;
    if (s->object.full || s->lines.full || place > UINT32_MAX) {
        lose(s);
        return;
    }
    for (size_t i = 0; i < frame->nkeys; i++) {
        uint64_t key;
        memcpy(&key, keys + i * sizeof key, sizeof key);
        keys_add(&s->keys, key, (uint32_t)place);
    }
    if (s->lines.len >= STORE_BATCH)
        store_write(s);
}

void store_tidy(struct store *s)
{
    store_write(s);
    ring_tidy(s->ring);
}

uint64_t store_written(const struct store *s)
{
    return s->written;
}

uint64_t store_lost(const struct store *s)
{
    return s->lost;
}

uint64_t store_bytes(const struct store *s)
{
    return s->ring ? ring_bytes(s->ring) : 0;
}

const struct why *store_trouble(const struct store *s)
{
    return &s->trouble;
}
