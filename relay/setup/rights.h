// SPDX-License-Identifier: ISC
// Secrets that everybody on the machine may read.
#ifndef RELAY_SETUP_RIGHTS_H
#define RELAY_SETUP_RIGHTS_H

#include "config/config.h"
#include "relay/base/buf.h"

// Adds a line for each key, users or password file of the configuration that others may read or write, with its
// place and with what mends it. Returns how many secrets it looked at.
size_t rights_look(const struct config *config, struct buf *lines);

#endif
