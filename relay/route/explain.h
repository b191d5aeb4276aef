// SPDX-License-Identifier: ISC
// What `waxwing explain` says of a plan, as JSON (interface names); relay/command/explain.h has it as text.
#ifndef RELAY_ROUTE_EXPLAIN_H
#define RELAY_ROUTE_EXPLAIN_H

#include <jansson.h>
#include "relay/route/planning.h"

// From a planning; the caller owns the object. One that is not finished says what is known (`known`: the route that
// was planned before, NULL: none) and names in `running` what it waits for (relay/route/waits.h).
json_t *explain_json(const struct planning *planning, const struct route *known,
                     const char *domain);

#endif
