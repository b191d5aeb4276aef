// SPDX-License-Identifier: ISC
// The site's own way of changing its DNS: a shell command, called with what is to happen.
#ifndef RELAY_ROTATE_PUBLISH_H
#define RELAY_ROTATE_PUBLISH_H

#include "relay/base/why.h"

#define PUBLISH_WAIT_MS 60000

// Runs `command` with the words action ("add" or "remove"), name and record behind it, and waits for its end; what it
// prints goes to stderr. -1 with why: it failed, or was killed after PUBLISH_WAIT_MS.
int publish_run(const char *command, const char *action, const char *name, const char *record,
                struct why *why);

#endif
