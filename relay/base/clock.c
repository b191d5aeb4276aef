// SPDX-License-Identifier: ISC
// Wall and monotonic time.
#include "relay/base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static atomic_bool fixed;
static _Atomic int64_t fixed_ms;
static _Atomic int64_t mono_ahead_ms;

static int64_t system_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_ms(void)
{
    return atomic_load(&fixed) ? atomic_load(&fixed_ms) : system_ns(CLOCK_REALTIME) / 1000000;
}

bool clock_is_set(void)
{
    const int64_t born_s = 1767225600; // 2026-01-01
    return clock_s() >= born_s;
}

int64_t clock_s(void)
{
    return clock_ms() / 1000;
}

uint64_t clock_mono_ns(void)
{
    return (uint64_t)(system_ns(CLOCK_MONOTONIC) + atomic_load(&mono_ahead_ms) * 1000000);
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

uint64_t clock_boot_ms(void)
{
    return (uint64_t)(system_ns(CLOCK_BOOTTIME) / 1000000 + atomic_load(&mono_ahead_ms));
}

void clock_fix(int64_t ms)
{
    atomic_store(&fixed_ms, ms);
    atomic_store(&fixed, true);
}

void clock_advance(int64_t ms)
{
    atomic_fetch_add(&fixed_ms, ms);
}

void clock_mono_advance(int64_t ms)
{
    atomic_fetch_add(&mono_ahead_ms, ms);
}

void clock_release(void)
{
    atomic_store(&fixed, false);
}

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// By hand: strftime's names follow the locale, and mail's do not.
void clock_rfc5322(int64_t ms, char out[static 40])
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    time_t s = (time_t)(ms / 1000);
    struct tm t;
    gmtime_r(&s, &t);
    snprintf(out, 40, "%s, %d %s %d %02d:%02d:%02d +0000", days[t.tm_wday], t.tm_mday,
             months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static bool within(int value, int least, int most)
{
    return value >= least && value <= most;
}

bool clock_read_rfc5322(const char *text, int64_t *s)
{
    struct tm t = {0};
    char month[4] = "", zone[6] = "";
    int used = 0, offset = 0;
    const char *comma = strchr(text, ',');
    text = comma ? comma + 1 : text;
    if (sscanf(text, " %2d %3[A-Za-z] %4d %2d:%2d%n", &t.tm_mday, month, &t.tm_year, &t.tm_hour,
               &t.tm_min, &used) != 5)
        return false;
    text += used;
    if (*text == ':' && sscanf(text, ":%2d%n", &t.tm_sec, &used) == 1)
        text += used;
    while (t.tm_mon < 12 && strcasecmp(months[t.tm_mon], month) != 0)
        t.tm_mon++;
    if (t.tm_mon == 12 || !within(t.tm_mday, 1, 31) || !within(t.tm_year, 1970, 9999) ||
        !within(t.tm_hour, 0, 23) || !within(t.tm_min, 0, 59) || !within(t.tm_sec, 0, 60))
        return false;
    t.tm_year -= 1900;
    if (sscanf(text, " %5[-+0-9]", zone) == 1 && (*zone == '+' || *zone == '-') &&
        sscanf(zone + 1, "%4d", &offset) == 1)
        offset = (offset / 100 * 60 + offset % 100) * (*zone == '-' ? -60 : 60);
    *s = (int64_t)timegm(&t) - offset;
    return true;
}

// The text of the same second is asked for again and again, and gmtime_r takes a lock of the C library.
void clock_rfc3339(int64_t ms, char out[static 40])
{
    static _Thread_local int64_t second = INT64_MIN;
    static _Thread_local char text[40];
    time_t s = (time_t)(ms / 1000);
    if (s != second) {
        struct tm t = {0};
        gmtime_r(&s, &t); // leaves it alone where the year does not fit
        snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900,
                 t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
        second = s;
    }
    memcpy(out, text, sizeof text);
}
