// SPDX-License-Identifier: ISC
// Facts about connection attempts, as values. Keeps nothing: relay/state/state.c does.
#include "tls/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "relay/base/clock.h"
#include "relay/base/memory.h"

// Every string of a fact, so that none is forgotten in one of three places.
static const size_t strings[] = {
    offsetof(struct ledger_fact, domain),        offsetof(struct ledger_fact, policy_domain),
    offsetof(struct ledger_fact, policy_string), offsetof(struct ledger_fact, mx_patterns),
    offsetof(struct ledger_fact, mx_host),       offsetof(struct ledger_fact, mx_ip),
    offsetof(struct ledger_fact, local_ip),      offsetof(struct ledger_fact, mx_helo),
    offsetof(struct ledger_fact, protocol),      offsetof(struct ledger_fact, cipher),
    offsetof(struct ledger_fact, proof),         offsetof(struct ledger_fact, demand),
    offsetof(struct ledger_fact, source),        offsetof(struct ledger_fact, reason),
};
#define STRINGS (sizeof strings / sizeof *strings)

static char **member_at(const struct ledger_fact *fact, size_t i)
{
    return (char **)(void *)((char *)(uintptr_t)fact + strings[i]);
}

struct ledger_fact *ledger_fact_new(void)
{
    struct ledger_fact *fact = mem_new(sizeof *fact);
    fact->time_ms = clock_ms();
    for (size_t i = 0; i < STRINGS; i++)
        *member_at(fact, i) = mem_dup("");
    return fact;
}

void ledger_fact_set(char **member, const char *value)
{
    char *copy = mem_dup(value ? value : ""); // first: value may be the member itself
    free(*member);
    *member = copy;
}

void ledger_fact_free(struct ledger_fact *fact)
{
    if (!fact)
        return;
    for (size_t i = 0; i < STRINGS; i++)
        free(*member_at(fact, i));
    free(fact);
}

size_t ledger_fact_size(const struct ledger_fact *fact)
{
    size_t n = sizeof *fact;
    for (size_t i = 0; i < STRINGS; i++)
        n += strlen(*member_at(fact, i)) + 1;
    return n;
}

const char *policy_type_word(enum policy_type type)
{
    switch (type) {
    case POLICY_STS:
        return "sts";
    case POLICY_TLSA:
        return "tlsa";
    default:
        return "no-policy-found";
    }
}

void ledger_rows_add(struct ledger_rows *rows, const struct ledger_row *row)
{
    if ((rows->n & (rows->n - 1)) == 0)
        rows->at = mem_grow(rows->at, rows->n ? rows->n * 2 : 1, sizeof *rows->at);
    rows->at[rows->n++] = *row;
}

void ledger_rows_free(struct ledger_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        ledger_fact_free(rows->at[i].fact);
    free(rows->at);
    *rows = (struct ledger_rows){0};
}

int64_t ledger_day(int64_t time_ms)
{
    int64_t day = time_ms / LEDGER_DAY_MS;
    return time_ms % LEDGER_DAY_MS < 0 ? day - 1 : day;
}

void ledger_day_text(int64_t day, char out[static 16])
{
    char text[40];
    clock_rfc3339(day * LEDGER_DAY_MS, text);
    snprintf(out, 16, "%.10s", text);
}

int ledger_day_parse(const char *text, int64_t *day)
{
    struct tm t = {0};
    const char *end = strptime(text, "%Y-%m-%d", &t);
    if (!end || *end)
        return -1;
    *day = ledger_day((int64_t)timegm(&t) * 1000);
    char again[16]; // "2026-02-31" and "26-1-1" are not read as something else
    ledger_day_text(*day, again);
    return strcmp(again, text) == 0 ? 0 : -1;
}
