// SPDX-License-Identifier: ISC
// What an attempt met, told to whoever remembers it (relay/recent/recents.h).
#ifndef RELAY_QUEUE_MET_H
#define RELAY_QUEUE_MET_H

#include "relay/deliver/delivery.h"

// Its recipients have their standing, and none has gone yet. On its worker's thread. `expires` is when it is given up,
// wall clock. What became of the mail is told in these words: "bounced" and "expired" (its sender is told), "ended"
// and "ended-late" (nobody is to be told), "waits".
void met_note(struct relay *relay, const struct delivery *d, int64_t expires);

#endif
