// SPDX-License-Identifier: ISC
// Shared by the verbs of relay/control/ alone.
#ifndef RELAY_CONTROL_INSIDE_H
#define RELAY_CONTROL_INSIDE_H

#include "relay/control/control.h"

void control_export(struct control_call *call, struct relay *relay,
                    const json_t *request); // export.c
void control_summary(struct control_call *call, struct relay *relay,
                     const json_t *request); // summary.c

#endif
