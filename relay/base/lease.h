// SPDX-License-Identifier: ISC
// How long this process may act, where that is lent to it (relay/fleet/holder.h): a moment of clock_boot_ms(), which runs
// on while the machine sleeps or the process is stopped. Nobody lends anything to a relay without a fleet. Any thread.
#ifndef RELAY_BASE_LEASE_H
#define RELAY_BASE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#define LEASE_FOREVER UINT64_MAX // as it is at first

void lease_until(uint64_t boot_ms);
bool lease_held(void); // false: nothing may be said to anybody any more
uint64_t lease_left_ms(void);

#endif
