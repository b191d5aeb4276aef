// SPDX-License-Identifier: ISC
// Receiving a message body and header. Owns what has arrived until the message is judged; the
// thread pool writes large bodies, one write at a time, while the session is not read.
#include "relay/ingest/receive.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/maxima.h"
#include "relay/ingest/scan.h"

// A piece may double when bare LFs become CRLF.
#define BODY_CEILING  (MAX_MEMORY_BODY + 2 * RECEIVE_PIECE + 4)
#define TIGHT_BODY    65536 // bytes of a body kept in memory when memory is short
#define SHORT_PERCENT 80
#define FULL_PERCENT  100
#define FIRST_RESERVE 8192

struct receive {
    struct receive_options o;
    struct receive_scan scan;
    bool header_done;
    size_t header_line; // bytes of the header's line under way
    uint64_t bytes;     // of content
    struct body_hashes *hashes;
    struct why why; // the first fault
    struct spool_large *large;
    uint64_t accounted; // bytes of ours in counters.memory_now
    // The write under way.
    uv_work_t work;
    struct buf piece;
    bool last;
    struct why write_why;
    receive_fn *done;
    void *done_arg;
};

unsigned receive_memory(struct relay *relay, const struct cfg_limits *limits)
{
    int64_t now = atomic_load_explicit(&relay->counters.memory_now, memory_order_relaxed);
    if (now <= 0 || !limits->memory)
        return 0;
    uint64_t percent = (uint64_t)now * 100 / limits->memory;
    return percent > 1000 ? 1000 : (unsigned)percent;
}

static void account(struct receive *r, uint64_t bytes)
{
    int64_t change = (int64_t)bytes - (int64_t)r->accounted;
    r->accounted = bytes;
    if (change)
        atomic_fetch_add_explicit(&r->o.relay->counters.memory_now, change, memory_order_relaxed);
}

static void account_held(struct receive *r)
{
    account(r, r->o.message->header.len + r->o.message->body.len + r->piece.len);
}

static void receive_refuse(struct receive *r)
{
    buf_free(&r->o.message->header);
    buf_free(&r->o.message->body);
    r->hashes = NULL;
}

static void header_complete(struct receive *r)
{
    struct message *m = r->o.message;
    r->header_done = true;
    m->header_bytes = m->header.len;
    for (size_t i = 0; i < m->header.len && !m->env.utf8_header; i++)
        m->env.utf8_header = m->header.data[i] > 127;
    if (r->o.header && r->o.header(r->o.arg, &r->hashes, &r->why) < 0)
        receive_refuse(r);
}

// How many of the bytes belong to the header, its empty line included; 0: that did not come yet. The scan lets only
// CRLF through, so a line of two bytes is the empty one.
static size_t header_end(struct receive *r, struct span bytes)
{
    const unsigned char *p = bytes.p, *end = bytes.p + bytes.n, *lf;
    for (; p < end && (lf = memchr(p, '\n', (size_t)(end - p))); p = lf + 1) {
        size_t line = r->header_line + (size_t)(lf + 1 - p);
        r->header_line = 0;
        if (line == 2)
            return (size_t)(lf + 1 - bytes.p);
    }
    r->header_line += (size_t)(end - p);
    return 0;
}

// Adds to the header what belongs to it; returns the bytes that are body already.
static struct span take_header(struct receive *r, struct span bytes)
{
    struct buf *h = &r->o.message->header;
    size_t end = header_end(r, bytes), n = end ? end : bytes.n;
    if (n > r->o.limits->header_size || h->len > r->o.limits->header_size - n) {
        why_say(&r->why, HEADER_TOO_LARGE, (unsigned long long)r->o.limits->header_size);
        receive_refuse(r);
        return span_of(NULL, 0);
    }
    buf_add(h, bytes.p, n);
    if (end)
        header_complete(r);
    return span_from(bytes, n);
}

static void receive_content(void *arg, struct span bytes)
{
    struct receive *r = arg;
    r->bytes += bytes.n;
    if (why_is_set(&r->why))
        return;
    if (r->bytes > r->o.limits->message_size) {
        why_say(&r->why, MESSAGE_TOO_LARGE, (unsigned long long)r->o.limits->message_size);
        receive_refuse(r);
        return;
    }
    if (!r->header_done)
        bytes = take_header(r, bytes);
    if (!bytes.n || why_is_set(&r->why))
        return;
    if (r->hashes)
        body_hashes_feed(r->hashes, bytes.p, bytes.n);
    int rc = buf_addspan(&r->o.message->body, bytes);
    assert(rc == 0); // the session writes when receive_must_write() says so
    (void)rc;
}

struct receive *receive_new(const struct receive_options *options)
{
    struct receive *r = mem_new(sizeof *r);
    r->o = *options;
    struct message *m = options->message;
    m->header.max = options->limits->header_size + 4;
    m->body.max = BODY_CEILING;
    buf_init(&r->piece, BODY_CEILING);
    receive_scan_init(&r->scan, options->chunks, options->fix_bare_lf, receive_content, r);
    unsigned char *room;
    size_t first = options->expected < FIRST_RESERVE ? (size_t)options->expected : FIRST_RESERVE;
    if (first)
        (void)buf_reserve(&m->body, first, &room);
    return r;
}

// The first fault of the scan becomes the message's, unless it has one.
static void note_scan_fault(struct receive *r)
{
    if (!r->scan.fault || why_is_set(&r->why))
        return;
    why_say(&r->why, BARE_LINE_END, receive_fault_text(r->scan.fault));
    receive_refuse(r);
}

size_t receive_data(struct receive *r, struct span in)
{
    assert(in.n <= RECEIVE_PIECE && !r->scan.chunks);
    size_t used = receive_scan_feed(&r->scan, in);
    note_scan_fault(r);
    account_held(r);
    return used;
}

bool receive_ended(const struct receive *r)
{
    return r->scan.done;
}

void receive_chunk(struct receive *r, struct span in)
{
    assert(in.n <= RECEIVE_PIECE && r->scan.chunks);
    receive_scan_feed(&r->scan, in);
    note_scan_fault(r);
    account_held(r);
}

bool receive_is_chunked(const struct receive *r)
{
    return r->scan.chunks;
}

bool receive_must_write(const struct receive *r)
{
    size_t held = r->o.message->body.len;
    if (held > MAX_MEMORY_BODY)
        return true;
    if (!held || why_is_set(&r->why))
        return false;
    unsigned percent = receive_memory(r->o.relay, r->o.limits);
    return percent >= FULL_PERCENT || (percent >= SHORT_PERCENT && held > TIGHT_BODY);
}

bool receive_has_file(const struct receive *r)
{
    return r->large != NULL;
}

static void receive_write_work(uv_work_t *work)
{
    struct receive *r = work->data;
    int rc = 0;
    if (!r->large) {
        r->large = spool_large_begin(r->o.relay->spool, &r->write_why);
        rc = r->large ? 0 : -1;
    }
    if (rc == 0 && r->piece.len)
        rc = spool_large_write(r->large, r->piece.data, r->piece.len, &r->write_why);
    if (rc == 0 && r->last) {
        rc = spool_large_finish(r->large, r->o.message, &r->write_why);
        r->large = NULL; // finish has taken it, whatever became of it
    }
}

static void receive_write_done(uv_work_t *work, int status)
{
    struct receive *r = work->data;
    (void)status;
    buf_reset(&r->piece);
    if (why_is_set(&r->write_why) && !why_is_set(&r->why)) {
        r->why = r->write_why;
        receive_refuse(r);
    }
    account_held(r);
    r->done(r->done_arg);
}

void receive_write(struct receive *r, uv_loop_t *loop, bool last, receive_fn *done, void *arg)
{
    buf_move(&r->piece, &r->o.message->body);
    r->last = last;
    r->done = done;
    r->done_arg = arg;
    why_clear(&r->write_why);
    r->work.data = r;
    int rc = uv_queue_work(loop, &r->work, receive_write_work, receive_write_done);
    assert(rc == 0);
    (void)rc;
}

uint64_t receive_longest_line(const struct receive *r)
{
    return r->scan.longest;
}

uint64_t receive_bytes(const struct receive *r)
{
    return r->bytes;
}

int receive_fault(const struct receive *r, struct why *why)
{
    if (!why_is_set(&r->why))
        return 0;
    *why = r->why;
    return -1;
}

int receive_verdict(struct receive *r, struct why *why)
{
    struct message *m = r->o.message;
    receive_scan_end(&r->scan);
    note_scan_fault(r);
    if (!r->header_done && !why_is_set(&r->why)) // it ends without an empty line
        header_complete(r);
    m->env.eightbit = r->scan.eightbit;
    if (!r->large && !m->large)
        m->body_bytes = m->body.len;
    return receive_fault(r, why);
}

struct discard {
    uv_work_t work;
    struct spool *spool;
    struct spool_large *large;
    struct message *message; // names a finished file
    receive_fn *done;
    void *arg;
};

static void receive_discard_work(uv_work_t *work)
{
    struct discard *d = work->data;
    spool_large_abort(d->large);
    if (d->message)
        spool_large_discard(d->spool, d->message);
}

static void receive_discard_done(uv_work_t *work, int status)
{
    struct discard *d = work->data;
    (void)status;
    message_unref(d->message);
    d->done(d->arg);
    free(d);
}

bool receive_free(struct receive *r, bool stored, uv_loop_t *loop, receive_fn *done, void *arg)
{
    if (!r)
        return false;
    account(r, 0);
    bool file = r->large || (r->o.message->large && !stored);
    if (file) {
        struct discard *d = mem_new(sizeof *d);
        *d = (struct discard){
            .spool = r->o.relay->spool, .large = r->large, .done = done, .arg = arg};
        if (r->o.message->large && !stored)
            d->message = message_ref(r->o.message);
        d->work.data = d;
        int rc = uv_queue_work(loop, &d->work, receive_discard_work, receive_discard_done);
        assert(rc == 0);
        (void)rc;
    }
    buf_free(&r->piece);
    free(r);
    return file;
}
