// SPDX-License-Identifier: ISC
// The bytes of a message on their way out. Owns them while they are in memory; never edits them.
#include "relay/deliver/content.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/spool/spool.h"
#include "relay/worker/worker.h"

struct content {
    atomic_uint refs;
    struct relay *relay;
    struct message *message; // for the ranges left out and the name of the large file
    struct buf prefix, header, body;
    int64_t counted; // bytes added to counters.memory_now
};

// A message counts as forgotten once its bytes are here; its sizes stay known.
static struct content *deliver_content_take(struct relay *relay, struct message *from,
                                            struct message *of)
{
    struct content *c = mem_new(sizeof *c);
    atomic_init(&c->refs, 1);
    c->relay = relay;
    c->message = message_ref(of);
    from->prefix_bytes = from->prefix.len;
    from->header_bytes = from->header.len;
    if (!from->large)
        from->body_bytes = from->body.len;
    buf_move(&c->prefix, &from->prefix);
    buf_move(&c->header, &from->header);
    buf_move(&c->body, &from->body);
    from->in_memory = false;
    c->counted = (int64_t)(c->prefix.cap + c->header.cap + c->body.cap);
    atomic_fetch_add_explicit(&relay->counters.memory_now, c->counted, memory_order_relaxed);
    return c;
}

struct content *content_take(struct relay *relay, struct message *m)
{
    assert(m->in_memory);
    return deliver_content_take(relay, m, m);
}

struct content *content_ref(struct content *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void content_unref(struct content *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    atomic_fetch_sub_explicit(&c->relay->counters.memory_now, c->counted, memory_order_relaxed);
    buf_free(&c->prefix);
    buf_free(&c->header);
    buf_free(&c->body);
    message_unref(c->message);
    free(c);
}

uint64_t content_size(const struct content *c)
{
    uint64_t n = c->prefix.len + c->header.len;
    for (size_t i = 0; i < c->message->nleft_out; i++)
        n -= c->message->left_out[i].end - c->message->left_out[i].start;
    return n + (c->message->large ? c->message->body_bytes : c->body.len);
}

uint64_t content_own(const struct content *c)
{
    return c->prefix.len;
}

bool content_is_large(const struct content *c)
{
    return c->message->large;
}

enum { STAGE_PREFIX, STAGE_HEADER, STAGE_BODY, STAGE_END };

// The run of header behind the i-th range left out (0: before the first).
static struct span header_run(const struct content *c, size_t i)
{
    const struct message *m = c->message;
    size_t start = i ? m->left_out[i - 1].end : 0;
    size_t end = i < m->nleft_out ? m->left_out[i].start : c->header.len;
    assert(start <= end && end <= c->header.len);
    return span_slice(buf_span(&c->header), start, end);
}

bool content_next(const struct content *c, struct content_cursor *cursor, struct span *piece)
{
    while (cursor->stage < STAGE_END) {
        if (cursor->stage == STAGE_HEADER && cursor->range <= c->message->nleft_out) {
            *piece = header_run(c, cursor->range++);
        } else {
            *piece = cursor->stage == STAGE_PREFIX ? buf_span(&c->prefix)
                     : cursor->stage == STAGE_BODY ? buf_span(&c->body)
                                                   : span_of("", 0);
            cursor->stage++;
        }
        if (piece->n)
            return true;
    }
    return false;
}

int content_header(const struct content *c, struct buf *out)
{
    struct content_cursor cursor = {0};
    struct span piece;
    int rc = 0;
    while (cursor.stage <= STAGE_HEADER && content_next(c, &cursor, &piece)) {
        if (cursor.stage > STAGE_BODY) // content_next skipped on to the body
            break;
        rc |= buf_addspan(out, piece);
    }
    return rc;
}

struct content_load {
    uv_work_t work;
    struct worker *worker;
    struct message *message, *twin;
    content_fn *fn;
    void *arg;
    bool cancelled, header_alone;
    int rc;
    struct why why;
};

static void content_load_work(uv_work_t *work)
{
    struct content_load *load = work->data;
    struct spool *spool = load->worker->relay->spool;
    load->rc = load->header_alone ? spool_load_header(spool, load->twin)
                                  : spool_load(spool, load->twin, &load->why);
}

static void content_load_done(uv_work_t *work, int status)
{
    struct content_load *load = work->data;
    if (status < 0)
        load->rc = why_say(&load->why, SPOOL_CUT_SHORT);
    struct content *c = load->rc == 0 && !load->cancelled
                            ? deliver_content_take(load->worker->relay, load->twin, load->message)
                            : NULL;
    if (!load->cancelled)
        load->fn(c, c ? NULL : &load->why, load->arg);
    worker_busy(load->worker, -1);
    message_unref(load->twin);
    message_unref(load->message);
    free(load);
}

static struct content_load *content_start(struct worker *worker, struct message *m,
                                          bool header_alone, content_fn *fn, void *arg)
{
    struct content_load *load = mem_new(sizeof *load);
    load->work.data = load;
    load->worker = worker;
    load->message = message_ref(m);
    // The message is shared with other threads, so the bytes come back into a twin of it.
    load->twin = message_twin(m);
    load->fn = fn;
    load->arg = arg;
    load->header_alone = header_alone;
    worker_busy(worker, 1); // the spool must stay open until it is read
    int rc = uv_queue_work(&worker->loop, &load->work, content_load_work, content_load_done);
    assert(rc == 0);
    return load;
}

struct content_load *content_load(struct worker *worker, struct message *m, content_fn *fn,
                                  void *arg)
{
    return content_start(worker, m, false, fn, arg);
}

struct content_load *content_load_header(struct worker *worker, struct message *m, content_fn *fn,
                                         void *arg)
{
    return content_start(worker, m, true, fn, arg);
}

void content_load_cancel(struct content_load *load)
{
    if (load)
        load->cancelled = true;
}

struct content_reader {
    uv_work_t work;
    struct worker *worker;
    struct content *content;
    content_read_fn *fn;
    void *arg;
    uint64_t offset;
    ssize_t n;
    bool busy, freed;
    struct why why;
    unsigned char *chunk;
};

struct content_reader *content_reader(struct worker *worker, struct content *c, content_read_fn *fn,
                                      void *arg)
{
    struct content_reader *r = mem_new(sizeof *r);
    r->work.data = r;
    r->worker = worker;
    r->content = content_ref(c);
    r->fn = fn;
    r->arg = arg;
    r->chunk = mem_new(CONTENT_CHUNK);
    return r;
}

static void reader_release(struct content_reader *r)
{
    content_unref(r->content);
    free(r->chunk);
    free(r);
}

static void content_read_work(uv_work_t *work)
{
    struct content_reader *r = work->data;
    r->n = spool_read_large(r->content->relay->spool, r->content->message, r->offset, r->chunk,
                            CONTENT_CHUNK, &r->why);
}

static void content_read_done(uv_work_t *work, int status)
{
    struct content_reader *r = work->data;
    r->busy = false;
    worker_busy(r->worker, -1);
    if (r->freed) {
        reader_release(r);
        return;
    }
    if (status < 0)
        r->n = why_say(&r->why, SPOOL_CUT_SHORT);
    if (r->n > 0)
        r->offset += (uint64_t)r->n;
    r->fn(r->chunk, r->n, r->n < 0 ? &r->why : NULL, r->arg);
}

void content_read(struct content_reader *r)
{
    assert(!r->busy);
    r->busy = true;
    worker_busy(r->worker, 1);
    int rc = uv_queue_work(&r->worker->loop, &r->work, content_read_work, content_read_done);
    assert(rc == 0);
}

bool content_reading(const struct content_reader *r)
{
    return r->busy;
}

void content_reader_free(struct content_reader *r)
{
    if (!r)
        return;
    if (r->busy)
        r->freed = true; // the thread pool still writes into it
    else
        reader_release(r);
}

void content_stuff_begin(struct content_stuffer *s)
{
    s->last[0] = '\r';
    s->last[1] = '\n';
}

void content_stuff(struct content_stuffer *s, struct span piece, content_put *put, void *to)
{
    if (!piece.n)
        return;
    const unsigned char *start = piece.p, *end = piece.p + piece.n, *p = piece.p;
    if (*p == '.' && s->last[1] == '\n')
        put(to, ".", 1);
    // Only a dot behind a line end matters; everything between two of them goes in one run.
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
        if (++p == end || *p != '.')
            continue;
        put(to, start, (size_t)(p - start));
        put(to, ".", 1);
        start = p;
    }
    put(to, start, (size_t)(end - start));
    s->last[0] = piece.n > 1 ? end[-2] : s->last[1];
    s->last[1] = end[-1];
}

void content_stuff_end(struct content_stuffer *s, content_put *put, void *to)
{
    if (s->last[0] != '\r' || s->last[1] != '\n')
        put(to, "\r\n", 2);
    put(to, ".\r\n", 3);
}
