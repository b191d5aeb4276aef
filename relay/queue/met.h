// SPDX-License-Identifier: ISC
// What an attempt met, told to whoever remembers it (relay/recent/recents.h).
#ifndef RELAY_QUEUE_MET_H
#define RELAY_QUEUE_MET_H

#include "relay/deliver/delivery.h"

// Its recipients have their standing, and none has gone yet. On its worker's thread.
void met_note(struct relay *relay, const struct delivery *d);

#endif
