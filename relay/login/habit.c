// SPDX-License-Identifier: ISC
// Counts, a filter of domains, and three comparisons. Knows no login by name.
#include "relay/login/habit.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

const char *habit_sign_word(enum habit_sign sign)
{
    static const char *const words[HABIT_SIGNS] = {"", "rate", "domains", "bounces"};
    return words[sign];
}

static void halve(struct habit *h, int64_t now_ms)
{
    if (!h->halved_ms || now_ms < h->halved_ms) // the clock was set back
        h->halved_ms = now_ms;
    for (int i = 0; i < 64 && now_ms - h->halved_ms >= HABIT_WEEK; i++) {
        h->peak /= 2;
        h->good /= 2;
        h->bad /= 2;
        h->halved_ms += HABIT_WEEK;
    }
    if (now_ms - h->halved_ms >= HABIT_WEEK)
        h->halved_ms = now_ms;
}

static void turn_hour(struct habit *h, int64_t now_ms)
{
    if (now_ms >= h->hour_ms && now_ms - h->hour_ms < HABIT_HOUR)
        return;
    if (h->hour > h->peak)
        h->peak = h->hour;
    h->hour_ms = now_ms;
    h->hour = h->fresh = 0;
}

// True: it was not in the filter.
static bool habit_add_domain(struct habit *h, const char *domain)
{
    uint64_t hash = XXH3_64bits(domain, strlen(domain));
    bool fresh = false;
    for (int i = 0; i < 2; i++, hash >>= 32) {
        unsigned bit = (unsigned)(hash % HABIT_BITS);
        fresh |= !(h->domains[bit / 8] >> bit % 8 & 1);
        h->domains[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
    return fresh;
}

enum habit_sign habit_sent(struct habit *h, const struct cfg_jumps *limits,
                           const char *const *domains, size_t n, int64_t now_ms)
{
    if (!h->since_ms || now_ms < h->since_ms)
        h->since_ms = now_ms;
    halve(h, now_ms);
    turn_hour(h, now_ms);
    h->used_ms = now_ms;
    h->hour += (unsigned)n;
    for (size_t i = 0; i < n; i++)
        h->fresh += habit_add_domain(h, domains[i]);
    if (now_ms - h->since_ms < (int64_t)limits->learn)
        return HABIT_USUAL;
    if (limits->rate && h->hour >= limits->recipients && h->hour > h->peak * (double)limits->rate)
        return HABIT_RATE;
    return limits->domains && h->fresh >= limits->domains ? HABIT_DOMAINS : HABIT_USUAL;
}

enum habit_sign habit_result(struct habit *h, const struct cfg_jumps *limits, bool failed,
                             int64_t now_ms)
{
    halve(h, now_ms);
    if (failed)
        h->bad++;
    else
        h->good++;
    double all = h->good + h->bad;
    bool many = limits->bounces && all >= (double)limits->results &&
                100 * h->bad > all * (double)limits->bounces;
    return many ? HABIT_BOUNCES : HABIT_USUAL;
}

void habit_forgive(struct habit *h, int64_t now_ms)
{
    if (h->hour > h->peak)
        h->peak = h->hour;
    h->hour_ms = now_ms;
    h->hour = h->fresh = 0;
    h->good = h->bad = 0;
}

void habit_say(const struct habit *h, enum habit_sign sign, char *out, size_t size)
{
    double all = h->good + h->bad;
    if (sign == HABIT_RATE)
        snprintf(out, size, "%u recipients within an hour, where its busiest had %.0f", h->hour,
                 h->peak);
    else if (sign == HABIT_DOMAINS)
        snprintf(out, size, "%u domains within an hour that it had not written to before",
                 h->fresh);
    else if (sign == HABIT_BOUNCES)
        snprintf(out, size, "%.0f of %.0f recipients of late failed", h->bad, all);
    else
        snprintf(out, size, "it is as usual");
}
