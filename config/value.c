// SPDX-License-Identifier: ISC
// Numbers, durations, sizes, rates, dates and words of the configuration, from text and to text.
#include "config/value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

// Largest first: printing takes the first that divides.
static const struct unit durations[] = {
    {"d", DAY_MS}, {"h", HOUR_MS}, {"m", MINUTE_MS}, {"s", SECOND_MS}, {"ms", 1},
};
static const struct unit sizes[] = {
    {"TiB", (uint64_t)1 << 40},
    {"GiB", (uint64_t)1 << 30},
    {"MiB", (uint64_t)1 << 20},
    {"KiB", (uint64_t)1 << 10},
    {"B", 1},
};
#define UNITS(table) (sizeof(table) / sizeof(table)[0])

// What a value may be at most: leaves room for adding a few of them without overflow.
#define VALUE_MAX ((uint64_t)1 << 60)

const char *value_quote(struct span text, char out[VALUE_QUOTE])
{
    size_t n = 0, i = 0;
    out[n++] = '\'';
    for (; i < text.n && n < VALUE_QUOTE - 10; i++) {
        unsigned char c = text.p[i];
        // U+0080 to U+009F are control characters to a terminal; in UTF-8 they begin with C2.
        bool c1 = c == 0xC2 && i + 1 < text.n && text.p[i + 1] < 0xA0;
        if (c < 0x20 || c == 0x7F || c1) {
            n += (size_t)snprintf(out + n, 5, "\\x%02X", c);
            if (c1)
                n += (size_t)snprintf(out + n, 5, "\\x%02X", text.p[++i]);
        } else {
            out[n++] = (char)c;
        }
    }
    // Never half a character at the cut.
    bool cut = i < text.n;
    if (cut && (text.p[i] & 0xC0) == 0x80) {
        while (n > 1 && ((unsigned char)out[n - 1] & 0xC0) == 0x80)
            n--;
        if (n > 1)
            n--;
    }
    snprintf(out + n, VALUE_QUOTE - n, cut ? "...'" : "'");
    return out;
}

static int value_bad(struct why *why, struct span text, const char *what)
{
    char quoted[VALUE_QUOTE];
    return why_set(why, WHY_OURS, "5.3.5", "%s is not %s", value_quote(text, quoted), what);
}

int value_bool(struct span text, bool *out, struct why *why)
{
    // The words of YAML 1.1, since editors and generators still write them.
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}};
    for (size_t i = 0; i < 3; i++)
        for (int v = 0; v < 2; v++)
            if (span_is_nocase(text, words[i][v])) {
                *out = v == 1;
                return 0;
            }
    return value_bad(why, text, "true or false");
}

int value_number(struct span text, uint64_t min, uint64_t max, uint64_t *out, struct why *why)
{
    uint64_t n;
    char quoted[VALUE_QUOTE];
    if (!span_number(text, VALUE_MAX, &n))
        return value_bad(why, text, "a whole number");
    if (n < min || n > max)
        return why_set(why, WHY_OURS, "5.3.5", "%s is out of range: %" PRIu64 " to %" PRIu64,
                       value_quote(text, quoted), min, max);
    *out = n;
    return 0;
}

// A number and its unit. A bare 0 needs none; other bare numbers only where `bare` says what they
// count.
static bool with_unit(struct span text, const struct unit *units, size_t nunits, uint64_t bare,
                      uint64_t *out)
{
    size_t digits = 0;
    while (digits < text.n && ascii_is_digit(text.p[digits]))
        digits++;
    uint64_t n;
    if (!span_number(span_slice(text, 0, digits), VALUE_MAX, &n))
        return false;
    struct span unit = span_from(text, digits);
    uint64_t factor = unit.n ? 0 : n ? bare : 1;
    for (size_t i = 0; i < nunits && !factor; i++)
        if (span_is(unit, units[i].name))
            factor = units[i].factor;
    if (!factor || n > VALUE_MAX / factor)
        return false;
    *out = n * factor;
    return true;
}

int value_duration(struct span text, uint64_t *ms, struct why *why)
{
    if (with_unit(text, durations, UNITS(durations), 0, ms))
        return 0;
    return value_bad(why, text, "a duration such as 90s, 15m, 4h or 5d");
}

int value_size(struct span text, uint64_t *bytes, struct why *why)
{
    if (with_unit(text, sizes, UNITS(sizes), 1, bytes))
        return 0;
    return value_bad(why, text, "a size such as 64KiB, 25MiB or 1GiB");
}

int value_rate(struct span text, struct rate *out, struct why *why)
{
    struct span count, per;
    struct rate rate;
    if (span_is(text, "0")) {
        *out = (struct rate){0, HOUR_MS};
        return 0;
    }
    if (!span_cut(text, '/', &count, &per) || !span_number(count, VALUE_MAX, &rate.count) || !per.n)
        return value_bad(why, text, "a rate such as 1000/h or 20/m");
    char one[VALUE_TEXT];
    if (!ascii_is_digit(per.p[0]) && per.n < 8) { // "h" is one hour
        snprintf(one, sizeof one, "1%.*s", (int)per.n, (const char *)per.p);
        per = span_text(one);
    }
    if (!with_unit(per, durations, UNITS(durations), 0, &rate.per_ms) || rate.per_ms == 0)
        return value_bad(why, text, "a rate such as 1000/h or 20/m");
    *out = rate;
    return 0;
}

// Days since 1970-01-01 of a date in the proleptic Gregorian calendar; year 1 or later.
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2) { // years that begin in March have their leap day last
        year--;
        month += 12;
    }
    int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5;
    return days + day - 1 - 719468;
}

static bool leap(uint64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int value_until(struct span text, int64_t *last, struct why *why)
{
    static const uint64_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t year, month, day;
    if (span_is(text, "never")) {
        *last = INT64_MAX;
        return 0;
    }
    if (text.n != 10 || text.p[4] != '-' || text.p[7] != '-' ||
        !span_number(span_slice(text, 0, 4), 9999, &year) || year < 1970 ||
        !span_number(span_slice(text, 5, 7), 12, &month) || month == 0 ||
        !span_number(span_slice(text, 8, 10), 31, &day) || day == 0 ||
        day > lengths[month - 1] + (month == 2 && leap(year)))
        return value_bad(why, text, "a date such as 2027-03-31, nor 'never'");
    *last = (days_of((int64_t)year, (int64_t)month, (int64_t)day) + 1) * 86400 - 1;
    return 0;
}

int value_choice(struct span text, const char *words, struct why *why)
{
    int i = 0;
    char list[256], quoted[VALUE_QUOTE];
    size_t n = 0;
    for (const char *w = words; *w; i++) {
        size_t len = strcspn(w, " ");
        if (span_equal(text, span_of(w, len)))
            return i;
        bool last = w[len] == 0;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%.*s",
                              !i     ? ""
                              : last ? " or "
                                     : ", ",
                              (int)len, w);
        assert(n < sizeof list);
        w += len + !last;
    }
    return why_set(why, WHY_OURS, "5.3.5", "%s is not one of: %s", value_quote(text, quoted), list);
}

static void unit_text(uint64_t n, const struct unit *units, size_t nunits, const char *zero,
                      char out[VALUE_TEXT])
{
    size_t i = 0;
    while (i + 1 < nunits && (n == 0 || n % units[i].factor))
        i++;
    if (n == 0)
        snprintf(out, VALUE_TEXT, "%s", zero);
    else
        snprintf(out, VALUE_TEXT, "%" PRIu64 "%s", n / units[i].factor, units[i].name);
}

void value_duration_text(uint64_t ms, char out[VALUE_TEXT])
{
    unit_text(ms, durations, UNITS(durations), "0s", out);
}

void value_size_text(uint64_t bytes, char out[VALUE_TEXT])
{
    unit_text(bytes, sizes, UNITS(sizes), "0", out);
}

void value_rate_text(struct rate rate, char out[VALUE_TEXT])
{
    char per[VALUE_TEXT];
    value_duration_text(rate.per_ms ? rate.per_ms : HOUR_MS, per);
    // "1h" is written "h".
    const char *unit = per[0] == '1' && !ascii_is_digit(per[1]) ? per + 1 : per;
    snprintf(out, VALUE_TEXT, "%" PRIu64 "/%.40s", rate.count, unit);
}

void value_until_text(int64_t last, char out[VALUE_TEXT])
{
    if (last == INT64_MAX) {
        snprintf(out, VALUE_TEXT, "never");
        return;
    }
    // The inverse of days_of: the era of 400 years first, then the year in it that begins in March.
    int64_t z = last / 86400 + 719468, era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    snprintf(out, VALUE_TEXT, "%04" PRId64 "-%02" PRId64 "-%02" PRId64,
             yoe + era * 400 + (month <= 2), month, doy - (153 * mp + 2) / 5 + 1);
}
