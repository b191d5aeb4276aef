// SPDX-License-Identifier: ISC
// The arithmetic of trying again. Asks no clock and rolls no dice of its own.
#include "relay/deliver/retry.h"

#include <assert.h>

uint64_t retry_wait(const uint64_t *steps, size_t n, unsigned attempts, uint64_t dice)
{
    assert(n > 0);
    size_t i = attempts > 0 ? attempts - 1 : 0;
    uint64_t step = steps[i < n ? i : n - 1];
    uint64_t spread = step / 100 * 2 * RETRY_JITTER_PERCENT;
    // Jitter both ways keeps the mean, and spreads what one outage lined up.
    return spread ? step - spread / 2 + dice % spread : step;
}

int64_t retry_at(int64_t now_ms, uint64_t wait_ms, int64_t expire_ms, int64_t warn_ms)
{
    int64_t at =
        wait_ms > (uint64_t)(INT64_MAX - 1 - now_ms) ? INT64_MAX - 1 : now_ms + (int64_t)wait_ms;
    if (expire_ms > now_ms && at > expire_ms)
        at = expire_ms;
    if (warn_ms > now_ms && at > warn_ms)
        at = warn_ms;
    return at;
}

uint64_t retry_host_wait(const uint64_t *steps, size_t n, unsigned failures)
{
    assert(n > 0);
    uint64_t wait = steps[0] < RETRY_HOST_FIRST_MS ? steps[0] : RETRY_HOST_FIRST_MS;
    uint64_t last = steps[n - 1] < RETRY_HOST_LAST_MS ? steps[n - 1] : RETRY_HOST_LAST_MS;
    for (unsigned i = 1; i < failures && wait < last; i++)
        wait *= 2;
    return wait < last ? wait : last;
}
