// SPDX-License-Identifier: ISC
// Exceptions (destinations with `until`) that end while the relay runs: one log line each. Those that had
// ended before are told by whoever reads the configuration.
#ifndef RELAY_RUN_EXCEPTIONS_H
#define RELAY_RUN_EXCEPTIONS_H

#include <stdint.h>
#include "config/config.h"

// Tells what ended since *looked_s (0: nothing yet) and sets that to now. Often; a step of the clock is
// borne.
void exceptions_look(const struct config *config, int64_t *looked_s);

#endif
