// SPDX-License-Identifier: ISC
// The moment at which what was lent ends.
#include "relay/base/lease.h"

#include <stdatomic.h>
#include "relay/base/clock.h"

static _Atomic uint64_t ends = LEASE_FOREVER;

void lease_until(uint64_t boot_ms)
{
    atomic_store(&ends, boot_ms);
}

uint64_t lease_left_ms(void)
{
    uint64_t end = atomic_load(&ends), now = end == LEASE_FOREVER ? 0 : clock_boot_ms();
    return end > now ? end - now : 0;
}

bool lease_held(void)
{
    return lease_left_ms() > 0;
}
