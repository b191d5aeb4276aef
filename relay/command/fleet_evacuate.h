// SPDX-License-Identifier: ISC
// `waxwing fleet evacuate` (relay/fleet/evacuation.h).
#ifndef RELAY_COMMAND_FLEET_EVACUATE_H
#define RELAY_COMMAND_FLEET_EVACUATE_H

#include "config/config.h"

// `to` NULL: this node is to have the mail, or where it is the one that is to go, another that can. The exit status.
int fleet_evacuate(const struct config *config, const char *node, const char *to, bool json);

#endif
