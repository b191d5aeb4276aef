// SPDX-License-Identifier: ISC
// `explain --connect`: connects to each host of a route up to the end of STARTTLS, shows certificate and
// proof, and says goodbye. Sends no mail.
#ifndef RELAY_COMMAND_PROBE_H
#define RELAY_COMMAND_PROBE_H

#include <jansson.h>
#include <uv.h>
#include "relay/route/route.h"

#define PROBE_TIMEOUT_MS 20000 // for one host, from connect to verdict

// One object an address: {"host","address","result":"proved|clear|failed|unreachable","proof","protocol",
// "cipher","certificate":[…],"starttls":true,"type","reason","watched":{"type","reason"}}, as a delivery would
// fare: clear where it would go on without TLS, watched where it would go on and record a failure. Runs the
// loop meanwhile.
json_t *probe_route(uv_loop_t *loop, const struct route *route);

#endif
