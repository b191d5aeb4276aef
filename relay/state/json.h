// SPDX-License-Identifier: ISC
// What the ledger says, as JSON: a question read, its rows, reports of a day. The relay answers with the same rows as
// the command finds in the file.
#ifndef RELAY_STATE_JSON_H
#define RELAY_STATE_JSON_H

#include <jansson.h>
#include "config/config.h"
#include "relay/state/reports.h"
#include "relay/state/shadow.h"
#include "tls/report.h"

// Request: {"domain":"","type":"","since":ms,"after":N,"limit":N,"day":"YYYY-MM-DD"}, all optional but that
// day is needed for a report; of failures also "host", "words", "policy", "result" (state_outcome_word) and "until":ms.
// The query borrows from the request. -1 with why.
int tls_query_read(const json_t *request, enum state_view view, struct state_query *query,
                   struct why *why);
// {"rows":[…]}: of STATE_FAILURES and STATE_SUMS.
json_t *tls_rows_json(const struct ledger_rows *rows, enum state_view view);
// Who reports, by the configuration, whose texts it points at.
struct report_sender state_report_sender(const struct config *config);
// {"reports":[{"domain":"","text":""}…]}: one RFC 8460 document a recipient domain.
json_t *tls_reports_json(const struct ledger_rows *rows, int64_t day, const struct config *config);
// {"policies":[…],"memory":[…]} from the file, as routes_policies() has it from the running relay.
json_t *tls_policies_json(const char *state_file, struct why *why);

// {"rows":[...]}: what shadow mode let pass (relay/state/shadow.h).
json_t *shadow_json(const struct shadow_rows *rows);

// Request: {"domain":"","day":"YYYY-MM-DD","since":ms}, all optional. The query borrows from the request.
int sending_query_read(const json_t *request, struct sending_query *query, struct why *why);
// {"rows":[…]}: what became of daily reports.
json_t *sendings_json(const struct sendings *all);

#endif
