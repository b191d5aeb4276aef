// SPDX-License-Identifier: ISC
// One entry per connection attempt, as RFC 8460 counts them: what the delivery session reports, the state
// database keeps, and the live view, the metrics and the daily report show.
#ifndef TLS_LEDGER_H
#define TLS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/base/why.h"

enum policy_type { POLICY_NONE_FOUND, POLICY_STS, POLICY_TLSA }; // "no-policy-found", "sts", "tlsa"

struct ledger_entry {
    int64_t time_ms;
    char *domain; // recipient (or next-hop) domain: whose rua gets the report
    enum policy_type policy_type;
    char *policy_domain; // TLSA base domain for tlsa, else the domain
    char *policy_string; // lines joined by LF: policy lines or TLSA records; "" without
    char *mx_patterns;   // MTA-STS mx patterns joined by LF; "" without
    char *mx_host, *mx_ip, *local_ip, *mx_helo;
    enum why_tls result; // WHY_TLS_NONE: success
    bool refused; // policy stopped this host (tls-refused); else delivery was allowed to go on
    bool shadow;
    char *protocol, *cipher, *proof, *demand, *source;
    char *reason; // in words
    uint64_t id;  // the message at hand, 0 without
};
struct ledger_entry *ledger_entry_new(void);             // all strings "" (own copies), time now
void ledger_entry_set(char **member, const char *value); // replaces one string by a copy
void ledger_entry_free(struct ledger_entry *entry);
const char *policy_type_word(enum policy_type type);
size_t ledger_entry_size(const struct ledger_entry *entry); // bytes it holds, about

// Entries as they are kept: each stands for `count` attempts of one UTC day.
struct ledger_row {
    struct ledger_entry *entry; // time_ms: of the latest
    int64_t day;                // days since the epoch
    uint64_t count;
    int64_t number; // grows with time; what `--follow` goes on from; 0 for sums
};
struct ledger_rows {
    struct ledger_row *at;
    size_t n;
};
// Appends; takes the entry over.
void ledger_rows_add(struct ledger_rows *rows, const struct ledger_row *row);
void ledger_rows_free(struct ledger_rows *rows); // leaves it empty

#define LEDGER_DAY_MS INT64_C(86400000)
int64_t ledger_day(int64_t time_ms); // the UTC day that a moment is in, before 1970 too
// "2026-11-21" and back. ledger_day_parse: -1 where the text is no date.
void ledger_day_text(int64_t day, char out[static 16]);
int ledger_day_parse(const char *text, int64_t *day);

#endif
