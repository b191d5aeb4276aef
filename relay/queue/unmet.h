// SPDX-License-Identifier: ISC
// A recipient whose host was not asked this time: it is left alone after an earlier failure, or its site is shut,
// paced or paused. What is told of it says that no connection was made, and never repeats an old reply as a new one.
#ifndef RELAY_QUEUE_UNMET_H
#define RELAY_QUEUE_UNMET_H

#include "relay/deliver/delivery.h"

// attempt NULL: there was none.
bool unmet(const struct attempt *attempt, const struct why *why);
// Makes the sentence say so: the failure that is remembered becomes its cause. Once is enough.
void unmet_say(struct why *why);

#endif
