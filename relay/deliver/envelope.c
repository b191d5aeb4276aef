// SPDX-License-Identifier: ISC
// The envelope of an outbound transaction: MAIL, RCPT and DATA, in one write where the host takes pipelining
// (RFC 2920), with a cursor for what was written and one for what was answered. What the host must be
// able to do for this message is checked first (RFC 1870, 6152, 6531, 3461, 8689).
#include "relay/deliver/inside.h"

#include <stdio.h>
#include <string.h>
#include "config/idn.h"
#include "relay/base/mem.h"

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

static bool utf8_local(const char *address)
{
    return !ascii(address, local_part(address));
}

// The message itself, not a recipient's name, needs SMTPUTF8 (RFC 6531 section 3.4).
static bool needs_utf8(const struct envelope *env)
{
    return env->utf8_header || utf8_local(env->from);
}

int deliver_fits(const struct deliver *d, struct why *why)
{
    const struct smtp_extensions *ext = &d->c->ext;
    const struct envelope *env = &d->message->env;
    int rc = 0;
    uint64_t size = content_size(d->content);
    if (env->requiretls && !env->dsn && !ext->requiretls)
        rc = why_set(why, WHY_HOST, "5.7.30",
                     "the message asks for REQUIRETLS, and the host does not offer it");
    else if (ext->size && ext->size_max && size > ext->size_max)
        rc = why_set(why, WHY_HOST, "5.3.4",
                     "the message has %llu bytes, and the host takes %llu at most",
                     (unsigned long long)size, (unsigned long long)ext->size_max);
    else if (env->body == BODY_BINARYMIME && !(ext->binarymime && ext->chunking))
        rc = why_set(why, WHY_HOST, "5.6.3", "the message is binary, and the host takes none");
    else if (env->eightbit && !ext->eightbitmime && !ext->smtputf8)
        rc = why_set(why, WHY_HOST, "5.6.3",
                     "the message has 8-bit content, and the host does not offer 8BITMIME");
    else if (needs_utf8(env) && !ext->smtputf8)
        rc = why_set(why, WHY_HOST, "5.6.7",
                     "the message needs SMTPUTF8, and the host does not offer it");
    if (rc < 0)
        why_host(why, d->c->host);
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
    const struct smtp_extensions *ext = &d->c->ext;
    const struct envelope *env = &d->message->env;
    struct buf *out = &d->out;
    buf_adds(out, "MAIL FROM:");
    add_path(out, env->from);
    if (ext->size)
        buf_addf(out, " SIZE=%llu", (unsigned long long)content_size(d->content));
    if (env->body == BODY_BINARYMIME)
        buf_adds(out, " BODY=BINARYMIME");
    else if (env->eightbit && ext->eightbitmime)
        buf_adds(out, " BODY=8BITMIME");
    bool utf8 = needs_utf8(env);
    for (size_t i = 0; i < d->nbatch; i++)
        utf8 |= utf8_local(d->rcpts[d->batch[i]]->recipient->address);
    if (utf8 && ext->smtputf8)
        buf_adds(out, " SMTPUTF8");
    if (ext->dsn && env->ret != RET_UNSET)
        buf_adds(out, env->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (ext->dsn && env->envid[0]) {
        buf_adds(out, " ENVID=");
        add_xtext(out, env->envid);
    }
    // RFC 8689 section 2: only over TLS; a DSN asks where it can and does without elsewhere.
    if (env->requiretls && ext->requiretls && stream_is_secure(d->c->stream))
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
    if (d->c->ext.dsn) {
        add_notify(out, r->notify);
        const char *address = r->orcpt ? strchr(r->orcpt, ';') : NULL;
        if (address) {
            buf_addf(out, " ORCPT=%.*s;", (int)(address - r->orcpt), r->orcpt);
            add_xtext(out, address + 1);
        }
    }
    buf_adds(out, "\r\n");
}

// Chooses the recipients of the next transaction. Those whose own name the host cannot take end here.
static void choose_batch(struct deliver *d)
{
    const struct smtp_extensions *ext = &d->c->ext;
    size_t max = d->batch_max;
    if (ext->limit_rcpt && ext->limit_rcpt < max) // RFC 9422
        max = ext->limit_rcpt;
    d->nbatch = 0;
    for (size_t i = 0; i < d->nrcpts && d->nbatch < max; i++) {
        struct delivery_rcpt *r = d->rcpts[i];
        if (r->standing != STANDING_OPEN)
            continue;
        if (utf8_local(r->recipient->address) && !ext->smtputf8) {
            struct why why;
            why_set(&why, WHY_RECIPIENT, "5.6.7",
                    "the address needs SMTPUTF8, and the host does not offer it");
            why_host(&why, d->c->host);
            delivery_refuse(r, &why);
            continue;
        }
        d->batch[d->nbatch++] = i;
    }
}

enum moment deliver_mail(struct deliver *d)
{
    struct why why;
    if (deliver_fits(d, &why) < 0)
        return deliver_next(d, &why, true);
    choose_batch(d);
    if (!d->nbatch)
        return AT_END;
    d->written = d->answered = d->taken = d->again = 0;
    d->mail_taken = d->early = d->complete = false;
    d->bdat = d->c->ext.chunking;
    deliver_write_envelope(d);
    return STAY;
}

// Commands in order: 0 MAIL, 1..n RCPT, n+1 DATA (none with BDAT, whose body follows instead).
void deliver_write_envelope(struct deliver *d)
{
    bool pipelining = d->c->ext.pipelining;
    buf_reset(&d->out);
    size_t commands = 1 + d->nbatch + (d->bdat ? 0 : 1);
    while (d->written < commands && (pipelining || d->written == d->answered)) {
        if (d->written == 0)
            add_mail(d);
        else if (d->written <= d->nbatch)
            add_rcpt(d, d->rcpts[d->batch[d->written - 1]]->recipient);
        else if (pipelining || d->taken)
            buf_adds(&d->out, "DATA\r\n");
        else
            break; // nobody to send to, and no need to ask
        d->written++;
    }
    if (d->out.len)
        stream_write(d->c->stream, d->out.data, d->out.len);
    // A small body may ride along: one round trip for the whole message. Not on a connection that has
    // been idle, whose peer may be gone: then the body would be sent for nothing and its fate unknown.
    if (d->bdat && pipelining && !d->early && d->answered == 0 && (!d->reused || d->spoke) &&
        !content_is_large(d->content) && content_size(d->content) <= DELIVER_EARLY_BODY) {
        d->early = true;
        deliver_begin_body(d);
    }
}

static enum moment envelope_answered(struct deliver *d)
{
    if (d->bdat) {
        if (d->early)
            return AT_FINAL;
        return d->taken ? AT_BODY : deliver_transaction_over(d);
    }
    if (d->written < 2 + d->nbatch && !d->taken)
        return deliver_transaction_over(d);
    return AT_DATA;
}

enum moment deliver_mail_heard(struct deliver *d)
{
    d->answered = 1;
    d->mail_taken = d->c->reply.code >= 200 && d->c->reply.code < 300;
    if (!d->mail_taken) {
        outcome_reply(&d->mail_why, MOMENT_MAIL, &d->c->reply, d->c->host);
        // What was pipelined behind it is answered as well, and those answers say nothing new.
        if (d->written == 1)
            return deliver_transaction_over(d);
    }
    deliver_write_envelope(d);
    return AT_RCPT;
}

static void rcpt_answer(struct deliver *d, struct delivery_rcpt *r)
{
    const struct smtp_reply *reply = &d->c->reply;
    if (reply->code >= 200 && reply->code < 300) { // 250, 251, 252
        r->standing = STANDING_TAKEN;
        d->taken++;
        return;
    }
    struct why why;
    outcome_reply(&why, MOMENT_RCPT, reply, d->c->host);
    if (outcome_too_many(reply)) {
        // Old servers say 552; it means 452 (RFC 5321 section 4.5.3.1.10).
        if (why_permanent(&why))
            why.status[0] = '4';
        delivery_refuse(r, &why);
        r->standing = STANDING_AGAIN;
        d->again++;
        return;
    }
    // A recipient's fate is not decided by an answer that makes no sense, only this host's.
    if (why.scope != WHY_RECIPIENT)
        snprintf(why.status, sizeof why.status, "4.5.0");
    delivery_refuse(r, &why);
}

enum moment deliver_rcpt_heard(struct deliver *d)
{
    size_t i = d->answered++ - 1;
    if (d->mail_taken)
        rcpt_answer(d, d->rcpts[d->batch[i]]);
    if (d->answered == 1 + d->nbatch) {
        deliver_write_envelope(d);
        return envelope_answered(d);
    }
    deliver_write_envelope(d);
    return AT_RCPT;
}

void deliver_reopen(struct deliver *d)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i]->standing == STANDING_TAKEN || d->rcpts[i]->standing == STANDING_AGAIN)
            d->rcpts[i]->standing = STANDING_OPEN;
}

void deliver_refuse_rest(struct deliver *d, const struct why *why)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i]->standing < STANDING_REFUSED)
            delivery_refuse(d->rcpts[i], why);
}
