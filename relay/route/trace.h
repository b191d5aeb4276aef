// SPDX-License-Identifier: ISC
// A route as a trace tells it: what `waxwing explain --json` says of its planning (relay/route/explain.h), without
// what is empty and without what is another time each time: ages and the rest of TTLs. The same decision from the
// same records is the same text, so that a ring file has it once however often it is planned.
#ifndef RELAY_ROUTE_TRACE_H
#define RELAY_ROUTE_TRACE_H

#include "relay/route/planning.h"
#include "relay/trace/piece.h"

struct trace_piece *route_trace(const struct planning *planning, const char *domain);

#endif
