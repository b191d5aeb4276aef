// SPDX-License-Identifier: ISC
// The pages behind the first one. Each asks the control verbs that a command of the same name asks, and shows the
// same words.
#ifndef RELAY_HTTP_VIEWS_H
#define RELAY_HTTP_VIEWS_H

#include "relay/http/gather.h"

#define VIEWS_FAILURES 1000 // newest failures looked at
#define VIEWS_ROWS     100  // of what waits, on one page
#define VIEWS_TROUBLE  8    // domains that wait, on the first page
#define LOGINS_BANS    1000 // bans shown

void overview(struct http_call *call, struct relay *relay);         // overview.c
void views_queue(struct http_call *call, struct relay *relay);      // queue.c
void views_message(struct http_call *call, struct relay *relay);    // message.c
void views_domain(struct http_call *call, struct relay *relay);     // domain.c
void views_failures(struct http_call *call, struct relay *relay);   // failures.c
void views_shadow(struct http_call *call, struct relay *relay);     // failures.c
void views_policies(struct http_call *call, struct relay *relay);   // policies.c
void views_exceptions(struct http_call *call, struct relay *relay); // policies.c
void views_logins(struct http_call *call, struct relay *relay);     // logins.c
void views_sites(struct http_call *call, struct relay *relay);      // sites.c
void views_fleet(struct http_call *call, struct relay *relay);      // fleet.c
void views_coming(struct http_call *call, struct relay *relay);     // coming.c
void views_own(struct http_call *call, struct relay *relay);        // own.c

// Is mail flowing, and if not, whose is it to mend; of the answers to status and queue-summary. (verdict.c)
void views_verdict(const struct gather *g, struct buf *out, const json_t *summary);
// "Whoever runs this relay" of the word "us".
void views_actor(struct buf *out, const char *act);

// What the last deliveries to a domain met, of what `explain` says of it, and whether the very last failed. (recent.c)
void views_recent(const struct gather *g, struct buf *out, const json_t *plan);
bool views_is_failing(const json_t *recent);
// The `most` domains that most of the queue waits for, of an answer to queue-summary.
void views_trouble(const struct gather *g, struct buf *out, const json_t *summary, size_t most);
// Rows of queue-list as a table; VIEWS_ROWS at the most.
void views_queue_rows(const struct gather *g, struct buf *out, const json_t *rows);
// The same of one message: without what its head says.
void views_queue_recipients(const struct gather *g, struct buf *out, const json_t *rows);
// Below the sentence of a row with "why" and "act": who can mend it, and what it is called.
void views_cause(struct buf *out, const json_t *row);
// An envelope address, masked where the log's are.
void views_address(struct buf *out, const struct gather *g, const char *text);
// The question for the newest failures, and what one meant for the delivery.
json_t *views_newest_failures(void);
void views_consequence(struct buf *out, const json_t *row);
// Failures grouped: a row a domain, host, reason and consequence. Returns how many groups there are.
size_t views_failure_groups(struct buf *out, const json_t *rows);

void views_events(struct http_call *call, struct relay *relay); // relay/http/events.c

#endif
