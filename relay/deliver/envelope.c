// SPDX-License-Identifier: ISC
// The envelope of an outbound transaction: MAIL, RCPT and DATA, in one write where the host takes pipelining
// (RFC 2920), with a cursor for what was written and one for what was answered. What the host must be
// able to do for this message is checked first (RFC 1870, 6152, 6531, 3461, 8689).
#include "relay/deliver/steps_inside.h"

#include <stdio.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/deliver/pool_speech.h"

static bool ascii(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] > 127)
            return false;
    return true;
}

static size_t local_part(const char *address)
{
    const char *at = strrchr(address, '@');
    return at ? (size_t)(at - address) : strlen(address);
}

// The message itself, not a recipient's name, needs SMTPUTF8 (RFC 6531 section 3.4).
static bool needs_utf8(const struct envelope *env)
{
    return env->utf8_header || deliver_utf8_local(env->from);
}

// That of the recipients of this transaction, who share one (relay/deliver/transaction.c).
static const char *envelope_return_path(const struct deliver *d)
{
    return message_return_path(d->message, d->rcpts[d->batch[0]]->recipient);
}

// A binary message cannot go by DATA (RFC 3030 section 3), nor its own lines go ahead where there are none.
static bool takes_binary(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    return c->ext.binarymime && c->ext.chunking && !pool_no_chunking(c) &&
           (content_own(d->content) || pool_takes_chunks(c));
}

// Whoever hands mail in is told beforehand, next time (relay/preflight/preflight.h).
static void envelope_learn_size(const struct deliver *d)
{
    const struct smtp_extensions *ext = &d->link.c->ext;
    sizes_learn(&d->order.worker->relay->sizes, d->rcpts[0]->recipient->domain,
                ext->size ? ext->size_max : 0);
}

static int envelope_fits(const struct deliver *d, struct why *why)
{
    const struct smtp_extensions *ext = &d->link.c->ext;
    const struct envelope *env = &d->message->env;
    int rc = 0;
    uint64_t size = content_size(d->content);
    if (env->requiretls && !env->dsn && !ext->requiretls)
        rc = why_say(why, REQUIRETLS_NOT_OFFERED);
    else if (ext->size && ext->size_max && size > ext->size_max)
        rc = why_say(why, HOST_SIZE, (unsigned long long)size, (unsigned long long)ext->size_max);
    else if (env->body == BODY_BINARYMIME && !takes_binary(d))
        rc = why_say(why, HOST_NO_BINARY);
    else if (env->eightbit && !ext->eightbitmime && !ext->smtputf8)
        rc = why_say(why, HOST_NO_8BIT);
    else if (needs_utf8(env) && !ext->smtputf8)
        rc = why_say(why, HOST_NO_UTF8);
    if (rc < 0)
        why_host(why, d->link.c->host);
    return rc;
}

// RFC 3461 section 4: what xtext may not carry becomes +XX.
static void add_xtext(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const void *)text; *p; p++) {
        if (*p > 32 && *p < 127 && *p != '+' && *p != '=')
            buf_addc(out, (char)*p);
        else
            buf_addf(out, "+%02X", *p);
    }
}

// An IDN domain goes out as its A-label, which every host takes (case 43).
static void add_path(struct buf *out, const char *address)
{
    size_t n = local_part(address);
    buf_addc(out, '<');
    buf_add(out, address, n);
    if (address[n]) {
        char alabel[IDN_NAME];
        const char *domain = address + n + 1;
        if (!ascii(domain, strlen(domain)) && idn_to_ascii(domain, alabel) == 0)
            domain = alabel;
        buf_addc(out, '@');
        buf_adds(out, domain);
    }
    buf_addc(out, '>');
}

static void add_mail(struct deliver *d)
{
    const struct smtp_extensions *ext = &d->link.c->ext;
    const struct envelope *env = &d->message->env;
    struct buf *out = &d->out;
    buf_adds(out, "MAIL FROM:");
    add_path(out, envelope_return_path(d));
    if (ext->size)
        buf_addf(out, " SIZE=%llu", (unsigned long long)content_size(d->content));
    if (env->body == BODY_BINARYMIME)
        buf_adds(out, " BODY=BINARYMIME");
    else if (env->eightbit && ext->eightbitmime)
        buf_adds(out, " BODY=8BITMIME");
    bool utf8 = needs_utf8(env);
    for (size_t i = 0; i < d->trans.nbatch; i++)
        utf8 |= deliver_utf8_local(d->rcpts[d->batch[i]]->recipient->address);
    if (utf8 && ext->smtputf8)
        buf_adds(out, " SMTPUTF8");
    if (ext->dsn && env->ret != RET_UNSET)
        buf_adds(out, env->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (ext->dsn && env->envid[0]) {
        buf_adds(out, " ENVID=");
        add_xtext(out, env->envid);
    }
    // RFC 8689 section 2: only over TLS; a DSN asks where it can and does without elsewhere.
    if (env->requiretls && ext->requiretls && stream_is_secure(d->link.c->stream))
        buf_adds(out, " REQUIRETLS");
    buf_adds(out, "\r\n");
}

static void add_notify(struct buf *out, unsigned notify)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {{NOTIFY_NEVER, "NEVER"},
                 {NOTIFY_SUCCESS, "SUCCESS"},
                 {NOTIFY_FAILURE, "FAILURE"},
                 {NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (notify & words[i].bit) {
            buf_addf(out, "%s%s", before, words[i].word);
            before = ",";
        }
}

static void add_rcpt(struct deliver *d, const struct recipient *r)
{
    struct buf *out = &d->out;
    buf_adds(out, "RCPT TO:");
    add_path(out, r->address);
    if (d->link.c->ext.dsn) {
        add_notify(out, r->notify);
        const char *address = r->orcpt ? strchr(r->orcpt, ';') : NULL;
        if (address) {
            buf_addf(out, " ORCPT=%.*s;", (int)(address - r->orcpt), r->orcpt);
            add_xtext(out, address + 1);
        }
    }
    buf_adds(out, "\r\n");
}

// Commands in order: 0 MAIL, 1..n RCPT, n+1 DATA (none with BDAT, whose body follows instead).
static void write_envelope(struct deliver *d)
{
    struct deliver_transaction *t = &d->trans;
    bool pipelining = d->link.c->ext.pipelining && !pool_out_of_step(d->link.c);
    buf_reset(&d->out);
    size_t commands = 1 + t->nbatch + (t->way == WAY_DATA ? 1 : 0);
    while (t->written < commands && (pipelining || t->written == t->answered)) {
        if (t->written == 0)
            add_mail(d);
        else if (t->written <= t->nbatch)
            add_rcpt(d, d->rcpts[d->batch[t->written - 1]]->recipient);
        else if (pipelining || t->taken)
            buf_adds(&d->out, "DATA\r\n");
        else
            break; // nobody to send to, and no need to ask
        t->written++;
    }
    if (d->out.len)
        stream_write(d->link.c->stream, d->out.data, d->out.len);
}

// BDAT where it is offered and works; DATA for a host that is out of step, since its 354 brings it into step.
static enum deliver_way way(const struct deliver *d)
{
    const struct connection *c = d->link.c;
    bool binary = d->message->env.body == BODY_BINARYMIME;
    if (!c->ext.chunking || pool_no_chunking(c) || (pool_out_of_step(c) && !binary))
        return WAY_DATA;
    if (pool_takes_chunks(c))
        return WAY_BDAT;
    return content_own(d->content) ? WAY_PREFIX : WAY_DATA;
}

#define PEER_FRESH_MS 1000 // who answered so lately is not gone

// A connection that has idled may have no peer any more: then the body would be sent for nothing and its fate unknown.
static bool peer_is_there(const struct deliver *d)
{
    struct connection *c = d->link.c;
    if (!d->link.pooled || d->link.replies || !deliver_hears(d))
        return true;
    return clock_mono_ms() - c->used_ms < PEER_FRESH_MS && pool_clean(c);
}

// A small body may ride along: one round trip for the whole message.
static bool rides(const struct deliver *d, enum deliver_way by)
{
    const struct connection *c = d->link.c;
    return by == WAY_BDAT && c->ext.pipelining && !pool_out_of_step(c) &&
           !content_is_large(d->content) && content_size(d->content) <= DELIVER_EARLY_BODY &&
           peer_is_there(d);
}

// Between two commands, with nothing asked, nothing may be there. What a host that is out of step said too much
// is thrown away; any other begins anew as one that is.
static bool in_step(struct deliver *d)
{
    struct connection *c = d->link.c;
    bool asked = d->trans.written > d->trans.answered || d->trans.body_out; // an early body too
    asked |= !deliver_hears(d);
    if (asked || !deliver_unasked(d))
        return true;
    if (!pool_out_of_step(c))
        return false;
    buf_reset(stream_input(c->stream));
    return true;
}

// What is said now goes out behind the message of the one before: the same way, or not at all.
static bool may_follow(const struct deliver *d)
{
    struct why why;
    const struct deliver *before = deliver_before(d);
    enum deliver_way mine = way(d);
    return deliver_leads(before) && !connection_spent(d->link.c) && mine == before->trans.way &&
           envelope_fits(d, &why) == 0 && (mine == WAY_DATA || rides(d, mine));
}

enum deliver_state deliver_turn(struct deliver *d)
{
    if (deliver_hears(d))
        return d->link.c->dirty ? DELIVER_RSET : DELIVER_MAIL;
    if (!may_follow(d))
        return DELIVER_WAIT;
    return way(d) == WAY_DATA ? DELIVER_MAIL : DELIVER_CLEAR;
}

static size_t envelope_begin(struct deliver *d)
{
    size_t n = deliver_transaction_begin(d);
    if (!n)
        return 0;
    d->link.begun++;
    d->link.c->mails++;
    d->trans.way = way(d);
    d->trans.behind = !deliver_hears(d);
    if (d->trans.behind)
        atomic_fetch_add_explicit(&d->order.worker->relay->counters.overlapped, 1,
                                  memory_order_relaxed);
    return n;
}

// RSET between two whole messages: where nobody was accepted for the first, its MAIL still stands.
enum deliver_state deliver_clear(struct deliver *d)
{
    if (!envelope_begin(d))
        return DELIVER_END;
    deliver_command(d, "RSET\r\n");
    write_envelope(d);
    return deliver_early_body(d);
}

enum deliver_state deliver_clear_reply(struct deliver *d)
{
    return deliver_reset_heard(d) ? DELIVER_SAID : deliver_out_of_step(d);
}

enum deliver_state deliver_mail(struct deliver *d)
{
    struct why why;
    envelope_learn_size(d);
    if (envelope_fits(d, &why) < 0)
        return deliver_next(d, &why, true);
    if (!envelope_begin(d))
        return DELIVER_END;
    if (!in_step(d))
        return deliver_out_of_step(d);
    write_envelope(d);
    if (!rides(d, d->trans.way))
        return DELIVER_WAIT;
    deliver_lesson_reached(d); // it has just answered; what it says to this one comes all at once
    return DELIVER_EARLY;
}

static enum deliver_state envelope_answered(struct deliver *d)
{
    struct deliver_transaction *t = &d->trans;
    if (t->way == WAY_DATA) {
        bool asked = t->written == 2 + t->nbatch;
        return asked || t->taken ? DELIVER_DATA : deliver_transaction_over(d, AFTER_RESET);
    }
    if (t->body_out)
        return DELIVER_FINAL;
    if (!t->taken)
        return deliver_transaction_over(d, AFTER_RESET);
    return t->way == WAY_PREFIX ? DELIVER_PREFIX : DELIVER_BODY;
}

enum deliver_state deliver_mail_reply(struct deliver *d)
{
    struct deliver_transaction *t = &d->trans;
    int code = d->link.c->reply.code;
    deliver_heard_add(d, 0);
    t->answered = 1;
    if (t->behind && t->suspect) // the answer to the message before, once more
        return deliver_out_of_step(d);
    if (code < 200 || code >= 300) {
        struct why why;
        outcome_reply(&why, STAGE_MAIL, &d->link.c->reply, d->link.c->host);
        deliver_verdict(&t->refused, &why, deliver_attempt_heard(d));
        // What was pipelined behind it is answered as well, and those answers say nothing new.
        if (t->written == 1)
            return deliver_transaction_over(d, AFTER_RESET);
    }
    if (!in_step(d))
        return deliver_out_of_step(d);
    write_envelope(d);
    return DELIVER_RCPT;
}

static void rcpt_answer(struct deliver *d, struct delivery_rcpt *r)
{
    const struct smtp_reply *reply = &d->link.c->reply;
    if (reply->code >= 200 && reply->code < 300) { // 250, 251, 252
        r->standing = STANDING_TAKEN;
        d->trans.taken++;
        return;
    }
    struct why why;
    struct attempt *attempt = deliver_attempt_heard(d);
    outcome_reply(&why, STAGE_RCPT, reply, d->link.c->host);
    // Old servers say 552 for "too many"; it means 452 (RFC 5321 section 4.5.3.1.10).
    bool again = outcome_too_many(reply);
    if (again && why_permanent(&why))
        why.status[0] = '4';
    // A recipient's fate is not decided by an answer that makes no sense, only this host's.
    if (why.scope != WHY_RECIPIENT)
        snprintf(why.status, sizeof why.status, "4.5.0");
    deliver_refuse(r, &why, attempt);
    attempt_unref(attempt);
    if (again) {
        r->standing = STANDING_AGAIN;
        d->trans.again++;
    }
}

enum deliver_state deliver_rcpt_reply(struct deliver *d)
{
    struct deliver_transaction *t = &d->trans;
    size_t i = t->answered++;
    deliver_heard_add(d, i);
    // No recipient can be accepted where MAIL was refused: the refusal was for something else.
    if (t->behind && deliver_mail_refused(d) && d->link.c->reply.code < 300)
        return deliver_out_of_step(d);
    if (!deliver_mail_refused(d))
        rcpt_answer(d, d->rcpts[d->batch[i - 1]]);
    if (!in_step(d))
        return deliver_out_of_step(d);
    write_envelope(d);
    return t->answered == 1 + t->nbatch ? envelope_answered(d) : DELIVER_RCPT;
}

// The host takes leave at a recipient. Where it has taken others they are asked for again without that one, and no
// more of them at a time: else one recipient, or one too many, would keep the mail of all from ever arriving. A
// message that is out may still be answered, by a host that says 421 and stays.
enum deliver_state deliver_rcpt_421(struct deliver *d)
{
    struct deliver_transaction *t = &d->trans;
    struct why why;
    outcome_reply(&why, STAGE_RCPT, &d->link.c->reply, d->link.c->host);
    if (!t->taken && !deliver_all_out(d))
        return deliver_next(d, &why, false);
    size_t i = t->answered++;
    deliver_heard_add(d, i);
    struct attempt *attempt = deliver_attempt_heard(d);
    deliver_refuse(d->rcpts[d->batch[i - 1]], &why, attempt);
    attempt_unref(attempt);
    t->leaving = true;
    if (!deliver_all_out(d))
        return deliver_rcpt_left(d, &why);
    return t->answered == 1 + t->nbatch ? envelope_answered(d) : DELIVER_RCPT;
}

enum deliver_state deliver_rcpt_left(struct deliver *d, const struct why *why)
{
    const struct deliver_transaction *t = &d->trans;
    if (t->taken) {
        d->batch_max = t->taken;
        return deliver_again(d, why);
    }
    for (size_t i = 0; i < t->nbatch; i++) { // nobody was refused but by the host's leaving
        struct delivery_rcpt *r = d->rcpts[d->batch[i]];
        if (r->standing == STANDING_REFUSED && r->why->scope == WHY_HOST)
            r->standing = STANDING_OPEN;
    }
    return deliver_next(d, why, false);
}
