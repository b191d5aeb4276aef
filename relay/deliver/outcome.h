// SPDX-License-Identifier: ISC
// What becomes of a recipient: a reason in, delivered / later / never / expired out; and how an SMTP reply
// becomes a reason. Pure. The one place where class 4 and class 5 lead to different ends, so that DNS trouble, a
// lost connection or a host's bad day never turn into a bounce before the message expires (RFC 5321 section 4.2.1,
// RFC 3463). What all hosts lack has been made the domain's before (give_up in relay/deliver/host.c).
#ifndef RELAY_DELIVER_OUTCOME_H
#define RELAY_DELIVER_OUTCOME_H

#include "relay/base/why.h"
#include "relay/message/message.h"
#include "relay/smtp/reply.h"

enum outcome { OUTCOME_DELIVERED, OUTCOME_LATER, OUTCOME_NEVER, OUTCOME_EXPIRED };

// `why` NULL or not set: delivered. Never: class 5 about the recipient, the message or the domain. A
// host's class 5 is later: another host, or another day (RFC 7504 aside, that is what senders do). What is
// our own fault is always later. Later past expire_ms (wall clock) is expired.
enum outcome outcome(const struct why *why, int64_t now_ms, int64_t expire_ms);

// What is tried again is not permanent, whatever class a host gave: the status says so too (RFC 3463 section 2; an
// action "delayed" goes with class 4). The reply keeps its own code.
void outcome_agree(struct why *why);

// Where in the dialogue a reply came.
enum smtp_stage {
    STAGE_GREETING,
    STAGE_EHLO,
    STAGE_AUTH,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA,
    STAGE_BDAT, // a chunk that is not the last
    STAGE_FINAL
};
// Fills the reason for a reply that is not what the stage hoped for; host and reply set. Always -1. 421 is about the
// host, whatever the stage.
int outcome_reply(struct why *why, enum smtp_stage stage, const struct smtp_reply *reply,
                  const char *host);
// The reply to a RCPT says "too many recipients": the others belong into another transaction
// (RFC 5321 section 4.5.3.1.10: 452, or 552 from old servers).
bool outcome_too_many(const struct smtp_reply *reply);

enum dsn_kind { DSN_FAILED, DSN_DELAYED, DSN_RELAYED };
// Whether the sender is owed this report for the recipient: never for the null sender, nor about what we
// made ourselves; NOTIFY decides, and without it failures and delays are told (RFC 3461 section 4.1).
bool outcome_owes(const struct envelope *env, const struct recipient *r, enum dsn_kind kind);

#endif
