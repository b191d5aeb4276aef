// SPDX-License-Identifier: ISC
// When to try again. Pure arithmetic: the schedule of `delivery.retry` with jitter, and how long a host
// that does not answer is left alone (RFC 5321 section 4.5.4.1).
#ifndef RELAY_DELIVER_RETRY_H
#define RELAY_DELIVER_RETRY_H

#include <stddef.h>
#include <stdint.h>

#define RETRY_JITTER_PERCENT 10 // a wait is its step plus or minus this much
#define RETRY_HOST_FIRST_MS  30000
#define RETRY_HOST_LAST_MS   600000

// Milliseconds to wait after the attempts-th attempt (1 the first). `steps` in ms, the last repeats; n > 0.
// `dice` is any random number: the same dice give the same wait.
uint64_t retry_wait(const uint64_t *steps, size_t n, unsigned attempts, uint64_t dice);

// When to try next, wall clock: after the wait, but not beyond the moments at which something must happen
// anyway: the expiry (so that the last attempt is made then) and, while it lies ahead, the delay warning
// (0: none).
int64_t retry_at(int64_t now_ms, uint64_t wait_ms, int64_t expire_ms, int64_t warn_ms);

// How long an address that failed `failures` times in a row (1 the first) is not tried, in ms. Within
// the schedule's own bounds: a relay told to retry quickly probes quickly.
uint64_t retry_host_wait(const uint64_t *steps, size_t n, unsigned failures);

#endif
