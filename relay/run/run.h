// SPDX-License-Identifier: ISC
// What the control verbs may ask of the running main thread. On the main thread only.
#ifndef RELAY_RUN_RUN_H
#define RELAY_RUN_RUN_H

#include "relay/control/control.h"

#define RUN_KEYS_MAX 4096 // bytes of the names of such keys
// The exit status that `waxwing reload` shows; `unchanged` gets the changed keys that only a restart applies.
int run_reload(struct relay *relay, struct buf *unchanged);
void run_stop(struct relay *relay, const char *reason);
int run_relay(const char *config_file); // until it is told to stop; the exit status

#endif
