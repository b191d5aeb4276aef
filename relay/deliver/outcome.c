// SPDX-License-Identifier: ISC
// From a reason to a verdict. Knows no clock, no queue and no connection.
#include "relay/deliver/outcome.h"

#include <stdio.h>
#include <string.h>
#include "relay/smtp/reply_remedy.h"

enum outcome outcome(const struct why *why, int64_t now_ms, int64_t expire_ms)
{
    if (!why || !why_is_set(why))
        return OUTCOME_DELIVERED;
    bool about_mail =
        why->scope == WHY_RECIPIENT || why->scope == WHY_MESSAGE || why->scope == WHY_DOMAIN;
    if (about_mail && why_permanent(why))
        return OUTCOME_NEVER;
    return now_ms >= expire_ms ? OUTCOME_EXPIRED : OUTCOME_LATER;
}

void outcome_agree(struct why *why)
{
    if (why_permanent(why))
        why->status[0] = '4';
}

// A refusal at each stage, for good and for a while.
static const struct {
    const char *command;
    enum reason refused, deferred;
} stages[] = {
    [STAGE_GREETING] = {"the connection", REASON_GREETING_REFUSED, REASON_GREETING_DEFERRED},
    [STAGE_EHLO] = {"EHLO", REASON_EHLO_REFUSED, REASON_EHLO_DEFERRED},
    // Refused credentials are for the operator to mend: the mail waits.
    [STAGE_AUTH] = {"AUTH", REASON_AUTH_REFUSED, REASON_AUTH_DEFERRED},
    [STAGE_MAIL] = {"MAIL FROM", REASON_MAIL_REFUSED, REASON_MAIL_DEFERRED},
    [STAGE_RCPT] = {"RCPT TO", REASON_RCPT_REFUSED, REASON_RCPT_DEFERRED},
    [STAGE_DATA] = {"DATA", REASON_DATA_REFUSED, REASON_DATA_DEFERRED},
    [STAGE_BDAT] = {"BDAT", REASON_DATA_REFUSED, REASON_DATA_DEFERRED},
    [STAGE_FINAL] = {"the message", REASON_MESSAGE_REFUSED, REASON_MESSAGE_DEFERRED},
};

int outcome_reply(struct why *why, enum smtp_stage stage, const struct smtp_reply *reply,
                  const char *host)
{
    char text[sizeof why->reply], status[12];
    smtp_reply_text(reply, text, sizeof text);
    smtp_reply_status(reply, status);
    const char *command = stages[stage].command;
    if (reply->code == 421)
        why_say(why, HOST_LEAVES);
    else if (reply->code >= 500)
        why_fill(why, stages[stage].refused, "the host refused %s", command);
    else if (reply->code >= 400)
        why_fill(why, stages[stage].deferred, "the host refused %s at this time", command);
    else // A success where none is possible: neither class is to be trusted.
        why_say(why, REPLY_SENSELESS, command, reply->code);
    if (reply->code >= 400 && (reply->code != 421 || status[0] == '4'))
        why_status(why, status);
    why_host(why, host);
    why_reply(why, text);
    struct reply_meaning meaning = reply_meaning(reply->code, status, span_text(text));
    enum act act = reply_act(why->reason, &meaning);
    if (act != ACT_NONE)
        why->act = act;
    return -1;
}

bool outcome_too_many(const struct smtp_reply *reply)
{
    if (reply->code != 452 && reply->code != 552)
        return false;
    // With an enhanced code the server says what it means: x.5.3, or a mailbox or disk that is full.
    return !reply->status[0] || strcmp(reply->status + 1, ".5.3") == 0 ||
           strcmp(reply->status + 1, ".0.0") == 0;
}

bool outcome_owes(const struct envelope *env, const struct recipient *r, enum dsn_kind kind)
{
    if (!env->from[0] || env->dsn)
        return false;
    if (r->notify & NOTIFY_NEVER)
        return false;
    switch (kind) {
    case DSN_FAILED:
        return !r->notify || (r->notify & NOTIFY_FAILURE);
    case DSN_DELAYED:
        return !r->notify || (r->notify & NOTIFY_DELAY);
    case DSN_RELAYED:
        return r->notify & NOTIFY_SUCCESS;
    }
    return false;
}
