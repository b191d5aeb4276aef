// SPDX-License-Identifier: ISC
// The verb "waiting": what the queue holds for a domain after failures.
#ifndef RELAY_CONTROL_WAITING_H
#define RELAY_CONTROL_WAITING_H

#include "relay/control/control.h"

// {"domain":D} → {"recipients":N, "next":EPOCH or null, "reason":""}
void control_waiting(struct control_call *call, struct relay *relay, const json_t *request);

#endif
