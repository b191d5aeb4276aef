// SPDX-License-Identifier: ISC
// What checking a password against a crypt(5) hash costs, as its text tells: enough to order schemes, so that
// an unknown name can be made to cost as much as the costliest known one.
#ifndef RELAY_SETUP_COST_H
#define RELAY_SETUP_COST_H

#include <stdint.h>

// Microseconds, roughly, of one core.
uint64_t cost_of_hash(const char *hash);

#endif
