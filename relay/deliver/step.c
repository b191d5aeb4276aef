// SPDX-License-Identifier: ISC
// What every step of an outbound session may do: say a command, give a recipient its answer, leave a connection
// for the next address. Knows no command's meaning.
#include "relay/deliver/race_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"

void deliver_command(struct deliver *d, const char *format, ...)
{
    char line[MAX_PLAIN_COMMAND];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(n > 0 && (size_t)n < sizeof line);
    stream_write(d->link.c->stream, line, (size_t)n);
}

// Attempts

struct attempt *deliver_attempt(const struct deliver *d, const char *reply)
{
    struct attempt *a = mem_new(sizeof *a);
    const struct connection *c = d->link.c;
    atomic_init(&a->refs, 1);
    a->demand = a->source = "";
    a->shown = shown_ref(c ? c->shown : NULL);
    a->would = why_copy(c ? c->would : NULL);
    a->proof = tls_proof_word(c ? c->proof : PROOF_NONE);
    a->reply = mem_dup(reply ? reply : "");
    snprintf(a->tls, sizeof a->tls, "%s", c && c->protocol[0] ? c->protocol : "none");
    if (d->host >= d->route->nhosts)
        return a;
    const struct route_host *host = deliver_host(d);
    snprintf(a->host, sizeof a->host, "%s", c ? c->host : host->host);
    const struct sockaddr *local = c && c->stream ? stream_local(c->stream) : NULL;
    if (local && address_port(local))
        address_text(local, a->local);
    if (c)
        snprintf(a->ip, sizeof a->ip, "%s", c->ip);
    else if (d->address < host->naddresses)
        address_text((const struct sockaddr *)&host->addresses[d->address], a->ip);
    a->demand = tls_level_word(host->demand.level);
    a->source = demand_source_word(host->demand.source);
    a->dsn = c && c->ext.dsn;
    return a;
}

struct attempt *deliver_attempt_heard(const struct deliver *d)
{
    char text[MAX_REPLY_TOLD];
    const struct smtp_reply *reply = &d->link.c->reply;
    struct attempt *a = deliver_attempt(d, smtp_reply_text(reply, text, sizeof text));
    for (char *c = a->reply; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = ' ';
    smtp_reply_status(reply, a->status);
    return a;
}

void deliver_verdict(struct verdict *v, const struct why *why, struct attempt *attempt)
{
    struct why copy = *why; // it may be v's own
    attempt_unref(v->attempt);
    *v = (struct verdict){.why = copy, .attempt = attempt};
}

void deliver_verdict_clear(struct verdict *v)
{
    attempt_unref(v->attempt);
    *v = (struct verdict){0};
}

// Recipients

void deliver_refuse(struct delivery_rcpt *r, const struct why *why, struct attempt *attempt)
{
    delivery_refuse(r, why);
    delivery_attempt(r, attempt);
}

void deliver_refuse_rest(struct deliver *d, const struct why *why, struct attempt *attempt)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i]->standing < STANDING_REFUSED)
            deliver_refuse(d->rcpts[i], why, attempt);
}

void deliver_reopen(struct deliver *d)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i]->standing == STANDING_TAKEN || d->rcpts[i]->standing == STANDING_AGAIN)
            d->rcpts[i]->standing = STANDING_OPEN;
}

bool deliver_somebody_open(const struct deliver *d)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (d->rcpts[i]->standing == STANDING_OPEN)
            return true;
    return false;
}

// Ends

void deliver_auth_forget(struct deliver *d)
{
    secret_wipe(d->link.secret);
    secret_cancel(d->link.token);
    tokens_cancel(d->link.asked);
    sasl_free(d->link.sasl);
    d->link.secret = NULL;
    d->link.token = NULL;
    d->link.asked = NULL;
    d->link.sasl = NULL;
}

void deliver_transaction_end(struct deliver *d)
{
    struct deliver_transaction *t = &d->trans;
    deliver_verdict_clear(&t->refused);
    attempt_unref(t->final);
    content_reader_free(t->reader);
    *t = (struct deliver_transaction){0};
}

void deliver_drop(struct deliver *d, bool now)
{
    deliver_trace_end(d);
    deliver_race_end(d);
    deliver_flight_leave(d, now);
    deliver_transaction_end(d);
    deliver_auth_forget(d);
    d->link = (struct deliver_link){0};
}

void deliver_quit(struct deliver *d)
{
    if (deliver_alone(d))
        deliver_command(d, "QUIT\r\n");
}

// Not what is our own trouble, nor a host that has too many of us: others may be well there.
static bool unfit(const struct deliver *d, const struct why *why)
{
    bool busy = why->reply[0] == '4' && d->state <= DELIVER_EHLO;
    return d->state < DELIVER_MAIL && why->scope != WHY_OURS && !busy;
}

void deliver_remember(struct deliver *d, const struct why *why)
{
    d->unfit |= unfit(d, why);
    struct attempt *attempt = why->reply[0] && d->link.c->reply.done
                                  ? deliver_attempt_heard(d)
                                  : deliver_attempt(d, why->reply);
    deliver_record_left(d, why, attempt);
    deliver_trace_failed(d, why);
    deliver_verdict(&d->last, why, attempt);
}

// What is open goes on without this connection.
static void leave(struct deliver *d, const struct why *why, bool now)
{
    deliver_remember(d, why);
    deliver_drop(d, now);
    deliver_reopen(d);
}

static_assert(MAX_ADDRESSES < 64, "a bit each in deliver.raced");

void deliver_next_address(struct deliver *d)
{
    d->address = d->untried ? d->untried : d->address + 1;
    d->untried = 0;
    while (d->raced >> d->address & 1)
        d->address++;
    d->clear = d->lax = false;
}

void deliver_next_host(struct deliver *d)
{
    d->host++;
    d->address = d->untried = 0;
    d->raced = 0;
    d->clear = d->lax = false;
}

enum deliver_state deliver_next(struct deliver *d, const struct why *why, bool lacking)
{
    if (lacking)
        deliver_quit(d);
    leave(d, why, !lacking);
    if (lacking) {
        d->lacks++;
        deliver_next_host(d); // its other addresses are the same host
    } else {
        d->troubles++;
        deliver_next_address(d);
    }
    return DELIVER_ADDRESS;
}

enum deliver_state deliver_quit_next(struct deliver *d, const struct why *why)
{
    deliver_quit(d);
    leave(d, why, false);
    d->troubles++;
    deliver_next_address(d);
    return DELIVER_ADDRESS;
}

enum deliver_state deliver_refused(struct deliver *d, enum smtp_stage stage)
{
    struct why why;
    outcome_reply(&why, stage, &d->link.c->reply, d->link.c->host);
    if (d->link.c->reply.code == 421)
        return deliver_next(d, &why, false);
    return deliver_quit_next(d, &why);
}

enum deliver_state deliver_again(struct deliver *d, const struct why *why)
{
    leave(d, why, true);
    return DELIVER_ADDRESS;
}

enum deliver_state deliver_unknown(struct deliver *d, const struct why *why)
{
    // It is tried again later, not at another host now, since that would make the second copy likely.
    struct attempt *attempt = deliver_attempt(d, why->reply);
    deliver_trace_failed(d, why);
    deliver_drop(d, true);
    deliver_refuse_rest(d, why, attempt);
    attempt_unref(attempt);
    return DELIVER_END;
}
