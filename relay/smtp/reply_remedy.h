// SPDX-License-Identifier: ISC
// Who can mend what a host's reply is about, and what to do: by the kind of the reply, where that says more than the
// row of the catalogue (relay/base/reasons.h) for the step at which it came. The one source of such advice for
// `explain`, the queue and the pages. Pure.
#ifndef RELAY_SMTP_REPLY_REMEDY_H
#define RELAY_SMTP_REPLY_REMEDY_H

#include "relay/base/told.h"
#include "relay/smtp/reply_class.h"

// Of a reply that came at the step of `reason`; ACT_NONE: the row of the reason says it.
enum act reply_act(enum reason reason, const struct reply_meaning *meaning);
// What whoever runs the relay can do about it. REPLY_OTHER: no reply is known. The text of the row where that says it
// best; "" for REASON_NONE.
const char *reply_advice(enum reason reason, enum reply_class class);
// The same of what it means, and of what the sender is told.
const char *reply_means(enum reason reason, enum reply_class class);
const struct told *reply_told(enum reason reason, enum reply_class class);

#endif
