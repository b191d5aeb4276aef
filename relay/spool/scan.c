// SPDX-License-Identifier: ISC
// Reads one segment at the start: by its index, or record by record where it has none that holds.
// Headers and envelopes are read, bodies are not, but for the last batch of the newest segment, whose
// sync may never have happened. What cannot be understood is stepped over, kept aside and reported.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/spool/inside.h"

#define STEP 4096 // bytes read at once while hopping from record to record

struct scan {
    struct spool *s;
    struct segment *g;
    uint64_t limit; // what lies behind does not count
    struct buf window;
    uint64_t window_at;
    struct segment_index found;
    uint64_t last_end; // behind the last whole MESSAGE or RESULT
    uint64_t synced;   // on disk up to here, as later records say
    uint64_t bad_from; // where it stopped making sense; 0: it does
    bool sealed, damaged;
};

// A sector that cannot be read counts as zeros: the checksums find out.
static void read_pieces(struct scan *scan, unsigned char *out, size_t n, uint64_t offset)
{
    const struct spool_files *files = scan->s->files;
    memset(out, 0, n);
    for (size_t at = 0; at < n; at += STEP)
        if (spool_files_read(files, scan->g->fd, out + at, n - at < STEP ? n - at : STEP,
                             offset + at) < 0)
            scan->damaged = true;
}

// The n bytes at `offset` (inside the limit), valid until the next call; `ahead` bytes are fetched.
static struct span bytes_at(struct scan *scan, uint64_t offset, size_t n, size_t ahead)
{
    struct buf *w = &scan->window;
    if (offset >= scan->window_at && offset + n <= scan->window_at + w->len)
        return span_of(w->data + (offset - scan->window_at), n);
    size_t want = ahead > n ? ahead : n;
    if (want > scan->limit - offset)
        want = (size_t)(scan->limit - offset);
    unsigned char *room;
    buf_reset(w);
    if (buf_reserve(w, want, &room) < 0)
        return span_of(NULL, 0);
    ssize_t got = spool_files_read(scan->s->files, scan->g->fd, room, want, offset);
    if (got < 0)
        read_pieces(scan, room, want, offset);
    else
        memset(room + got, 0, want - (size_t)got);
    w->len = want;
    scan->window_at = offset;
    return span_of(room, n);
}

static bool record_at(struct scan *scan, uint64_t offset, size_t ahead, struct segment_record *r)
{
    if (offset > scan->limit || scan->limit - offset < SEGMENT_RECORD)
        return false;
    struct span head = bytes_at(scan, offset, SEGMENT_RECORD, ahead);
    return segment_record_decode(&scan->g->key, offset, scan->limit, head.p, r);
}

static bool text_at(struct scan *scan, const struct segment_record *r, struct span *text)
{
    *text = bytes_at(scan, r->offset + SEGMENT_RECORD, r->text, STEP);
    return segment_text_whole(&scan->g->key, r, *text);
}

static bool rest_at(struct scan *scan, const struct segment_record *r)
{
    struct span rest = bytes_at(scan, r->offset + SEGMENT_RECORD + r->text, r->length - r->text, 0);
    return segment_rest_whole(&scan->g->key, r, rest);
}

static void quarantine(struct scan *scan, uint64_t from, uint64_t to)
{
    scan->damaged = true;
    if (segment_quarantine(scan->s, scan->g, from, to) < 0)
        scan->g->keep = true;
    spool_alarm(scan->s, "%s is damaged from byte %llu to %llu; a copy is kept in %s",
                scan->g->path, (unsigned long long)from, (unsigned long long)to, scan->s->damaged);
}

static bool read_index(struct scan *scan, struct segment_index *rows, uint64_t *index_at)
{
    struct segment_record end, index;
    if (scan->limit < SEGMENT_HEAD + 2 * SEGMENT_RECORD ||
        !record_at(scan, scan->limit - SEGMENT_RECORD, SEGMENT_RECORD, &end) ||
        end.type != SEGMENT_END || !record_at(scan, end.id, STEP, &index) ||
        index.type != SEGMENT_INDEX || index.offset + SEGMENT_RECORD + index.length != end.offset)
        return false;
    *index_at = index.offset;
    struct span payload = bytes_at(scan, index.offset + SEGMENT_RECORD, index.length, 0);
    return segment_rest_whole(&scan->g->key, &index, payload) &&
           segment_index_decode(payload, index.offset, rows);
}

// The index is believed only where every record stands where it says.
static bool by_index(struct scan *scan)
{
    struct segment_index rows = {0};
    uint64_t end = 0;
    bool ok = read_index(scan, &rows, &end);
    for (size_t i = 0; ok && i < rows.n; i++) {
        struct segment_record *row = &rows.rows[i], r;
        struct span text;
        ok = record_at(scan, row->offset, STEP, &r) && r.type == row->type && r.id == row->id &&
             r.length == row->length && r.text == row->text && text_at(scan, &r, &text);
        if (ok)
            segment_index_add(&scan->found, &r);
    }
    segment_index_free(&rows);
    if (ok) {
        scan->last_end = end;
        scan->sealed = true;
    } else {
        segment_index_free(&scan->found);
    }
    return ok;
}

static uint64_t next_magic(struct scan *scan, uint64_t from)
{
    while (from < scan->limit) {
        uint64_t left = scan->limit - from;
        size_t n = left < SPOOL_COPY ? (size_t)left : SPOOL_COPY;
        struct buf *w = &scan->window;
        if (from >= scan->window_at && from + 3 < scan->window_at + w->len)
            n = (size_t)(scan->window_at + w->len - from); // what is there already
        struct span bytes = bytes_at(scan, from, n, n);
        size_t at = segment_find_magic(bytes.p, bytes.n);
        if (at < bytes.n)
            return from + at;
        if (n == left)
            break;
        from += n - 3;
    }
    return scan->limit;
}

static void spool_scan_found(struct scan *scan, const struct segment_record *r)
{
    if (scan->bad_from)
        quarantine(scan, scan->bad_from, r->offset);
    scan->bad_from = 0;
    if (r->synced > scan->synced)
        scan->synced = r->synced;
    if (r->type != SEGMENT_MESSAGE && r->type != SEGMENT_RESULT)
        return;
    segment_index_add(&scan->found, r);
    scan->last_end = r->offset + SEGMENT_RECORD + r->length;
}

static void by_record(struct scan *scan)
{
    uint64_t at = SEGMENT_HEAD;
    while (at < scan->limit) {
        struct segment_record r;
        struct span text;
        bool head = record_at(scan, at, scan->bad_from ? SPOOL_COPY : STEP, &r);
        if (head && text_at(scan, &r, &text))
            spool_scan_found(scan, &r);
        else if (!scan->bad_from)
            scan->bad_from = at;
        at = head ? at + SEGMENT_RECORD + r.length : next_magic(scan, at + 1);
    }
}

static bool all_zeros(struct scan *scan, uint64_t from)
{
    while (from < scan->limit) {
        uint64_t left = scan->limit - from;
        struct span bytes =
            bytes_at(scan, from, left < SPOOL_COPY ? (size_t)left : SPOOL_COPY, SPOOL_COPY);
        if (bytes.p[0] || memcmp(bytes.p, bytes.p + 1, bytes.n - 1) != 0)
            return false;
        from += bytes.n;
    }
    return true;
}

// Messages of the last batch whose content is not whole: their 250 was never sent.
static void drop_torn(struct scan *scan)
{
    size_t kept = 0;
    scan->last_end = SEGMENT_HEAD;
    for (size_t i = 0; i < scan->found.n; i++) {
        struct segment_record r = scan->found.rows[i];
        uint64_t end = r.offset + SEGMENT_RECORD + r.length;
        if (r.offset >= scan->synced && !rest_at(scan, &r)) {
            quarantine(scan, r.offset, end);
            continue;
        }
        scan->found.rows[kept++] = r;
        scan->last_end = end;
    }
    scan->found.n = kept;
}

static void apply_message(struct scan *scan, const struct segment_record *r, struct span text)
{
    struct spool *s = scan->s;
    bool damaged;
    struct message *m = segment_message_decode(text, r->id, r->length - r->text, &damaged);
    if (!m) {
        quarantine(scan, r->offset, r->offset + SEGMENT_RECORD + r->length);
        return;
    }
    struct spool_entry *k = table_find(s, r->id);
    if (k)
        table_drop(s, k);
    m->segment = scan->g->key.number;
    m->offset = r->offset;
    m->record_bytes = SEGMENT_RECORD + r->length;
    table_add(s, m, scan->g, r, damaged);
}

static void apply_result(struct scan *scan, const struct segment_record *r, struct span text)
{
    struct spool_result result;
    struct segment_texts texts;
    if (segment_result_decode(text, &result, &texts) < 0) {
        quarantine(scan, r->offset, r->offset + SEGMENT_RECORD + r->length);
        return;
    }
    struct spool_entry *k = table_find(scan->s, r->id);
    if (k && table_result(scan->s, k, &result))
        table_drop(scan->s, k);
    segment_texts_free(&texts);
}

static void apply(struct scan *scan)
{
    for (size_t i = 0; i < scan->found.n; i++) {
        const struct segment_record *r = &scan->found.rows[i];
        struct span text;
        if (!text_at(scan, r, &text)) // it was whole a moment ago
            quarantine(scan, r->offset, r->offset + SEGMENT_RECORD + r->length);
        else if (r->type == SEGMENT_MESSAGE)
            apply_message(scan, r, text);
        else
            apply_result(scan, r, text);
        scan->g->records += SEGMENT_RECORD + r->length;
        if (r->id > scan->s->last_id)
            scan->s->last_id = r->id;
    }
}

// Cut behind the last whole record, index, end: from now on it is an older segment.
static void finish_newest(struct scan *scan)
{
    struct spool *s = scan->s;
    struct segment *g = scan->g;
    if (!all_zeros(scan, scan->last_end)) {
        quarantine(scan, scan->last_end, scan->limit);
        if (g->keep)
            return; // no copy, no cut
    }
    g->index = scan->found;
    scan->found = (struct segment_index){0};
    int rc = s->files->truncate(s->files->self, g->fd, g->end);
    // An index is for speed; a full disk has no room for one.
    if (rc < 0 || (segment_seal(s, g) < 0 && errno != ENOSPC && errno != EDQUOT))
        spool_alarm(s, "%s could not be cut and closed with its index", g->path);
}

bool scan_segment(struct spool *s, struct segment *g, uint64_t limit, bool newest)
{
    struct scan scan = {
        .s = s, .g = g, .limit = limit, .last_end = SEGMENT_HEAD, .synced = SEGMENT_HEAD};
    buf_init(&scan.window, SIZE_MAX / 2);
    if (!by_index(&scan))
        by_record(&scan);
    if (newest && !scan.sealed)
        drop_torn(&scan);
    g->end = scan.last_end;
    apply(&scan);
    if (newest && !scan.sealed)
        finish_newest(&scan);
    else if (scan.bad_from && !all_zeros(&scan, scan.bad_from))
        quarantine(&scan, scan.bad_from, limit);
    buf_free(&scan.window);
    segment_index_free(&scan.found);
    return scan.damaged;
}
