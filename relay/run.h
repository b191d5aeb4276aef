// SPDX-License-Identifier: ISC
// What the control verbs may ask of the running main thread. On the main thread only.
#ifndef RELAY_RUN_H
#define RELAY_RUN_H

#include "relay/control.h"

int run_reload(struct relay *relay); // the exit status that `waxwing reload` shows
void run_stop(struct relay *relay, const char *reason);
const struct setup *run_setup(struct relay *relay);
struct mailbox *run_mail(struct relay *relay);

#endif
