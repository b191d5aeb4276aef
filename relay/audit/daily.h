// SPDX-License-Identifier: ISC
// The audit of the configured domains (dkim.domains) at start and every day: what is wrong becomes `alarm`
// lines. One domain after the other, on the loop it was started on; fetches policies by itself.
#ifndef RELAY_AUDIT_DAILY_H
#define RELAY_AUDIT_DAILY_H

#include <jansson.h>
#include "dns/dns.h"
#include "relay/setup/setup.h"

struct audit_daily;

// `mail` is the inbox of the loop. The first audit begins a few seconds after the start.
struct audit_daily *audit_daily_start(uv_loop_t *loop, struct inbox *mail, struct dns *dns,
                                      struct setup *setup);
void audit_daily_reload(struct audit_daily *daily, struct setup *setup); // counts from the next run
// What was found last of each domain, by its name: audit_json (relay/audit/json.h) and "at", seconds. Of the loop;
// valid until it turns.
const json_t *audit_daily_last(const struct audit_daily *daily);
void audit_daily_stop(struct audit_daily *daily); // accepts NULL; freed when the loop has turned

#endif
