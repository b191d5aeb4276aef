// SPDX-License-Identifier: ISC
// What the control verbs may ask of the running main thread. On the main thread only.
#ifndef RELAY_RUN_RUN_H
#define RELAY_RUN_RUN_H

#include "relay/control/control.h"

int run_reload(struct relay *relay); // the exit status that `waxwing reload` shows
void run_stop(struct relay *relay, const char *reason);
int run_relay(const char *config_file); // until it is told to stop; the exit status

#endif
