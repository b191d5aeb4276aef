// SPDX-License-Identifier: ISC
// The message of an outbound transaction and its end: DATA with stuffed dots (RFC 5321 section 4.5.2) or
// BDAT (RFC 3030), bodies from memory or from their file, and what the answers mean for each recipient.
#include "relay/deliver/inside.h"

#include <stdio.h>

static void deliver_data_put(void *to, const void *bytes, size_t n)
{
    stream_write(to, bytes, n);
}

static void write_piece(struct deliver *d, struct span piece)
{
    d->body_out += piece.n;
    if (d->bdat)
        stream_write(d->c->stream, piece.p, piece.n);
    else
        content_stuff(&d->stuffer, piece, deliver_data_put, d->c->stream);
}

static void end_body(struct deliver *d)
{
    if (!d->bdat)
        content_stuff_end(&d->stuffer, deliver_data_put, d->c->stream);
    content_reader_free(d->reader);
    d->reader = NULL;
}

static void deliver_data_large_read(const void *data, ssize_t n, const struct why *why, void *arg)
{
    struct deliver *d = arg;
    struct why short_file;
    d->reading = false;
    if (n == 0 || (n > 0 && (uint64_t)n > d->body_left))
        why_set(&short_file, WHY_OURS, "4.3.0", "the file of a large body changed its size");
    if (n <= 0 || (uint64_t)n > d->body_left) {
        // Half a message is out: only closing the connection keeps the host from taking it.
        deliver_refuse_rest(d, n < 0 ? why : &short_file);
        connection_close(d->c, true);
        d->c = NULL;
        deliver_continue(d, AT_END, NULL);
        return;
    }
    write_piece(d, span_of(data, (size_t)n));
    d->body_left -= (uint64_t)n;
    if (d->body_left) {
        deliver_body_go_on(d);
        return;
    }
    end_body(d); // at once: the answer to a BDAT may follow its last byte
    deliver_continue(d, AT_FINAL, NULL);
}

void deliver_body_go_on(struct deliver *d)
{
    if (d->at != AT_BODY || !d->reader || d->reading || !stream_ready(d->c->stream))
        return;
    // Progress: the deadline is for the next piece.
    stream_deadline(d->c->stream, d->config->delivery.command);
    d->reading = true;
    content_read(d->reader);
}

void deliver_begin_body(struct deliver *d)
{
    struct content_cursor cursor = {0};
    struct span piece;
    d->c->messages++;
    if (d->bdat)
        deliver_command(d, "BDAT %llu LAST\r\n", (unsigned long long)content_size(d->content));
    content_stuff_begin(&d->stuffer);
    d->body_out = 0;
    while (content_next(d->content, &cursor, &piece))
        write_piece(d, piece);
    if (!content_is_large(d->content)) {
        end_body(d);
        return;
    }
    content_reader_free(d->reader);
    d->body_left = d->message->body_bytes;
    d->reader = content_reader(d->order.worker, d->content, deliver_data_large_read, d);
}

enum moment deliver_body(struct deliver *d)
{
    deliver_begin_body(d);
    if (!d->reader)
        return AT_FINAL;
    deliver_body_go_on(d);
    return STAY;
}

enum moment deliver_data_heard(struct deliver *d)
{
    if (d->c->reply.code == 354) {
        if (d->taken && d->mail_taken)
            return AT_BODY;
        // RFC 2920 section 3.1: nobody was taken and the host wants data all the same: it gets an
        // empty message, whatever it answers to which is no success.
        stream_write(d->c->stream, ".\r\n", 3);
        return AT_FINAL;
    }
    if (!d->taken || !d->mail_taken)
        return deliver_transaction_over(d);
    if (d->c->reply.code < 400)
        return deliver_refused(d, MOMENT_DATA);
    struct why why;
    outcome_reply(&why, MOMENT_DATA, &d->c->reply, d->c->host);
    for (size_t i = 0; i < d->nbatch; i++)
        if (d->rcpts[d->batch[i]]->standing == STANDING_TAKEN)
            delivery_refuse(d->rcpts[d->batch[i]], &why);
    return deliver_transaction_over(d);
}

static void deliver_data_settle(struct deliver *d, const struct why *why)
{
    for (size_t i = 0; i < d->nbatch; i++) {
        struct delivery_rcpt *r = d->rcpts[d->batch[i]];
        if (r->standing != STANDING_TAKEN)
            continue;
        if (why)
            delivery_refuse(r, why);
        else
            r->standing = STANDING_DELIVERED;
    }
}

// The host answers while the message is still being sent: it has had enough, and is out of step. Not so
// where BDAT said how much there is and all of it is out: the end of the file was only not read yet.
enum moment deliver_body_heard(struct deliver *d)
{
    if (d->bdat && d->body_out == content_size(d->content)) {
        d->reading = false;
        end_body(d);
        return deliver_final_heard(d);
    }
    struct why why;
    outcome_reply(&why, MOMENT_FINAL, &d->c->reply, d->c->host);
    if (d->c->reply.code < 400)
        return deliver_next(d, &why, false);
    deliver_data_settle(d, &why);
    deliver_describe(d);
    connection_close(d->c, true);
    d->c = NULL;
    return deliver_transaction_over(d);
}

enum moment deliver_final_heard(struct deliver *d)
{
    const struct smtp_reply *reply = &d->c->reply;
    deliver_describe(d);
    if (reply->code >= 200 && reply->code < 300) {
        d->complete = true;
        if (d->taken && d->mail_taken) {
            smtp_reply_text(reply, d->attempt.reply, sizeof d->attempt.reply);
            smtp_reply_status(reply, d->attempt.status);
            deliver_data_settle(d, NULL);
        }
        return deliver_transaction_over(d);
    }
    if (d->taken && d->mail_taken) {
        struct why why;
        outcome_reply(&why, MOMENT_FINAL, reply, d->c->host);
        deliver_data_settle(d, &why);
    }
    if (reply->code == 421) {
        connection_close(d->c, true);
        d->c = NULL;
    }
    return deliver_transaction_over(d);
}

// "Too many" counts as an answer only where somebody was taken before; else it is a temporary refusal.
static void sort_out(struct deliver *d)
{
    if (!d->again)
        return;
    if (d->taken)
        d->batch_max = d->taken;
    for (size_t i = 0; i < d->nbatch; i++) {
        struct delivery_rcpt *r = d->rcpts[d->batch[i]];
        if (r->standing == STANDING_AGAIN)
            r->standing = d->taken ? STANDING_OPEN : STANDING_REFUSED;
    }
}

static bool somebody_open(const struct deliver *d)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i]->standing == STANDING_OPEN)
            return true;
    return false;
}

enum moment deliver_transaction_over(struct deliver *d)
{
    if (!d->mail_taken) {
        // The answer to the message may have been 421: then there is nobody left to take leave of.
        if (d->mail_why.scope == WHY_HOST)
            return d->c ? deliver_quit_next(d, &d->mail_why) : deliver_next(d, &d->mail_why, false);
        if (d->c)
            deliver_describe(d);
        deliver_refuse_rest(d, &d->mail_why);
    }
    sort_out(d);
    if (!d->c) {
        d->no_pool = true;
        return somebody_open(d) ? AT_ADDRESS : AT_END;
    }
    deliver_describe(d);
    if (!d->complete)
        return AT_RSET; // RFC 5321 section 4.1.1.5: the next transaction begins clean
    return somebody_open(d) ? AT_MAIL : AT_END;
}

enum moment deliver_rset_heard(struct deliver *d)
{
    int code = d->c->reply.code;
    if (code >= 200 && code < 300)
        return somebody_open(d) ? AT_MAIL : AT_END;
    connection_close(d->c, code == 421);
    d->c = NULL;
    d->no_pool = true;
    return somebody_open(d) ? AT_ADDRESS : AT_END;
}
