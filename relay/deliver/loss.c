// SPDX-License-Identifier: ISC
// What may happen in any state of an outbound session: a lost connection, and 421, after which the host hangs up. What
// was heard counts.
#include "relay/deliver/race_inside.h"
#include "relay/deliver/pool_speech.h"

// A pooled connection that dies without a word, or with 421, was dead before: not this host's failure.
static bool was_dead(const struct deliver *d)
{
    return d->link.pooled && !d->link.replies;
}

// One that served a transaction and takes leave before the next has had enough messages, not trouble.
static bool has_served(const struct deliver *d)
{
    bool at_mail = d->state == DELIVER_MAIL || d->state == DELIVER_EARLY;
    return at_mail && d->link.begun > 1 && !d->trans.answered;
}

enum deliver_state deliver_after_the_dead(struct deliver *d)
{
    deliver_drop(d, true);
    deliver_reopen(d);
    return DELIVER_ADDRESS;
}

// What was heard counts: a host that refuses MAIL and closes has refused it.
static enum deliver_state lost_in_transaction(struct deliver *d, const struct why *why)
{
    bool doubt = deliver_all_out(d) && d->link.c->end != FLIGHT_CLOSED;
    if ((was_dead(d) || has_served(d)) && !doubt)
        return deliver_after_the_dead(d);
    if (d->trans.leaving)
        return deliver_rcpt_left(d, why);
    if (deliver_mail_refused(d) || (d->state == DELIVER_FINAL && !d->trans.taken))
        return deliver_transaction_over(d, AFTER_CLOSE);
    if (doubt) {
        if (was_dead(d)) // it hangs up on whom it has just served
            pool_note_astray(d->link.c);
        return deliver_unknown(d, why);
    }
    return deliver_next(d, why, false);
}

// Another address of the host is being tried already: it goes on with that one.
static enum deliver_state another_connects(struct deliver *d, const struct why *why)
{
    connection_failed(d->link.c, why);
    deliver_remember(d, why);
    d->troubles++;
    deliver_race_take_over(d);
    return DELIVER_WAIT;
}

enum deliver_state deliver_lost(struct deliver *d, struct why *why)
{
    if (!why->host[0])
        why_host(why, d->link.c->host);
    switch (d->state) {
    case DELIVER_LOAD: // another connection will do
        deliver_drop(d, true);
        return DELIVER_WAIT;
    case DELIVER_CONNECT:
        if (deliver_race_on(d))
            return another_connects(d, why);
        // fall through
    case DELIVER_GREETING:
        connection_failed(d->link.c, why);
        deliver_lesson_away(d, why);
        return deliver_next(d, why, false);
    case DELIVER_STARTTLS:
    case DELIVER_SECURE:
        return deliver_tls_failed(d, why, false);
    case DELIVER_RSET: // the transaction before it had its answers
        return deliver_after_the_dead(d);
    case DELIVER_MAIL:
    case DELIVER_EARLY:
    case DELIVER_CLEAR:
    case DELIVER_SAID:
    case DELIVER_RCPT:
    case DELIVER_DATA:
    case DELIVER_PREFIX:
    case DELIVER_PROBE:
    case DELIVER_BODY:
    case DELIVER_FINAL:
        return lost_in_transaction(d, why);
    case DELIVER_CONFIRM:
        return deliver_out_of_step(d);
    default:
        return deliver_next(d, why, false);
    }
}

// RFC 5321 section 3.8: 421 may come at any time, and the host hangs up. The answer to a message is an answer all
// the same, and so is what was said before.
enum deliver_state deliver_421(struct deliver *d)
{
    struct why why;
    d->link.c->end = FLIGHT_CLOSED; // nothing that was said behind this was accepted
    if (was_dead(d) || has_served(d))
        return deliver_after_the_dead(d);
    deliver_lesson(d);
    switch (d->state) {
    case DELIVER_RCPT:
        if (!deliver_mail_refused(d))
            return deliver_rcpt_421(d);
        return deliver_transaction_over(d, AFTER_CLOSE);
    case DELIVER_DATA:
        if (deliver_mail_refused(d))
            return deliver_transaction_over(d, AFTER_CLOSE);
        break;
    case DELIVER_FINAL:
        return deliver_final_reply(d);
    case DELIVER_CONFIRM:
        return deliver_confirm_reply(d);
    case DELIVER_RSET:
        return deliver_after_the_dead(d);
    default:
        break;
    }
    outcome_reply(&why, STAGE_EHLO, &d->link.c->reply, d->link.c->host);
    return deliver_next(d, &why, false);
}
