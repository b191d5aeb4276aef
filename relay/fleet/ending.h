// SPDX-License-Identifier: ISC
// How the fleet's threads are told to end: by an eventfd that can be read from then on and is never read.
#ifndef RELAY_FLEET_ENDING_H
#define RELAY_FLEET_ENDING_H

#include <stdbool.h>
#include <stdint.h>

// Whether it was written to, or is within so many milliseconds; a signal may cut the wait short. -1: it never is.
bool ending_asked(int eventfd, uint64_t ms);

#endif
