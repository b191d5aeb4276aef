// SPDX-License-Identifier: ISC
// Days and moments of reports.
#include "relay/report/schedule.h"

#include "relay/deliver/retry.h"
#include "tls/ledger.h"

int64_t schedule_day(int64_t planned, int64_t now_ms)
{
    int64_t today = ledger_day(now_ms - SCHEDULE_SETTLE_MS), day = today - SCHEDULE_CATCH_UP;
    if (planned != SCHEDULE_NEVER && planned + 1 > day)
        day = planned + 1;
    return day < today ? day : SCHEDULE_NEVER;
}

void schedule_window(int64_t day, uint64_t spread_ms, int64_t now_ms, int64_t *start_ms,
                     uint64_t *width_ms)
{
    int64_t first = (day + 1) * LEDGER_DAY_MS + SCHEDULE_FIRST_MS;
    int64_t last = first + (int64_t)spread_ms;
    *start_ms = first > now_ms ? first : now_ms;
    uint64_t late = spread_ms < SCHEDULE_LATE_MS ? spread_ms : SCHEDULE_LATE_MS;
    *width_ms = last - *start_ms > (int64_t)late ? (uint64_t)(last - *start_ms) : late;
}

int64_t schedule_again(const uint64_t *steps, size_t n, unsigned attempts, uint64_t dice,
                       int64_t now_ms, int64_t until_ms)
{
    if (now_ms >= until_ms)
        return SCHEDULE_NEVER;
    return retry_at(now_ms, retry_wait(steps, n, attempts, dice), until_ms, 0);
}
