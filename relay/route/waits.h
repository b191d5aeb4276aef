// SPDX-License-Identifier: ISC
// What a planning waits for, for people who wait for it: the lookups and fetches under way, since when, and whom they
// are asked of.
#ifndef RELAY_ROUTE_WAITS_H
#define RELAY_ROUTE_WAITS_H

#include <jansson.h>
#include "relay/route/planning.h"

#define WAITS_TEXT 512 // bytes of one in words

// [{"what":"TLSA", "name":"_25._tcp.mx.example", "asked":SECONDS|null, "of":"9.9.9.9"}]; null: its turn has not come.
// What is `policy` is fetched over HTTPS, and what is `token` is asked of a provider. On the planning's loop.
json_t *waits_json(const struct planning *planning);
// "TLSA of _25._tcp.mx.example, asked 12 s ago of 9.9.9.9"
void waits_text(const json_t *wait, char out[static WAITS_TEXT]);

#endif
