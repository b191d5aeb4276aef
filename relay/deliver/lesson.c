// SPDX-License-Identifier: ISC
// What a session learns of how much mail its hosts want: from replies that ask for less, from lateness, from silence.
// Decides nothing: relay/queue/shape.h does.
#include "relay/deliver/notes_inside.h"

#include <string.h>
#include "relay/smtp/reply_class.h"

// Where nothing but the connection itself can be meant, or the rule says so.
static bool about_connections(const struct deliver *d, const struct reply_meaning *meaning)
{
    return d->state == DELIVER_GREETING || d->state == DELIVER_EHLO ||
           strstr(meaning->rule, "connection");
}

bool deliver_wants_less(const struct why *why)
{
    return strncmp(why->reply, "421", 3) == 0 || reply_meaning_of(why).throttle;
}

void deliver_lesson_reached(struct deliver *d)
{
    if (d->met.reached)
        return;
    d->met.reached = true;
    if (d->order.nreached)
        ++*d->order.nreached;
}

// What was refused, for whoever tells it.
static enum smtp_stage stage_of(enum deliver_state state)
{
    switch (state) {
    case DELIVER_GREETING:
        return STAGE_GREETING;
    case DELIVER_AUTH:
        return STAGE_AUTH;
    case DELIVER_MAIL:
    case DELIVER_EARLY:
    case DELIVER_SAID:
        return STAGE_MAIL;
    case DELIVER_RCPT:
        return STAGE_RCPT;
    case DELIVER_DATA:
        return STAGE_DATA;
    case DELIVER_PREFIX:
        return STAGE_BDAT;
    case DELIVER_BODY:
    case DELIVER_FINAL:
        return STAGE_FINAL;
    default:
        return STAGE_EHLO;
    }
}

void deliver_lesson(struct deliver *d)
{
    const struct smtp_reply *reply = &d->link.c->reply;
    if (reply->code < 400)
        return;
    struct reply_meaning meaning =
        reply_meaning(reply->code, reply->status, buf_span(&reply->text));
    if (reply->code != 421 && !meaning.throttle) // as in deliver_wants_less
        return;
    struct deliver_met *met = &d->met;
    met->sign = about_connections(d, &meaning) ? DELIVER_CROWD : DELIVER_FAST;
    met->vague = !meaning.throttle;
    outcome_reply(&met->why, stage_of(d->state), reply, d->link.c->host);
}

void deliver_lesson_late(struct deliver *d, const struct why *why)
{
    if (d->met.sign != DELIVER_NO_SIGN)
        return;
    d->met.sign = DELIVER_LATE;
    d->met.why = *why;
    if (d->link.c)
        why_host(&d->met.why, d->link.c->host);
}

void deliver_lesson_away(struct deliver *d, const struct why *why)
{
    d->met.away = true;
    if (d->met.sign == DELIVER_NO_SIGN)
        d->met.why = *why;
}
