// SPDX-License-Identifier: ISC
// When the reports of a day go out (RFC 8460 sections 4.1 and 5.5). Pure arithmetic on UTC days; asks no clock.
#ifndef RELAY_REPORT_SCHEDULE_H
#define RELAY_REPORT_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_CATCH_UP  3        // days back that are still reported after a relay was down
#define SCHEDULE_SETTLE_MS 600000   // after midnight: what happened before it is in the ledger
#define SCHEDULE_FIRST_MS  3600000  // after midnight: the first report
#define SCHEDULE_LATE_MS   600000   // what is late is spread over this
#define SCHEDULE_TRY_MS    86400000 // a report is tried for so long
#define SCHEDULE_NEVER     INT64_MIN

// The first day after `planned` whose reports may be planned at `now_ms`; SCHEDULE_NEVER: none yet. `planned`
// SCHEDULE_NEVER: none was.
int64_t schedule_day(int64_t planned, int64_t now_ms);
// The earliest moment, and how far behind it the latest lies. `spread_ms`: the operator's.
void schedule_window(int64_t day, uint64_t spread_ms, int64_t now_ms, int64_t *start_ms,
                     uint64_t *width_ms);
// When to try again after `attempts` attempts, by delivery.retry; SCHEDULE_NEVER: the day is over. `dice`: any
// random number.
int64_t schedule_again(const uint64_t *steps, size_t n, unsigned attempts, uint64_t dice,
                       int64_t now_ms, int64_t until_ms);

#endif
