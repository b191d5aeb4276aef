// SPDX-License-Identifier: ISC
// What to do: first the sender, then whoever runs this relay, to whom the sender forwards the report. The two never read
// the same.
#include "relay/queue/dsn_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/reasons.h"
#include "relay/base/told.h"

static void paragraph_of(const struct dsn *dsn, const struct dsn_row *row, const char *text,
                         struct buf *out)
{
    struct buf filled;
    buf_init(&filled, DSN_ADVICE);
    dsn_fill(dsn, row, text, &filled);
    dsn_fold(out, buf_text(&filled), 0, "");
    buf_adds(out, "\r\n\r\n");
    buf_free(&filled);
}

static bool is_receiver(enum act act)
{
    return act == ACT_RECEIVER || act == ACT_RECEIVER_HOST || act == ACT_RECEIVER_DNS;
}

// Not sent, though it could have been: that has to be said, and by whose word.
static void say_demand(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    const char *demand = dsn_demand(row->why);
    char text[400];
    if (!demand)
        return;
    snprintf(text, sizeof text,
             "The message was not sent%s, in order to protect it. That is demanded by %s.",
             dsn->kind == DSN_DELAYED ? " so far" : "", demand);
    paragraph_of(dsn, row, text, out);
}

// Where the reason has nothing of its own for the sender.
static void say_step(const struct dsn *dsn, const struct why *why, const struct dsn_who *who,
                     struct buf *text)
{
    bool waits = dsn->kind == DSN_DELAYED;
    if (why->tls != WHY_TLS_NONE && who->other == ACT_SENDER)
        buf_adds(text, told_of(REASON_REQUIRETLS_NO_NAME)->sender);
    else if (act_is_ours(who->first))
        buf_addf(text, "Forward this report to OPERATOR%s.",
                 waits ? "" : ", and ask to be told when it is fixed");
    else if (why->tls != WHY_TLS_NONE && who->other == ACT_US)
        buf_addf(text, "Forward this report to OPERATOR: they can tell %s what is wrong.",
                 dsn_actor(who->first));
    else if (waits && why->tls == WHY_TLS_NONE && act_is_ours(who->other))
        buf_adds(text, "You need not do anything now. If it is urgent, reach the recipient in "
                       "another way (by phone, for example). If nothing has changed by tomorrow, "
                       "forward this report to OPERATOR.");
    else if (waits && why->tls == WHY_TLS_NONE && is_receiver(who->first))
        buf_adds(text, "You need not do anything now. If it is urgent, reach the recipient in "
                       "another way (by phone, for example).");
    else if (is_receiver(who->first))
        buf_addf(text,
                 "Reach the recipient in another way (by phone, for example), and ask for this "
                 "report to be shown to %s.",
                 dsn_actor(who->first));
    else if (who->first == ACT_SENDER)
        buf_adds(text, dsn_operator_advice(why));
    else if (who->first == ACT_HEALS)
        buf_adds(text, waits ? "You need not do anything." : "Send the message again later.");
    else
        buf_adds(text, "If the reason does not say what to do, forward this report to OPERATOR.");
}

// The relay has not got it any more.
static bool is_lost(const struct why *why)
{
    return why->reason == REASON_STORED_BODY_GONE || why->reason == REASON_STORED_BODY_DAMAGED ||
           why->reason == REASON_STORED_MESSAGE_DAMAGED;
}

// What becomes of the message then.
static const char *afterwards(const struct dsn *dsn, const struct why *why, enum act first)
{
    if (dsn->kind == DSN_FAILED)
        return first == ACT_SENDER || first == ACT_HEALS || first == ACT_NONE || is_lost(why)
                   ? ""
                   : " Once it is fixed, send the message again: this relay has given it up.";
    if (first == ACT_SENDER)
        return " This one waits here all the same, and is tried again until then.";
    if (first == ACT_HEALS || !dsn_waiting_is_not_enough(why))
        return "";
    return why->reason == REASON_SITE_PAUSED
               ? " You need not send the message again: it waits here, and goes out when the pause "
                 "ends."
               : " You need not send the message again: it waits here, and goes out at the next "
                 "attempt after it is fixed.";
}

static void say_sender(const struct dsn *dsn, const struct dsn_row *row, struct buf *text)
{
    const struct why *why = row->why;
    struct dsn_who who = dsn_who_of(why);
    buf_adds(text, "What you can do: ");
    if (row->expired)
        buf_adds(text, "This relay has tried for as long as a message may wait. ");
    if (who.sender[0])
        buf_adds(text, who.sender);
    else
        say_step(dsn, why, &who, text);
    buf_adds(text, afterwards(dsn, why, who.first));
}

// The operator's part: nothing that the sender has just read, and nothing where there is nothing to do.
static bool is_for_operator(const struct why *why)
{
    const char *advice = dsn_operator_advice(why);
    return advice[0] && why->act != ACT_SENDER && strncmp(advice, "Nothing: ", 9) != 0;
}

void dsn_advice(const struct dsn *dsn, const struct dsn_row *row, struct buf *out)
{
    struct buf text;
    buf_init(&text, DSN_ADVICE);
    if (row->returned)
        buf_adds(&text, "It was the operator of this relay who took the message out of the queue "
                        "and returned it: no receiving system refused it. What you can do: ask "
                        "OPERATOR why.");
    else {
        say_demand(dsn, row, out);
        say_sender(dsn, row, &text);
    }
    paragraph_of(dsn, row, buf_text(&text), out);
    buf_reset(&text);
    if (!row->returned && is_for_operator(row->why)) {
        buf_adds(&text, "For OPERATOR: ");
        buf_adds(&text, dsn_operator_advice(row->why));
        paragraph_of(dsn, row, buf_text(&text), out);
    }
    buf_free(&text);
}
