// SPDX-License-Identifier: ISC
// The one ledger asked by a command, which goes to the database itself, whether a relay runs here or not. Each call
// blocks; NULL or -1 with why, and *exit_status what the program should exit with.
#ifndef RELAY_FLEET_LEDGER_LOOK_H
#define RELAY_FLEET_LEDGER_LOOK_H

#include <jansson.h>
#include "config/config.h"
#include "relay/state/reports.h"

// What all nodes counted, as state_ask answers of one. Failures of one kind, with the same addresses and words, are one
// row each, with their count and the moment of the latest; details that only their node has are not there.
int ledger_look(const struct config *config, const struct state_query *query,
                struct ledger_rows *out, int *exit_status, struct why *why);
// {"reports":[…]} as tls_reports_json has it of one node: with the id that each was sent with, where it was.
json_t *ledger_look_reports(const struct config *config, const struct state_query *query,
                            int *exit_status, struct why *why);
// {"rows":[…]}: who claimed which report, and what became of it; as sendings_json, with "node".
json_t *ledger_look_claims(const struct config *config, const struct sending_query *query,
                           int *exit_status, struct why *why);

#endif
