// SPDX-License-Identifier: ISC
// What time it is. Wall time (Unix epoch) for what outlives the process or is shown; monotonic time for
// waiting. Tests and `--now` stop or move the wall clock; nothing else may call time() itself.
#ifndef RELAY_BASE_CLOCK_H
#define RELAY_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_ms(void); // wall time, milliseconds since the epoch
int64_t clock_s(void);  // the same in seconds
// False: before there was this program, as on a machine whose clock runs from 1970 on after a power cut. What to say
// behind the time it shows: CLOCK_UNSET.
bool clock_is_set(void);
#define CLOCK_UNSET                                                                                \
    " is the time of this machine's clock, which is not set: certificates, DNSSEC and signatures " \
    "cannot hold until it is (timedatectl set-ntp true)"
uint64_t clock_mono_ms(void); // monotonic, milliseconds
uint64_t clock_mono_ns(void);
uint64_t clock_boot_ms(void); // since the machine started, its sleep included; never set by anybody

void clock_fix(int64_t ms);          // from now on the wall clock stands at ms
void clock_advance(int64_t ms);      // moves a fixed clock
void clock_release(void);            // back to the system's clock
void clock_mono_advance(int64_t ms); // tests: so much later, for whatever waits by this clock

// "Sat, 21 Nov 2026 20:49:00 +0000" (RFC 5322), "2026-11-21T20:49:00Z" (RFC 3339); at most 40 bytes.
void clock_rfc5322(int64_t ms, char out[static 40]);
// A date as header fields carry it (RFC 5322 section 3.3), seconds since the epoch; a zone that is no
// offset counts as +0000. False: not one.
bool clock_read_rfc5322(const char *text, int64_t *s);
void clock_rfc3339(int64_t ms, char out[static 40]);

#endif
