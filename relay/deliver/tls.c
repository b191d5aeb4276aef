// SPDX-License-Identifier: ISC
// TLS of an outbound session: what EHLO offers, STARTTLS (RFC 3207), and the proof that the route demands,
// before any MAIL. Never goes on in clear where the demand is more than opportunistic.
#include "relay/deliver/steps_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/deliver/pool_speech.h"
#include "tls/proof.h"

static const struct demand *deliver_tls_demand(const struct deliver *d)
{
    return &deliver_host(d)->demand;
}

bool deliver_clear_allowed(const struct deliver *d)
{
    return deliver_tls_demand(d)->level == TLS_OPPORTUNISTIC && !deliver_tls_demand(d)->npins &&
           !deliver_host(d)->implicit_tls;
}

// Any certificate will do: then no fault of a certificate may cost the encryption.
static bool proves_nothing(const struct deliver *d)
{
    return deliver_tls_demand(d)->level <= TLS_ENCRYPT && !deliver_tls_demand(d)->npins;
}

// The same address again, on a new connection: nothing has been refused yet, so nothing is told or counted.
static enum deliver_state once_more(struct deliver *d)
{
    deliver_drop(d, true);
    return DELIVER_ADDRESS;
}

// A ticket is a short cut: whatever went wrong with one is tried again the long way.
static enum deliver_state without_ticket(struct deliver *d)
{
    pool_drop_tickets(d->order.pool, &d->link.key);
    d->no_ticket = true;
    return once_more(d);
}

enum deliver_state deliver_tls_failed(struct deliver *d, struct why *why, bool answered)
{
    deliver_trace_failed(d, why);
    if (d->link.c->offered.given && !d->no_ticket)
        return without_ticket(d);
    bool spoken = why->tls != WHY_STARTTLS_NOT_SUPPORTED;
    if (spoken && proves_nothing(d) && !d->lax) {
        d->lax = true;
        d->strict = *why;
        return once_more(d);
    }
    if (why->tls == WHY_TLS_NONE)
        why->tls = WHY_VALIDATION_FAILURE;
    why->asker = demand_source_word(deliver_tls_demand(d)->source);
    if (!why->host[0])
        why_host(why, d->link.c->host);
    bool clear = deliver_clear_allowed(d);
    deliver_record_tls(d, why, !clear);
    if (clear) { // the same address again, this time without TLS
        d->clear = true;
        return deliver_again(d, why);
    }
    why->scope = WHY_HOST;
    bool lacking = answered && d->message->env.requiretls && !d->message->env.dsn;
    if (lacking) // RFC 8689 section 4.2.1
        snprintf(why->status, sizeof why->status, "5.7.10");
    return deliver_next(d, why, lacking);
}

#define DEMANDED_MAX 128
// Who demands TLS here, as the end of a sentence; "" where clear text will do.
static const char *demanded(const struct deliver *d, char *text, size_t n)
{
    text[0] = 0;
    if (!deliver_clear_allowed(d))
        snprintf(text, n, ", and TLS is demanded by %s", demand_asker(deliver_tls_demand(d)));
    return text;
}

// `why` says what the host does instead.
static enum deliver_state no_starttls(struct deliver *d, struct why *why)
{
    why_host(why, d->link.c->host);
    if (!deliver_clear_allowed(d))
        return deliver_tls_failed(d, why, true);
    deliver_record_tls(d, why, false);
    return deliver_auth_begin(d);
}

enum deliver_state deliver_ehlo_reply(struct deliver *d)
{
    struct connection *c = d->link.c;
    struct why why;
    char clause[DEMANDED_MAX];
    bool secure = stream_is_secure(c->stream);
    if (c->reply.code != 250) {
        // RFC 5321 section 3.2: an old server; it has no STARTTLS either.
        bool old = c->reply.code >= 500 && c->reply.code != 521 && c->reply.code != 554;
        if (!old)
            return deliver_refused(d, STAGE_EHLO);
        if (!secure && !deliver_clear_allowed(d)) {
            why_say(&why, EHLO_UNKNOWN, demanded(d, clause, sizeof clause));
            return no_starttls(d, &why);
        }
        return DELIVER_HELO;
    }
    if (secure) // they come behind the handshake: whoever connects next need not wait for this session's end
        deliver_keep_tickets(d);
    smtp_extensions_read(&c->reply, &c->ext);
    if (secure || (d->clear && deliver_clear_allowed(d)))
        return deliver_auth_begin(d);
    if (c->ext.starttls)
        return DELIVER_STARTTLS;
    why_say(&why, STARTTLS_NOT_OFFERED, demanded(d, clause, sizeof clause));
    return no_starttls(d, &why);
}

enum deliver_state deliver_starttls(struct deliver *d)
{
    // An answer to EHLO too many is none to STARTTLS: taken for one it would cost the encryption.
    if (deliver_unasked(d)) {
        pool_note_out_of_step(d->link.c);
        buf_reset(stream_input(d->link.c->stream));
    }
    deliver_command(d, "STARTTLS\r\n");
    return DELIVER_WAIT;
}

enum deliver_state deliver_starttls_reply(struct deliver *d)
{
    int code = d->link.c->reply.code;
    if (code == 220)
        return DELIVER_SECURE;
    // The same, come late: from a host that is known for it the next answer counts.
    if (code < 400) {
        bool known = pool_out_of_step(d->link.c);
        pool_note_out_of_step(d->link.c);
        return known ? DELIVER_WAIT : once_more(d);
    }
    struct why why;
    char reply[256], clause[DEMANDED_MAX];
    why_say(&why, STARTTLS_REFUSED, smtp_reply_text(&d->link.c->reply, reply, sizeof reply),
            demanded(d, clause, sizeof clause));
    return no_starttls(d, &why);
}

// What is watched wants to see the certificate, and to be recorded again.
static bool resumable(const struct deliver *d)
{
    const struct demand *want = deliver_tls_demand(d);
    return !d->lax && want->observe <= want->level && !why_is_set(&want->why);
}

void deliver_keep_tickets(struct deliver *d)
{
    // What was proved under a configuration that is no longer serves nobody else.
    if (resumable(d) && d->route->setup == d->order.worker->setup)
        pool_keep_tickets(d->order.pool, d->link.c);
}

enum deliver_state deliver_secure(struct deliver *d)
{
    struct buf ticket = {0};
    const struct cfg_delivery *c = &d->config->delivery;
    if (resumable(d) && !d->no_ticket)
        pool_ticket(d->order.pool, &d->link.key, &ticket, &d->link.c->offered);
    struct tls_session_client how = {
        .sni = deliver_tls_demand(d)->sni,
        .tls_min = c->tls_min,
        .priority = c->tls_priority,
        .parsed = d->route->setup->priority,
        .care = proves_nothing(d) ? d->lax ? TLS_SESSION_LAX : TLS_SESSION_ANY : TLS_SESSION_PROOF,
        .keep_tickets = resumable(d),
        .ticket = ticket.data,
        .ticket_bytes = ticket.len,
        .identity = deliver_host(d)->identity,
    };
    struct why why;
    struct tls_session *tls_session = tls_session_client(&how, &why);
    buf_free(&ticket);
    if (!tls_session)
        return deliver_next(d, &why, false);
    // RFC 3207 section 4.2: what came in clear behind the 220 is dropped, and all that EHLO said.
    size_t dropped;
    stream_secure(d->link.c->stream, tls_session, &dropped);
    memset(&d->link.c->ext, 0, sizeof d->link.c->ext);
    return DELIVER_WAIT;
}

// Without shadow mode this connection would not have served. (A policy in testing mode may want more than that.)
static bool would_refuse(const struct deliver *d, const struct tls_session_info *info)
{
    const struct demand *want = deliver_tls_demand(d);
    enum tls_proof proof;
    struct why why;
    if (why_is_set(&want->why))
        return want->shadowed;
    if (!want->shadowed || want->must <= TLS_ENCRYPT)
        return false;
    return d->lax || proof_of_level(want, want->must, info, &proof, &why) < 0;
}

// MTA-STS in testing and shadow mode: what would have been refused is recorded, and mail goes on.
static void deliver_tls_watch(struct deliver *d, const struct tls_session_info *info)
{
    const struct demand *want = deliver_tls_demand(d);
    struct why why = want->why;
    enum tls_proof proof = PROOF_NONE; // what failed takes nothing away from what was proved
    if (!why_is_set(&why)) {
        if (want->observe <= want->level)
            return;
        // With less care no name was sent, so the certificate may be another's: the first try is what counts.
        if (d->lax)
            why = d->strict;
        else if (proof_of_level(want, want->observe, info, &proof, &why) == 0) {
            d->link.c->proof = proof;
            return;
        }
    }
    if (!why.host[0])
        why_host(&why, d->link.c->host);
    d->link.testing = !would_refuse(d, info);
    deliver_record_tls(d, &why, false);
    deliver_trace_watched(d, &why);
}

enum deliver_state deliver_secured(struct deliver *d)
{
    struct connection *c = d->link.c;
    const struct tls_session_info *info = tls_session_info(stream_tls(c->stream));
    snprintf(c->protocol, sizeof c->protocol, "%s", info->protocol ? info->protocol : "");
    snprintf(c->cipher, sizeof c->cipher, "%s", info->cipher ? info->cipher : "");
    c->resumed = info->resumed;
    c->shown = shown_of(info);
    c->proof = PROOF_NONE;
    struct why why;
    why_clear(&why);
    if (info->resumed) {
        // The ticket was found under an equal key: what it stands for was proved against this demand.
        if (!ticket_still_proves(&c->offered))
            return without_ticket(d);
        c->proof = c->offered.proof;
        c->not_after_s = c->offered.not_after_s;
    } else {
        c->not_after_s = info->nchain ? verify_not_after(info->chain[0]) : 0;
        if (proof_of_demand(deliver_tls_demand(d), info, &c->proof, &why) < 0) {
            if (!why.host[0])
                why_host(&why, c->host);
            return deliver_tls_failed(d, &why, true);
        }
        deliver_tls_watch(d, info);
    }
    deliver_record_learn(d);
    return deliver_host(d)->implicit_tls ? DELIVER_GREETING : DELIVER_EHLO;
}
