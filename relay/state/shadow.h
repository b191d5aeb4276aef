// SPDX-License-Identifier: ISC
// What shadow mode let pass: mail that would have been refused had the relay enforced, counted by UTC day, domain, host
// and reason. The ledger (tls/ledger.h) counts sessions; this counts the mail that went over them.
#ifndef RELAY_STATE_SHADOW_H
#define RELAY_STATE_SHADOW_H

#include <stdlib.h>
#include "relay/state/state.h"

struct shadow_row {
    int64_t day;
    char *domain; // whose exception would let it pass: the recipients', or an operator's next hop
    char *host, *why, *type; // why: a name of the catalogue; type: of RFC 8460, "" without
    char *text;              // the sentence, as it was last
    int64_t sessions, messages, recipients, bytes;
    int64_t clear;    // messages that went in clear
    int64_t unproved; // messages over connections that had no trusted certificate for the host
    int64_t last_ms;
};
static inline void shadow_row_free(struct shadow_row *row) // what it holds
{
    free(row->domain);
    free(row->host);
    free(row->why);
    free(row->type);
    free(row->text);
}
// Adds the counts to its row; takes over what it holds. Any thread; never blocks; bounded as entries are.
void state_shadow_add(struct state *state, const struct shadow_row *row);

struct shadow_rows {
    struct shadow_row *at;
    size_t n;
};
void shadow_rows_free(struct shadow_rows *rows);
#define STATE_SHADOW_ROWS 10000 // of one answer, those with most messages
// Since that day, days added up (`day` is then the last). On the loop of `reply`; `why` is set where the database
// cannot be read. The rows are the callback's until it returns.
typedef void state_shadow_fn(const struct shadow_rows *rows, const struct why *why, void *arg);
void state_shadow_ask(struct state *state, int64_t since_day, struct inbox *reply,
                      state_shadow_fn *fn, void *arg);
// The same from the file. -1 with why.
int state_shadow_file(const char *path, int64_t since_day, struct shadow_rows *rows,
                      struct why *why);

#endif
