// SPDX-License-Identifier: ISC
// One transaction of an outbound session: whom it is for, whether its answers can be believed, and what stands when
// it is over. A host whose replies are out of step (RFC 2920 section 3.2 counts them) has answered
// something else than was asked: none of it counts, and the host is asked one command at a time from then on.
#include "relay/deliver/steps_inside.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>
#include "relay/deliver/pool_speech.h"

enum said { SAID_MAIL, SAID_RCPT, SAID_FINAL };

bool deliver_utf8_local(const char *address)
{
    const char *at = strrchr(address, '@');
    for (const char *p = address; *p && p != at; p++)
        if ((unsigned char)*p > 127)
            return true;
    return false;
}

// A host that is out of step answers for one recipient, or for nobody.
static size_t batch_room(const struct deliver *d)
{
    uint64_t limit = d->link.c->ext.limit_rcpt; // RFC 9422
    if (pool_out_of_step(d->link.c))
        return 1;
    return limit && limit < d->batch_max ? limit : d->batch_max;
}

// There is one MAIL FROM in a transaction: who was given another waits for the next one.
static bool shares_return_path(const struct deliver *d, size_t n, const struct delivery_rcpt *r)
{
    return !n ||
           strcmp(d->rcpts[d->batch[0]]->recipient->return_path, r->recipient->return_path) == 0;
}

size_t deliver_transaction_begin(struct deliver *d)
{
    size_t max = batch_room(d), n = 0;
    deliver_transaction_end(d);
    for (size_t i = 0; i < d->nrcpts && n < max; i++) {
        struct delivery_rcpt *r = d->rcpts[i];
        if (r->standing != STANDING_OPEN || !shares_return_path(d, n, r))
            continue;
        // Those whose own name the host cannot take end here.
        if (deliver_utf8_local(r->recipient->address) && !d->link.c->ext.smtputf8) {
            struct why why;
            why_say(&why, HOST_NO_UTF8_ADDRESS);
            why_host(&why, d->link.c->host);
            struct attempt *attempt = deliver_attempt(d, NULL);
            deliver_refuse(r, &why, attempt);
            attempt_unref(attempt);
            continue;
        }
        d->batch[n++] = i;
    }
    return d->trans.nbatch = n;
}

// Whether an answer is what it seems

bool deliver_unasked(const struct deliver *d)
{
    return connection_unasked(d->link.c);
}

static uint64_t digest(const struct deliver *d)
{
    const struct smtp_reply *reply = &d->link.c->reply;
    return XXH3_64bits_withSeed(reply->text.data, reply->text.len, (uint64_t)reply->code);
}

// The reply has the address in its text.
static bool reply_names(const struct connection *c, const char *address)
{
    struct span text = buf_span(&c->reply.text);
    size_t n = strlen(address);
    for (size_t at = 0; n && at + n <= text.n; at++)
        if (strncasecmp((const char *)text.p + at, address, n) == 0)
            return true;
    return false;
}

static const char *transaction_sender(const struct deliver *d)
{
    return message_return_path(d->message, d->rcpts[d->batch[0]]->recipient);
}

void deliver_heard_add(struct deliver *d, size_t i)
{
    struct connection *c = d->link.c;
    d->heard[i] = digest(d);
    if (i > 0)
        return;
    d->trans.suspect |= d->heard[0] == c->said[SAID_FINAL];
    d->trans.sender_told = strncmp(c->reply.status, "2.1.", 4) == 0;
    d->trans.sender_named = reply_names(c, transaction_sender(d));
}

void deliver_said(struct deliver *d)
{
    struct connection *c = d->link.c;
    c->said[SAID_MAIL] = d->heard[0];
    c->said[SAID_RCPT] = d->heard[d->trans.nbatch];
    c->said[SAID_FINAL] = digest(d);
}

static bool names_a_recipient(const struct deliver *d)
{
    for (size_t i = 0; i < d->trans.nbatch; i++)
        if (reply_names(d->link.c, d->rcpts[d->batch[i]]->recipient->address))
            return true;
    return false;
}

bool deliver_addressed(const struct deliver *d)
{
    const struct smtp_reply *reply = &d->link.c->reply;
    return reply->code == 251 || reply->code == 252 || strncmp(reply->status, "2.1.", 4) == 0 ||
           names_a_recipient(d);
}

static bool looks_like_another(const struct deliver *d)
{
    const struct deliver_transaction *t = &d->trans;
    if (t->suspect || deliver_addressed(d))
        return true;
    uint64_t now = digest(d);
    const uint64_t *said = d->link.c->said; // in the transaction before
    if (now == said[SAID_MAIL] || now == said[SAID_RCPT])
        return true;
    for (size_t i = 0; i < t->answered; i++)
        if (d->heard[i] == now)
            return true;
    return false;
}

// Also that of the message behind: what it was answered may stand in the place of this one's answer.
static bool names_a_sender(const struct deliver *d)
{
    const struct deliver *behind = deliver_behind(d);
    return reply_names(d->link.c, transaction_sender(d)) ||
           (behind && reply_names(d->link.c, transaction_sender(behind)));
}

// The answer to a message that could be one to what was said behind it: RSET, or MAIL.
static bool mistakable(const struct deliver *d)
{
    const struct smtp_reply *reply = &d->link.c->reply;
    bool class = d->link.c->ext.enhanced;
    return looks_like_another(d) || pool_is_reset(d->link.c, digest(d)) || names_a_sender(d) ||
           (class && (!reply->status[0] || strncmp(reply->status + 1, ".1.", 3) == 0));
}

// Where the message follows its envelope there is no 354 between them that would show a reply too many. What looks
// like an answer to MAIL or RCPT is taken for one until the host has shown that it waits for a command. Where another
// message's commands are out already, that cannot be shown.
bool deliver_suspicious(const struct deliver *d)
{
    bool in_step = pool_out_of_step(d->link.c); // one command at a time
    if (deliver_shared(d))
        return mistakable(d);
    if (d->trans.way == WAY_DATA)
        return !in_step && strncmp(d->link.c->reply.status, "2.1.", 4) == 0;
    return looks_like_another(d);
}

// MAIL has an answer of its own class, or always the same one, whoever sends.
static bool is_told(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    return c->ext.enhanced ? d->trans.sender_told
                           : d->heard[0] == c->said[SAID_MAIL] && !d->trans.sender_named;
}

void deliver_clean(struct deliver *d)
{
    if (!d->trans.behind && !deliver_shared(d) && is_told(d) && !mistakable(d))
        pool_note_clean(d->link.c, d->trans.taken);
}

bool deliver_reset_heard(struct deliver *d)
{
    struct connection *c = d->link.c;
    uint64_t now = digest(d);
    if (now == c->said[SAID_FINAL]) { // it would pass for the answer to a message
        pool_unearn(c);
        return false;
    }
    bool same = pool_is_reset(c, now);
    pool_note_reset(c, now);
    return same;
}

// What the transaction's answers said is void.
static void forget_answers(struct deliver *d)
{
    for (size_t i = 0; i < d->trans.nbatch; i++) {
        struct delivery_rcpt *r = d->rcpts[d->batch[i]];
        delivery_attempt(r, NULL);
        r->standing = STANDING_OPEN;
    }
}

enum deliver_state deliver_out_of_step(struct deliver *d)
{
    struct why why;
    bool known = pool_out_of_step(d->link.c);
    pool_note_out_of_step(d->link.c);
    d->link.c->end = FLIGHT_ASTRAY;
    forget_answers(d);
    if (deliver_all_out(d)) {
        why_say(&why, OUT_OF_STEP_UNKNOWN);
        why_host(&why, d->link.c->host);
        return deliver_unknown(d, &why);
    }
    why_say(&why, OUT_OF_STEP);
    why_host(&why, d->link.c->host);
    return known ? deliver_next(d, &why, false) : deliver_again(d, &why);
}

// 503 says something else where nobody had been accepted: that there is no transaction.
bool deliver_chunking_refused(const struct deliver *d)
{
    int code = d->link.c->reply.code;
    return d->trans.way != WAY_DATA &&
           (code == 500 || code == 502 || (code == 503 && d->trans.taken));
}

enum deliver_state deliver_without_chunking(struct deliver *d)
{
    struct why why;
    pool_note_no_chunking(d->link.c);
    why_say(&why, CHUNKING_BROKEN);
    why_host(&why, d->link.c->host);
    char text[sizeof why.reply];
    why_reply(&why, smtp_reply_text(&d->link.c->reply, text, sizeof text));
    return deliver_again(d, &why);
}

// The end

void deliver_settle(struct deliver *d, const struct why *why, struct attempt *attempt)
{
    d->met.taken += !why;
    for (size_t i = 0; i < d->trans.nbatch; i++) {
        struct delivery_rcpt *r = d->rcpts[d->batch[i]];
        if (r->standing != STANDING_TAKEN)
            continue;
        if (why) {
            deliver_refuse(r, why, attempt);
            continue;
        }
        delivery_attempt(r, attempt);
        r->standing = STANDING_DELIVERED;
    }
}

// "Too many" counts as an answer only where somebody was taken before; else it is a temporary refusal.
static void sort_out(struct deliver *d)
{
    const struct deliver_transaction *t = &d->trans;
    if (!t->again)
        return;
    if (t->taken)
        d->batch_max = t->taken;
    for (size_t i = 0; i < t->nbatch; i++) {
        struct delivery_rcpt *r = d->rcpts[d->batch[i]];
        if (r->standing == STANDING_AGAIN)
            r->standing = t->taken ? STANDING_OPEN : STANDING_REFUSED;
    }
}

// MAIL was refused: for this host alone, or the message as such.
static enum deliver_state mail_was_refused(struct deliver *d, bool closed)
{
    struct verdict refused = d->trans.refused;
    attempt_ref(refused.attempt); // beyond the transaction
    enum deliver_state next = DELIVER_WAIT;
    if (refused.why.scope == WHY_HOST) {
        next = closed ? deliver_next(d, &refused.why, false) : deliver_quit_next(d, &refused.why);
        deliver_verdict(&d->last, &refused.why, attempt_ref(refused.attempt));
    } else {
        deliver_refuse_rest(d, &refused.why, refused.attempt);
    }
    attempt_unref(refused.attempt);
    return next;
}

// Before messages go out whole behind each other, what RSET is answered is to be known.
static bool wants_reset(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    return d->config->delivery.in_flight > 1 && pool_overlaps(d->link.c) && pool_takes_chunks(c) &&
           !pool_reset_known(c);
}

enum deliver_state deliver_transaction_over(struct deliver *d, enum deliver_after after)
{
    if (deliver_mail_refused(d)) {
        enum deliver_state next = mail_was_refused(d, after == AFTER_CLOSE);
        if (next != DELIVER_WAIT)
            return next;
    }
    sort_out(d);
    if (after == AFTER_DOUBT)
        return DELIVER_RSET; // which ends the transaction
    deliver_transaction_end(d);
    if (after == AFTER_CLOSE) {
        // After a 421 those behind hear the end of the connection, or their answers from a host that stays.
        deliver_drop(d, !deliver_shared(d) || d->state != DELIVER_FINAL);
        return DELIVER_ADDRESS;
    }
    d->link.c->dirty = !deliver_shared(d) && (after == AFTER_RESET || wants_reset(d));
    if (!deliver_somebody_open(d))
        return DELIVER_END; // whoever uses the connection next resets it
    if (!deliver_alone(d) || connection_spent(d->link.c)) {
        deliver_quit(d);
        deliver_drop(d, false);
        return DELIVER_POOL;
    }
    return d->link.c->dirty ? DELIVER_RSET : DELIVER_MAIL; // RFC 5321 section 4.1.1.5
}
