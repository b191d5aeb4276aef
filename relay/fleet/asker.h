// SPDX-License-Identifier: ISC
// The fleet's database as a command asks it, whichever node it runs on, and whether or not a relay runs there.
#ifndef RELAY_FLEET_ASKER_H
#define RELAY_FLEET_ASKER_H

#include "relay/fleet/session.h"

struct asker {
    struct target target;
    struct session *session;
};
// -1 with why, and *exit_status what the program should exit with. To be closed in any case.
int asker_open(struct asker *a, const struct config *config, const char *application,
               int *exit_status, struct why *why);
void asker_close(struct asker *a);

#endif
