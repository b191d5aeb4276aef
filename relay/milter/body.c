// SPDX-License-Identifier: ISC
// Bodies on their way: one that a filter makes, taken in as a client's is (relay/ingest/receive.h), and large ones read
// back from their files. The pool's work on a body that nobody wants any more ends by itself.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/milter/inside.h"

// ---- one that a filter makes

struct milter_body {
    struct worker *worker;
    struct message *message; // whose body it is
    struct receive *receive;
    struct body_hashes *hashes;
    void (*done)(void *arg); // a write is under way; NULL: none
    void *arg;
    bool unwanted;
};

static int milter_body_begins(void *arg, struct body_hashes **hashes, struct why *why)
{
    struct milter_body *body = arg;
    body->hashes = body_hashes_new();
    if (body_hashes_want(body->hashes, CANON_RELAXED, CANON_NO_LIMIT) < 0)
        return why_set(why, WHY_OURS, "4.3.0", "too many body hashes");
    *hashes = body->hashes;
    return 0;
}

struct milter_body *milter_body_new(const struct milter_client *client)
{
    struct milter_body *body = mem_new(sizeof *body);
    body->worker = client->worker;
    body->message = message_new();
    struct receive_options options = {
        .relay = client->worker->relay,
        .message = body->message,
        .limits = &client->config->limits,
        .chunks = true,
        .fix_bare_lf = true, // filters speak of lines as programs do
        .header = milter_body_begins,
        .arg = body,
    };
    body->receive = receive_new(&options);
    receive_chunk(body->receive, span_text("\r\n")); // no header: what follows is body
    return body;
}

int milter_body_add(struct milter_body *body, struct span piece, struct why *why)
{
    receive_chunk(body->receive, piece);
    return receive_fault(body->receive, why);
}

bool milter_body_must_write(const struct milter_body *body)
{
    return receive_must_write(body->receive);
}

int milter_body_check(struct milter_body *body, struct why *why)
{
    return receive_verdict(body->receive, why);
}

bool milter_body_has_file(const struct milter_body *body)
{
    return receive_has_file(body->receive);
}

static void milter_body_forgotten(void *arg)
{
    struct worker *worker = arg;
    worker_busy(worker, -1);
}

static void body_release(struct milter_body *body)
{
    struct worker *worker = body->worker;
    if (receive_free(body->receive, false, &worker->loop, milter_body_forgotten, worker))
        worker_busy(worker, 1); // a file is being removed
    message_unref(body->message);
    body_hashes_free(body->hashes);
    free(body);
}

static void milter_body_written(void *arg)
{
    struct milter_body *body = arg;
    void (*done)(void *) = body->done;
    body->done = NULL;
    worker_busy(body->worker, -1);
    if (body->unwanted)
        body_release(body);
    else
        done(body->arg);
}

void milter_body_write(struct milter_body *body, bool last, void (*done)(void *arg), void *arg)
{
    assert(!body->done);
    body->done = done;
    body->arg = arg;
    worker_busy(body->worker, 1);
    receive_write(body->receive, &body->worker->loop, last, milter_body_written, body);
}

const struct message *milter_body_message(const struct milter_body *body)
{
    return body->message;
}

// Each gets what the other had, so that the file of the old one goes with this body.
struct body_hashes *milter_body_take(struct milter_body *body, struct message *m, uint64_t *longest)
{
    struct message *from = body->message;
    struct buf bytes = m->body;
    m->body = from->body;
    from->body = bytes;
    char *large = m->large;
    m->large = from->large;
    from->large = large;
    memcpy(m->large_sum, from->large_sum, sizeof m->large_sum);
    m->body_bytes = from->body_bytes;
    m->env.eightbit = m->env.utf8_header || from->env.eightbit;
    *longest = receive_longest_line(body->receive);
    struct body_hashes *hashes = body->hashes;
    body->hashes = NULL;
    body_hashes_finish(hashes);
    return hashes;
}

void milter_body_free(struct milter_body *body)
{
    if (!body)
        return;
    body->unwanted = true;
    if (!body->done)
        body_release(body);
}

// ---- reading

struct milter_reading {
    uv_work_t work;
    struct worker *worker;
    struct message
        *message; // no more than the file's name and size: the message itself may go meanwhile
    uint64_t offset;
    unsigned char *bytes;
    ssize_t n;
    struct why why;
    milter_read_fn *done; // NULL: nobody waits for it
    void *arg;
};

static void milter_body_read_work(uv_work_t *work)
{
    struct milter_reading *job = work->data;
    job->n = spool_read_large(job->worker->relay->spool, job->message, job->offset, job->bytes,
                              MILTER_READ, &job->why);
    if (job->n == 0)
        job->n =
            why_set(&job->why, WHY_OURS, "4.3.0", "the stored body of the message is cut short");
}

static void milter_body_read_done(uv_work_t *work, int status)
{
    struct milter_reading *job = work->data;
    (void)status;
    worker_busy(job->worker, -1);
    if (job->done)
        job->done(span_of(job->bytes, job->n < 0 ? 0 : (size_t)job->n),
                  job->n < 0 ? &job->why : NULL, job->arg);
    message_unref(job->message);
    free(job->bytes);
    free(job);
}

struct milter_reading *milter_read(const struct milter_client *client,
                                   const struct message *message, uint64_t offset,
                                   milter_read_fn *done, void *arg)
{
    struct milter_reading *job = mem_new(sizeof *job);
    job->worker = client->worker;
    job->message = message_new();
    job->message->large = mem_dup(message->large);
    job->message->body_bytes = message->body_bytes;
    job->offset = offset;
    job->bytes = mem_new(MILTER_READ);
    job->done = done;
    job->arg = arg;
    job->work.data = job;
    worker_busy(client->worker, 1);
    int rc = uv_queue_work(&client->worker->loop, &job->work, milter_body_read_work,
                           milter_body_read_done);
    assert(rc == 0);
    (void)rc;
    return job;
}

void milter_read_cancel(struct milter_reading *job)
{
    if (job)
        job->done = NULL;
}
