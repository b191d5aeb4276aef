// SPDX-License-Identifier: ISC
// What the sender of a message is told of a reason: beside the catalogue (relay/base/reasons.h), whose advice is for
// whoever runs the relay. The rows stand in reasons_told.def.
#ifndef RELAY_BASE_TOLD_H
#define RELAY_BASE_TOLD_H

#include "relay/base/why.h"

// Texts are "" where there is nothing of its own to say; their words in capitals: relay/base/advice.h.
struct told {
    const char *by;       // how the one who must act can fix it: "by renewing the certificate"
    enum act other;       // who else can; ACT_NONE: nobody
    const char *other_by; // how, or in which case
    const char *sender;   // what the sender can do
};

// An empty row for a reason without one; never NULL.
const struct told *told_of(enum reason reason);

#endif
