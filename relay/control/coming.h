// SPDX-License-Identifier: ISC
// What will break within days (relay/recent/coming.h), as the running relay knows it: a verb of the control socket, and
// a look of its own now and then, for metrics and for what is ours to mend.
#ifndef RELAY_CONTROL_COMING_H
#define RELAY_CONTROL_COMING_H

#include <jansson.h>
#include "relay/control/control.h"

#define COMING_LOOK_MS 3600000 // how often the relay looks by itself
#define COMING_LOOKED  14      // days that it looks ahead

void control_coming(struct control_call *call, struct relay *relay, const json_t *request);
// On the main loop, often: looks when it is time. *looked_ms: clock_mono_ms() of the last look, 0: none yet.
void coming_look(struct relay *relay, uint64_t *looked_ms);

#endif
