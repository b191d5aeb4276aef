// SPDX-License-Identifier: ISC
// The bytes of a spool segment. Pure: every byte that comes in here may be damaged or hostile.
#define XXH_STATIC_LINKING_ONLY // the hash state on the stack
#include "relay/spool/format.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

static const unsigned char head_magic[8] = {'W', 'X', 'S', 'P', 'O', 'O', 'L', '\n'};
static const unsigned char record_magic[4] = {'W', 'X', 'r', 0x1a};

static void format_put(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get(const unsigned char *in, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)in[i] << 8 * i;
    return value;
}

static void put_sum(unsigned char out[static SEGMENT_SUM], XXH128_hash_t hash)
{
    format_put(out, hash.low64, 8);
    format_put(out + 8, hash.high64, 8);
}

// The 16 random bytes are stretched to the secret that the hash wants.
void segment_key_make(struct segment_key *key, uint64_t number, const unsigned char random[16])
{
    unsigned char seed[16 + 8 + 1];
    memcpy(seed, random, 16);
    format_put(seed + 16, number, 8);
    key->number = number;
    memcpy(key->random, random, sizeof key->random);
    for (unsigned i = 0; i < sizeof key->secret / SEGMENT_SUM; i++) {
        seed[24] = (unsigned char)i;
        put_sum(key->secret + (size_t)SEGMENT_SUM * i, XXH3_128bits(seed, sizeof seed));
    }
}

void segment_head_encode(const struct segment_key *key, unsigned char out[static SEGMENT_HEAD])
{
    memset(out, 0, SEGMENT_HEAD);
    memcpy(out, head_magic, 8);
    format_put(out + 8, SEGMENT_VERSION, 4);
    format_put(out + 16, key->number, 8);
    memcpy(out + 24, key->random, 16);
    put_sum(out + 40, XXH3_128bits(out, 40));
    memcpy(out + SEGMENT_HEAD / 2, out, SEGMENT_HEAD / 2);
}

enum segment_head segment_head_decode(const unsigned char *bytes, size_t n, struct segment_key *key)
{
    enum segment_head found = HEAD_DAMAGED;
    for (size_t at = 0; at + SEGMENT_HEAD / 2 <= n && at < SEGMENT_HEAD; at += SEGMENT_HEAD / 2) {
        const unsigned char *p = bytes + at;
        unsigned char sum[SEGMENT_SUM];
        put_sum(sum, XXH3_128bits(p, 40));
        if (memcmp(p, head_magic, 8) != 0 || memcmp(p + 40, sum, SEGMENT_SUM) != 0)
            continue;
        uint64_t version = get(p + 8, 4);
        if (version >= SEGMENT_OLDEST && version <= SEGMENT_VERSION) {
            segment_key_make(key, get(p + 16, 8), p + 24);
            return HEAD_OURS;
        }
        found = HEAD_OTHER_VERSION;
    }
    return found;
}

void segment_sum(const struct segment_key *key, uint64_t offset, enum segment_part part,
                 const struct span *pieces, size_t n, unsigned char out[static SEGMENT_SUM])
{
    unsigned char place[16];
    format_put(place, offset, 8);
    format_put(place + 8, part, 8);
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset_withSecret(&state, key->secret, sizeof key->secret);
    XXH3_128bits_update(&state, place, sizeof place);
    for (size_t i = 0; i < n; i++)
        if (pieces[i].n)
            XXH3_128bits_update(&state, pieces[i].p, pieces[i].n);
    put_sum(out, XXH3_128bits_digest(&state));
}

void segment_record_encode(const struct segment_key *key, const struct segment_record *r,
                           unsigned char out[static SEGMENT_RECORD])
{
    memcpy(out, record_magic, 4);
    format_put(out + 4, r->type, 4);
    format_put(out + 8, r->length, 8);
    format_put(out + 16, r->id, 8);
    format_put(out + 24, r->text, 8);
    format_put(out + 32, r->synced, 8);
    memcpy(out + 40, r->text_sum, SEGMENT_SUM);
    memcpy(out + 56, r->rest_sum, SEGMENT_SUM);
    struct span head = span_of(out, 72);
    segment_sum(key, r->offset, PART_HEAD, &head, 1, out + 72);
}

bool segment_record_decode(const struct segment_key *key, uint64_t offset, uint64_t end,
                           const unsigned char *bytes, struct segment_record *r)
{
    if (memcmp(bytes, record_magic, 4) != 0)
        return false;
    struct span head = span_of(bytes, 72);
    unsigned char sum[SEGMENT_SUM];
    segment_sum(key, offset, PART_HEAD, &head, 1, sum);
    if (memcmp(bytes + 72, sum, SEGMENT_SUM) != 0)
        return false;
    *r = (struct segment_record){.type = (enum segment_type)get(bytes + 4, 4),
                                 .offset = offset,
                                 .id = get(bytes + 16, 8),
                                 .length = get(bytes + 8, 8),
                                 .text = get(bytes + 24, 8),
                                 .synced = get(bytes + 32, 8)};
    memcpy(r->text_sum, bytes + 40, SEGMENT_SUM);
    memcpy(r->rest_sum, bytes + 56, SEGMENT_SUM);
    return r->type >= SEGMENT_MESSAGE && r->type <= SEGMENT_END && offset <= end &&
           end - offset >= SEGMENT_RECORD && r->length <= end - offset - SEGMENT_RECORD &&
           r->text <= r->length && r->text <= SPOOL_TEXT && r->synced <= offset;
}

bool segment_text_whole(const struct segment_key *key, const struct segment_record *r,
                        struct span text)
{
    unsigned char sum[SEGMENT_SUM];
    segment_sum(key, r->offset, PART_TEXT, &text, 1, sum);
    return text.n == r->text && memcmp(sum, r->text_sum, SEGMENT_SUM) == 0;
}

bool segment_rest_whole(const struct segment_key *key, const struct segment_record *r,
                        struct span rest)
{
    unsigned char sum[SEGMENT_SUM];
    segment_sum(key, r->offset, PART_REST, &rest, 1, sum);
    return rest.n == r->length - r->text && memcmp(sum, r->rest_sum, SEGMENT_SUM) == 0;
}

size_t segment_find_magic(const unsigned char *bytes, size_t n)
{
    const unsigned char *at = n ? memmem(bytes, n, record_magic, sizeof record_magic) : NULL;
    return at ? (size_t)(at - bytes) : n;
}

void segment_index_add(struct segment_index *index, const struct segment_record *r)
{
    if (index->n == index->cap) {
        index->cap = index->cap ? 2 * index->cap : 64;
        index->rows = mem_grow(index->rows, index->cap, sizeof *index->rows);
    }
    index->rows[index->n++] = *r;
}

void segment_index_free(struct segment_index *index)
{
    free(index->rows);
    *index = (struct segment_index){0};
}

static void encode_record(const struct segment_key *key, struct segment_record *r, struct span rest,
                          unsigned char *out)
{
    segment_sum(key, r->offset, PART_TEXT, NULL, 0, r->text_sum);
    segment_sum(key, r->offset, PART_REST, &rest, 1, r->rest_sum);
    segment_record_encode(key, r, out);
}

void segment_index_encode(const struct segment_key *key, const struct segment_index *index,
                          uint64_t offset, uint64_t synced, struct buf *out)
{
    size_t bytes = index->n * SEGMENT_ROW;
    unsigned char *p;
    int rc = buf_reserve(out, bytes + 2 * (size_t)SEGMENT_RECORD, &p);
    assert(rc == 0);
    out->len += bytes + 2 * (size_t)SEGMENT_RECORD;
    unsigned char *row = p + SEGMENT_RECORD;
    for (size_t i = 0; i < index->n; i++, row += SEGMENT_ROW) {
        const struct segment_record *r = &index->rows[i];
        format_put(row, r->offset, 8);
        format_put(row + 8, r->id, 8);
        format_put(row + 16, r->length, 8);
        format_put(row + 24, r->text, 8);
        format_put(row + 32, r->type, 8);
    }
    struct segment_record r = {
        .type = SEGMENT_INDEX, .offset = offset, .length = bytes, .synced = synced};
    encode_record(key, &r, span_of(p + SEGMENT_RECORD, bytes), p);
    r = (struct segment_record){.type = SEGMENT_END,
                                .offset = offset + SEGMENT_RECORD + bytes,
                                .id = offset,
                                .synced = synced};
    encode_record(key, &r, span_of(NULL, 0), p + SEGMENT_RECORD + bytes);
}

bool segment_index_decode(struct span rows, uint64_t end, struct segment_index *index)
{
    uint64_t from = SEGMENT_HEAD;
    if (rows.n % SEGMENT_ROW)
        return false;
    for (const unsigned char *row = rows.p; rows.n; row += SEGMENT_ROW, rows.n -= SEGMENT_ROW) {
        struct segment_record r = {.offset = get(row, 8),
                                   .id = get(row + 8, 8),
                                   .length = get(row + 16, 8),
                                   .text = get(row + 24, 8),
                                   .type = (enum segment_type)get(row + 32, 8)};
        if (r.offset < from || r.offset > end || end - r.offset < SEGMENT_RECORD ||
            r.length > end - r.offset - SEGMENT_RECORD || r.text > r.length ||
            r.text > SPOOL_TEXT || (r.type != SEGMENT_MESSAGE && r.type != SEGMENT_RESULT))
            return false;
        from = r.offset + SEGMENT_RECORD + r.length;
        segment_index_add(index, &r);
    }
    return true;
}
