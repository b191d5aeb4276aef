// SPDX-License-Identifier: ISC
// `waxwing fleet leave`: a spool that had a second place has one no more. Its mail is on this disk alone from then on.
#ifndef RELAY_FLEET_LEAVE_H
#define RELAY_FLEET_LEAVE_H

#include "config/config.h"
#include "relay/base/why.h"

// While no relay uses the spool. *was: it had one. -1 with why and *exit_status, and all is as it was.
int fleet_leave(const struct config *config, bool *was, int *exit_status, struct why *why);

#endif
