// SPDX-License-Identifier: ISC
// What `waxwing tls` and the control verbs behind it share: a question as JSON, ledger rows as JSON. The relay
// answers with the same rows as the command finds in the file, so there is one way to print them.
#ifndef RELAY_COMMAND_TLS_H
#define RELAY_COMMAND_TLS_H

#include <jansson.h>
#include "config/config.h"
#include "relay/state/json.h"

// Text for people, 80 columns; what a peer wrote cannot steer a terminal.
void tls_print_failure(const json_t *row);
void tls_print_summary(const json_t *sums);
void tls_print_policies(const json_t *answer);
void tls_print_policy(const json_t *policy);
void tls_print_exceptions(const json_t *exceptions);
void tls_print_sending(const json_t *row); // of `waxwing tls reports`

// Rows of STATE_SUMS summed to one a day, domain and type.
json_t *tls_summary_json(const json_t *rows);
// What each exception of the configuration is worth, judged by rows of STATE_SUMS of the last days.
#define EXCEPTION_DAYS 7
json_t *tls_exceptions_json(const struct config *config, const json_t *rows);

// relay/command/tls_shadow.c: rows of shadow_json by domain, with the exception that would make enforcing safe for each;
// as text with YAML to paste, or as JSON.
#define SHADOW_DAYS      7  // without --days
#define SHADOW_EXCEPTION 90 // days that an exception is good for
json_t *tls_shadow_json(const struct config *config, const json_t *rows, int64_t days);
void tls_print_shadow(const json_t *shadow);

// relay/command/tls_coming.c: findings of relay/recent/coming.h.
#define COMING_DAYS 14 // without --days
void tls_print_coming(const json_t *coming, int64_t days);

// relay/command/tls_reports.c: what became of daily reports; an operator's wish to send them.
struct tls_reports_asked {
    const struct config *config; // NULL with `state`
    const char *state;           // the database to read, and no relay to ask; NULL
    const char *domain, *day;    // NULL: any
    int64_t since_ms;
    bool json;
    bool fleet; // of all nodes, as their database has it
};
int tls_reports_list(const struct tls_reports_asked *asked);
int tls_reports_send(const struct tls_reports_asked *asked); // of `day`

#endif
