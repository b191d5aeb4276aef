// SPDX-License-Identifier: ISC
// Which TLS failures the page shows: a form whose fields are arguments of the address, and the question that they ask
// of the verb tls-failures, as `waxwing tls failures` asks it.
#ifndef RELAY_HTTP_FAILURE_FORM_H
#define RELAY_HTTP_FAILURE_FORM_H

#include <jansson.h>
#include "relay/http/http.h"
#include "relay/state/state.h"

// The question of a call's arguments; NULL with why where one of them cannot be asked.
json_t *failure_form_request(struct http_call *call, struct why *why);
bool failure_form_chosen(struct http_call *call);           // anything is
void failure_form(struct http_call *call, struct buf *out); // filled in as the call's arguments say
const char *failure_outcome(enum state_outcome outcome);    // "would have been refused"

#endif
