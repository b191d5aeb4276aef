// SPDX-License-Identifier: ISC
// What `waxwing explain` says: one planning as JSON (interface names; explain_json.c), and that JSON as text for 80
// columns (relay/command/explain_text.c, so only commands may print it).
#ifndef RELAY_ROUTE_EXPLAIN_H
#define RELAY_ROUTE_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>
#include "relay/route/planning.h"

// From a finished planning; the caller owns the object.
json_t *explain_json(const struct planning *planning, const char *domain);
void explain_print(const json_t *explanation, FILE *out);

#endif
