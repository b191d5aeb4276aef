// SPDX-License-Identifier: ISC
// The message of an outbound transaction and its end: DATA with stuffed dots (RFC 5321 section 4.5.2) or
// BDAT (RFC 3030), bodies from memory or from their file, and what the answers mean for each recipient.
//
// A host that offers CHUNKING, does not know BDAT and leaves the chunk unread takes the body for commands. Until it
// has taken one, its first chunk is our own lines alone, and the rest waits for their answer.
#include "relay/deliver/steps_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/deliver/pool_speech.h"

static void data_put(void *to, const void *bytes, size_t n)
{
    stream_write(to, bytes, n);
}

static void write_piece(struct deliver *d, struct span piece)
{
    d->trans.body_out += piece.n;
    if (d->trans.way == WAY_DATA)
        content_stuff(&d->trans.stuffer, piece, data_put, d->link.c->stream);
    else
        stream_write(d->link.c->stream, piece.p, piece.n);
}

static void end_body(struct deliver *d)
{
    if (d->trans.way == WAY_DATA)
        content_stuff_end(&d->trans.stuffer, data_put, d->link.c->stream);
    content_reader_free(d->trans.reader);
    d->trans.reader = NULL;
    if (d->order.sent)
        d->order.sent(d->order.arg);
}

static void data_on_read(const void *data, ssize_t n, const struct why *why, void *arg)
{
    struct deliver *d = arg;
    struct deliver_transaction *t = &d->trans;
    struct why short_file;
    if (n == 0 || (n > 0 && (uint64_t)n > t->body_left))
        why_say(&short_file, BODY_CHANGED_SIZE);
    if (n <= 0 || (uint64_t)n > t->body_left) {
        // Half a message is out: only closing the connection keeps the host from taking it.
        deliver_drop(d, true);
        deliver_refuse_rest(d, n < 0 ? why : &short_file, NULL);
        d->resume(d, DELIVER_END, NULL);
        return;
    }
    write_piece(d, span_of(data, (size_t)n));
    t->body_left -= (uint64_t)n;
    if (t->body_left) {
        deliver_body_go_on(d);
        return;
    }
    end_body(d); // at once: the answer to a BDAT may follow its last byte
    d->resume(d, DELIVER_FINAL, NULL);
}

void deliver_body_go_on(struct deliver *d)
{
    struct content_reader *reader = d->trans.reader;
    if (d->state != DELIVER_BODY || !reader || content_reading(reader) ||
        !stream_ready(d->link.c->stream))
        return;
    // Progress: the deadline is for the next piece.
    stream_deadline(d->link.c->stream, d->config->delivery.command);
    content_read(reader);
}

// Writes what is in memory; a large body is read from its file afterwards.
static void begin_body(struct deliver *d)
{
    struct deliver_transaction *t = &d->trans;
    struct content_cursor cursor = {0};
    struct span piece;
    uint64_t before = t->body_out; // the prefix has gone ahead
    if (t->way == WAY_PREFIX)
        t->way = WAY_BDAT;
    d->link.c->messages++;
    if (t->way == WAY_BDAT)
        deliver_command(d, "BDAT %llu LAST\r\n",
                        (unsigned long long)(content_size(d->content) - before));
    else
        content_stuff_begin(&t->stuffer);
    if (before)
        content_next(d->content, &cursor, &piece);
    while (content_next(d->content, &cursor, &piece))
        write_piece(d, piece);
    if (!content_is_large(d->content)) {
        end_body(d);
        return;
    }
    t->body_left = d->message->body_bytes;
    t->reader = content_reader(d->order.worker, d->content, data_on_read, d);
}

enum deliver_state deliver_early_body(struct deliver *d)
{
    begin_body(d);
    return DELIVER_WAIT;
}

enum deliver_state deliver_body(struct deliver *d)
{
    begin_body(d);
    if (!d->trans.reader)
        return DELIVER_FINAL;
    deliver_body_go_on(d);
    return DELIVER_WAIT;
}

enum deliver_state deliver_prefix(struct deliver *d)
{
    struct content_cursor cursor = {0};
    struct span piece;
    bool some = content_next(d->content, &cursor, &piece);
    if (!some)
        return DELIVER_BODY;
    deliver_command(d, "BDAT %zu\r\n", piece.n);
    write_piece(d, piece);
    return DELIVER_WAIT;
}

// The host refused the message, or its first part.
static enum deliver_state refused(struct deliver *d, enum smtp_stage stage,
                                  enum deliver_after after)
{
    struct why why;
    outcome_reply(&why, stage, &d->link.c->reply, d->link.c->host);
    struct attempt *attempt = deliver_attempt_heard(d);
    deliver_settle(d, &why, attempt);
    attempt_unref(attempt);
    return deliver_transaction_over(d, after);
}

enum deliver_state deliver_prefix_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    if (deliver_chunking_refused(d))
        return deliver_without_chunking(d);
    if ((code < 400 && code != 250) || deliver_unasked(d))
        return deliver_out_of_step(d);
    if (code >= 400)
        return refused(d, STAGE_BDAT, AFTER_DOUBT);
    bool doubtful = deliver_suspicious(d);
    deliver_heard_add(d, d->trans.answered++);
    if (doubtful) {
        d->trans.suspect = true;
        return DELIVER_PROBE;
    }
    pool_note_chunks(d->link.c);
    return DELIVER_BODY;
}

enum deliver_state deliver_probe(struct deliver *d)
{
    deliver_command(d, "NOOP\r\n");
    return DELIVER_WAIT;
}

// If the answer before was another's, this one is the chunk's: a success either way shows that it was taken.
enum deliver_state deliver_probe_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    if (deliver_chunking_refused(d))
        return deliver_without_chunking(d);
    if (code < 200 || code >= 300 || deliver_unasked(d))
        return deliver_out_of_step(d);
    return DELIVER_BODY;
}

enum deliver_state deliver_data_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    bool asked = d->trans.taken > 0;
    // One command at a time, a success is no answer to DATA but one too many to what was before.
    if (code < 300 && pool_out_of_step(d->link.c))
        return DELIVER_WAIT;
    if (deliver_unasked(d) || (code < 400 && code != 354))
        return deliver_out_of_step(d);
    if (code == 354 && asked)
        return DELIVER_BODY;
    if (code == 354) {
        // RFC 2920 section 3.1: nobody was taken and the host wants data all the same: it gets an
        // empty message, whatever it answers to which is no success.
        stream_write(d->link.c->stream, ".\r\n", 3);
        return DELIVER_FINAL;
    }
    if (!asked)
        return deliver_transaction_over(d, AFTER_RESET);
    // Pipelined, it may be the answer to the last RCPT after one too many: the RSET will tell.
    return refused(d, STAGE_DATA, d->link.c->ext.pipelining ? AFTER_DOUBT : AFTER_RESET);
}

// The host answers while the message is still being sent: it has had enough.
enum deliver_state deliver_body_reply(struct deliver *d)
{
    if (deliver_chunking_refused(d))
        return deliver_without_chunking(d);
    if (d->link.c->reply.code < 400)
        return deliver_out_of_step(d);
    return refused(d, STAGE_FINAL, AFTER_CLOSE);
}

// Nobody was taken: only what the host does next matters.
static enum deliver_state nobodys_answer(struct deliver *d)
{
    int code = d->link.c->reply.code;
    // A BDAT that is taken for nobody is the answer to something else.
    if (code < 400 && d->trans.way != WAY_DATA && !deliver_mail_refused(d))
        return deliver_out_of_step(d);
    if (code == 421)
        return deliver_transaction_over(d, AFTER_CLOSE);
    return deliver_transaction_over(d, code < 300 ? AFTER_CLEAN : AFTER_RESET);
}

// One command at a time, and 354 before the dot: the first answer is the message's, and those behind it change
// nothing where they say the same.
static bool repeated(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    const struct buf *in = stream_input(c->stream);
    return d->trans.way == WAY_DATA && d->trans.nbatch == 1 && pool_out_of_step(c) &&
           in->len >= 3 && in->data[0] == '0' + c->reply.code / 100 &&
           in->data[1] == '0' + c->reply.code / 10 % 10 && in->data[2] == '0' + c->reply.code % 10;
}

static enum deliver_state accepted(struct deliver *d, struct attempt *attempt,
                                   enum deliver_after after)
{
    if (d->trans.way == WAY_BDAT)
        pool_note_chunks(d->link.c); // which a probe could not say
    deliver_settle(d, NULL, attempt);
    return deliver_transaction_over(d, after);
}

// A refusal about an address (RFC 3463 section 3.2) is the answer to what was said behind the message.
static bool strays(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    return c->ext.enhanced && c->reply.status[0] && strncmp(c->reply.status + 1, ".1.", 3) == 0;
}

enum deliver_state deliver_final_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    bool shared = deliver_shared(d); // then what is there answers the next message's commands
    bool surplus = !shared && deliver_unasked(d), same = surplus && repeated(d);
    if ((surplus && !same) || (code >= 300 && code < 400) || (shared && strays(d)))
        return deliver_out_of_step(d);
    if (!d->trans.taken)
        return nobodys_answer(d);
    if (deliver_chunking_refused(d))
        return deliver_without_chunking(d);
    if (code >= 400)
        return refused(d, STAGE_FINAL, code == 421 || same ? AFTER_CLOSE : AFTER_RESET);
    // Where the answers may be shifted, which recipient was refused is not known either.
    bool doubtful = deliver_suspicious(d);
    if (doubtful && (shared || d->trans.taken < d->trans.nbatch))
        return deliver_out_of_step(d);
    struct attempt *attempt = deliver_attempt_heard(d);
    if (doubtful) {
        d->trans.final = attempt;
        return DELIVER_CONFIRM;
    }
    deliver_clean(d);
    deliver_said(d);
    enum deliver_state next = accepted(d, attempt, same ? AFTER_CLOSE : AFTER_CLEAN);
    attempt_unref(attempt);
    return next;
}

enum deliver_state deliver_confirm(struct deliver *d)
{
    deliver_command(d, "RSET\r\n");
    return DELIVER_WAIT;
}

// The host waits for commands, and its answers cannot be told apart: from now on 354 does it. The connection may be
// a reply behind.
enum deliver_state deliver_confirm_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    if (code != 250 || deliver_unasked(d) || deliver_addressed(d)) // RFC 5321 section 4.3.2
        return deliver_out_of_step(d);
    deliver_settle(d, NULL, d->trans.final);
    pool_note_no_chunking(d->link.c);
    return deliver_transaction_over(d, AFTER_CLOSE);
}
