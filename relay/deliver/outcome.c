// SPDX-License-Identifier: ISC
// From a reason to a verdict. Knows no clock, no queue and no connection.
#include "relay/deliver/outcome.h"

#include <stdio.h>
#include <string.h>

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

// What each stage is about when it goes wrong for good, and for a while.
static const struct {
    const char *command;
    enum why_scope permanent, temporary;
} stages[] = {
    [STAGE_GREETING] = {"the connection", WHY_HOST, WHY_HOST},
    [STAGE_EHLO] = {"EHLO", WHY_HOST, WHY_HOST},
    [STAGE_STARTTLS] = {"STARTTLS", WHY_HOST, WHY_HOST},
    // Refused credentials are for the operator to mend: the mail waits.
    [STAGE_AUTH] = {"AUTH", WHY_HOST, WHY_HOST},
    [STAGE_MAIL] = {"MAIL FROM", WHY_MESSAGE, WHY_HOST},
    [STAGE_RCPT] = {"RCPT TO", WHY_RECIPIENT, WHY_RECIPIENT},
    [STAGE_DATA] = {"DATA", WHY_MESSAGE, WHY_MESSAGE},
    [STAGE_FINAL] = {"the message", WHY_MESSAGE, WHY_MESSAGE},
};

int outcome_reply(struct why *why, enum smtp_stage stage, const struct smtp_reply *reply,
                  const char *host)
{
    char text[sizeof why->reply], status[12];
    smtp_reply_text(reply, text, sizeof text);
    smtp_reply_status(reply, status);
    const char *command = stages[stage].command;
    if (reply->code == 421)
        why_set(why, WHY_HOST, status[0] == '4' ? status : "4.3.2", "the host closed the session");
    else if (reply->code >= 500)
        why_set(why, stages[stage].permanent, status, "the host refused %s", command);
    else if (reply->code >= 400)
        why_set(why, stages[stage].temporary, status, "the host refused %s at this time", command);
    else // A success where none is possible: neither class is to be trusted.
        why_set(why, WHY_HOST, "4.5.0", "the host answered %s with code %d, which makes no sense",
                command, reply->code);
    why_host(why, host);
    why_reply(why, text);
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
