// SPDX-License-Identifier: ISC
// Entries about connection attempts, as values. Keeps nothing: relay/state/state.c does.
#include "tls/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"

// Every string of an entry, so that none is forgotten in one of three places.
static const size_t strings[] = {
    offsetof(struct ledger_entry, domain),        offsetof(struct ledger_entry, policy_domain),
    offsetof(struct ledger_entry, policy_string), offsetof(struct ledger_entry, mx_patterns),
    offsetof(struct ledger_entry, mx_host),       offsetof(struct ledger_entry, mx_ip),
    offsetof(struct ledger_entry, local_ip),      offsetof(struct ledger_entry, mx_helo),
    offsetof(struct ledger_entry, protocol),      offsetof(struct ledger_entry, cipher),
    offsetof(struct ledger_entry, proof),         offsetof(struct ledger_entry, demand),
    offsetof(struct ledger_entry, source),        offsetof(struct ledger_entry, reason),
};
#define STRINGS (sizeof strings / sizeof *strings)

static char **member_at(const struct ledger_entry *entry, size_t i)
{
    return (char **)(void *)((char *)(uintptr_t)entry + strings[i]);
}

struct ledger_entry *ledger_entry_new(void)
{
    struct ledger_entry *entry = mem_new(sizeof *entry);
    entry->time_ms = clock_ms();
    for (size_t i = 0; i < STRINGS; i++)
        *member_at(entry, i) = mem_dup("");
    return entry;
}

void ledger_entry_set(char **member, const char *value)
{
    char *copy = mem_dup(value ? value : ""); // first: value may be the member itself
    free(*member);
    *member = copy;
}

void ledger_entry_free(struct ledger_entry *entry)
{
    if (!entry)
        return;
    for (size_t i = 0; i < STRINGS; i++)
        free(*member_at(entry, i));
    free(entry);
}

size_t ledger_entry_size(const struct ledger_entry *entry)
{
    size_t n = sizeof *entry;
    for (size_t i = 0; i < STRINGS; i++)
        n += strlen(*member_at(entry, i)) + 1;
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
        ledger_entry_free(rows->at[i].entry);
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
